"""Situations of reading a turn: answers, calls, and what is neither; and of servers that fail."""

from __future__ import annotations

from openai_server import Fault, Reply
from parity.situations import ANSWER, Situation, block, call, look, looks, situation

LOOK = look(0, 2, 4)
ARGUMENTS = '{"start_time": 0, "end_time": 2, "nframes": 3}'


def said(name: str, *script: str | Reply | Fault, **rest: str | int) -> Situation:
    """A situation on the short clip whose script is all there is."""
    return Situation(name=name, script=script, **rest)


ANSWERS = (
    said("answer_at_once", "<answer>B</answer>"),
    said("answer_lower_case", LOOK, "<answer>\n b \n</answer> done"),
    said("answer_with_text", "<answer>B. two</answer>"),
    said("answer_wrong", LOOK, "<answer>C</answer>"),
    said("answer_beats_call", LOOK + "\n<answer>B</answer>"),
    said("answer_before_call", "<answer>B</answer>\n" + LOOK),
    said("answer_twice", "<answer>A</answer><answer>B</answer>"),
    said("answer_empty", "<answer></answer>"),
    said("answer_empty_then_stated", "<answer> </answer> Answer: B"),
    said("answer_unclosed", "<answer>B"),
    said("answer_of_a_word", "<answer>Two</answer>", ground_truth="two"),
    said("stated", LOOK, "Therefore:\nAnswer: B"),
    said("stated_with_text", "answer: B) two, as it seems to me"),
    said("stated_in_bold", "**Answer:** B"),
    said("stated_in_words", "The answer is B"),
    said("stated_by_accident", "I will look again and then answer a question"),
    said("stated_before_call", "Answer: B. " + LOOK),
    said("stated_far_from_the_end", "Answer: B " + "x" * 101),
    said("no_call_no_answer", LOOK, "I do not know what to do next."),
    said("empty_content", ""),
    said("empty_content_later", LOOK, ""),
    said("truncated_answer", Reply(text="<answer>B", finish_reason="length")),
    said("truncated_call", Reply(text=LOOK[:60], finish_reason="length")),
    said("truncated_but_whole", Reply(text=LOOK, finish_reason="length"), ANSWER),
    said("six_looks_no_answer", *[LOOK] * 6),
    said("answer_in_the_sixth_turn", *[look(0, 1, 2)] * 5, ANSWER),
    said("two_turns_no_answer", LOOK, LOOK, max_turns=2),
    said("call_in_the_only_turn", LOOK, max_turns=1),
    said("failing_call_in_the_last_turn", LOOK, look(0, 2, 4.5), max_turns=2),
    said("raising_call_in_the_last_turn", LOOK, looks((0, 2, 2), ("0", "2", 2)), max_turns=2),
    said("half_failing_call_in_the_last_turn", LOOK, looks((0, 2, 2), (0, 2, 0)), max_turns=2),
    said("no_right_answer", "<answer>@</answer>", ground_truth="@"),
    said("literal_breaks", LOOK, ANSWER, text="Which?\\nA: one\\nB: two\\nC: three\\n"),
    said("space_around_the_question", LOOK, ANSWER, text="Which? \n(A) one\n(B) two \n\n"),
    said("tags_in_the_question", LOOK, ANSWER, text="Is <answer>B</answer> or <tool_call> it?"),
    said(
        "other_scripts",
        LOOK,
        "最后。<answer>二</answer>",
        text="数字是几？ \u00e9\u0301 🎬",
        ground_truth="二",
    ),
)

CALLS = (
    situation(
        "call_pretty_printed",
        "short",
        block(
            '{\n  "tool":  "frame_select",\n  "arguments": {\n    "start_time": 0,\n'
            '    "end_time": 2,\n    "nframes": 3\n  }\n}'
        ),
    ),
    situation(
        "call_parameters_key",
        "short",
        block(f'{{"tool": "frame_select", "parameters": {ARGUMENTS}}}'),
    ),
    said(
        "call_native_name_key",
        block(f'{{"name": "frame_select", "arguments": {ARGUMENTS}}}'),
        ANSWER,
    ),
    said(
        "call_arguments_before_tool",
        block(f'{{"arguments": {ARGUMENTS}, "tool": "frame_select"}}'),
        ANSWER,
    ),
    said(
        "call_key_between",
        block(f'{{"tool": "frame_select", "id": 1, "arguments": {ARGUMENTS}}}'),
        ANSWER,
    ),
    said("call_another_tool", block(call(ARGUMENTS, tool="zoom")), ANSWER),
    said("call_nothing_in_block", "<tool_call></tool_call>", ANSWER),
    said("call_block_unclosed", LOOK.replace("</tool_call>", ""), ANSWER),
    said("call_in_the_second_block", "<tool_call>none</tool_call>" + LOOK, ANSWER),
    situation("call_two_blocks", "short", LOOK + look(1, 2, 2)),
    situation("call_in_a_list", "short", block(f"[{call(ARGUMENTS)}]")),
    situation("call_with_prose_in_block", "short", block("I take " + call(ARGUMENTS) + " now")),
    situation(
        "call_arguments_in_any_order",
        "short",
        block(call('{"nframes": 2, "resize": 0.5, "end_time": 2.0, "start_time": 1.0}')),
    ),
    situation("call_unknown_arguments", "short", look(0, 2, 3, fps=2, camera="left", zoom=[0, 1])),
    said(
        "call_nested_object",
        block(call('{"start_time": 0, "end_time": 2, "nframes": 3, "box": {"x": 1}}')),
        ANSWER,
    ),
    said("call_bad_json", block(call("{'start_time': 0, 'end_time': 2, 'nframes': 3}")), ANSWER),
    said(
        "call_trailing_comma",
        block(call('{"start_time": 0, "end_time": 2, "nframes": 3,}')),
        ANSWER,
    ),
    said("call_no_end", block(call('{"start_time": 0, "nframes": 3}')), ANSWER),
    said("call_no_nframes", block(call('{"start_time": 0, "end_time": 2}')), ANSWER),
    situation("call_two_of_two", "short", looks((0, 1, 2), (1, 2, 3, 0.5))),
    situation(
        "call_five", "short", looks(*[(start / 4, start / 4 + 0.2, 2) for start in range(5)])
    ),
    situation("call_one_of_two_fails", "short", block(call("{'start_time': 0}"), call(ARGUMENTS))),
    situation("call_last_of_three_fails", "short", looks((0, 1, 2), (1, 2, 1), (0, 1, 0))),
    said(
        "call_all_of_three_fail",
        block(call("{]}"), call("{}"), call('{"start_time": 0, "end_time": 1, "nframes": 2.5}')),
        ANSWER,
    ),
    said("call_first_raises", looks(("0:01", 2, 2), (0, 1, 2)), ANSWER),
    said("call_second_raises", looks((0, 1, 2), (0, 1, None)), ANSWER),
)

SERVERS = (
    said("server_fails_once", Fault.ERROR_500, LOOK, ANSWER),
    said("server_fails_for_good", LOOK, Fault.ERROR_500),
    said("server_breaks_off_once", LOOK, Fault.CUT, ANSWER),
    said("server_is_busy_once", LOOK, Fault.BUSY_429, ANSWER),
    said("server_refuses", Fault.REFUSED_400),
    said("server_refuses_frames", LOOK, Fault.REFUSED_400),
    said("context_overflow", LOOK, LOOK, Fault.OVERFLOW),
    said("context_overflow_once", LOOK, Fault.OVERFLOW, ANSWER),
    said("server_gives_no_choice", LOOK, Fault.EMPTY_CHOICES),
    said("server_gives_null", Fault.NULL_CONTENT),
    said("server_gives_a_page", Fault.HTML),
)

READING = (*ANSWERS, *CALLS, *SERVERS)
