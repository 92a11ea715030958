"""One conversation, four consumers: the graph's record, TRL's SFT collator, TRL's GRPO loop and the
chat template give equal token ids and equal loss masks. The model is a random Qwen2.5-VL that is
made to say the script; everything around it is real.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from scripted_model import make_it_say, make_it_write
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from eva_graph import Context, VideoAgent
from eva_graph.dialects import Question
from eva_graph.known import Reference
from eva_graph.limits import Limits
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.processor import chat_template, load_model, load_processor, visual_grid
from eva_graph.testing import make_clip
from eva_graph.trajectory import Trajectory, read_records
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameRef, FrameStore
from eva_graph_training.dataset import sft_dataset
from eva_graph_training.env import VideoEnvironment, opening_messages
from eva_graph_training.format import prepare_processor
from eva_graph_training.nano.folder import new_model, save_folder
from eva_graph_training.nano.tokens import build_tokenizer
from eva_graph_training.recipe.settings import RewardSettings
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.rewards.functions import reward_functions

QUESTION = "Which colour is shown at 3 seconds?"
MAX_TURNS = 5
CALL = '{"tool": "frame_select", "arguments": {"start_time": %s, "end_time": %s, "nframes": 2}}'
SCRIPT = [
    f"Summary: nothing seen.\n<tool_call>{CALL % (0, 6)}\n{CALL % (2, 3)}</tool_call>",
    "Reflection: hm.  \n<tool_call>{not json</tool_call>",
    '<tool_call>{"tool": "no_such_tool", "arguments": {}}</tool_call>',
    f"Reflection: ünïcode 語 at [00:03].\n<tool_call>{CALL % (3, 3.4)}</tool_call>",
    f"Reflection: enough.\n<tool_call>{CALL % (0, 1)}</tool_call><answer>blue</answer>",
]
"""Two objects in a block; malformed; a turn without images; the last look, which forces the
answer; an answer with a call, which the answer beats."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("random")
    tokenizer = build_tokenizer(chat_template(), vocabulary_size=640, conversations=50)
    save_folder(new_model(tokenizer, seed=0), tokenizer, path, torch.float32)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=8, size=(224, 168))


@pytest.fixture(scope="module")
def recorded(folder: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    policy = TransformersPolicy(folder)
    make_it_write(policy, load_processor(folder).tokenizer, SCRIPT)
    context = Context(max_turns=MAX_TURNS, reference=Reference(expected="blue"))
    result = VideoAgent(policy).run(clip, QUESTION, record=run, context=context)
    assert (result.answer, result.stop_reason) == ("blue", "forced")
    assert [len(turn.calls) for turn in result.turns] == [2, 0, 1, 1, 0]
    return run


@pytest.fixture(scope="module")
def record(recorded: Path) -> Trajectory:
    (only,) = read_records(recorded)
    return only


def of_record(record: Trajectory) -> tuple[list[int], list[int]]:
    ids: list[int] = []
    mask: list[int] = []
    for turn in record.turns:
        assert turn.tokens is not None
        assert turn.tokens.prefix_ok
        delta, sampled = turn.tokens.prompt_delta_ids, turn.tokens.token_ids
        ids += delta + sampled
        mask += [0] * len(delta) + [1] * len(sampled)
    return ids, mask


def of_sft(folder: Path, run: Path, output: Path) -> tuple[list[int], list[int]]:
    dataset = sft_dataset([run])
    config = SFTConfig(
        output_dir=str(output), assistant_only_loss=True, max_length=None, report_to=[],
        use_cpu=True, bf16=False, activation_checkpointing=False,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=load_model(folder), args=config, train_dataset=dataset,
        processing_class=load_processor(folder),
    )  # fmt: skip
    batch = trainer.data_collator([dataset[0]])
    assert batch["pixel_values"].shape[0] == int(batch["image_grid_thw"].prod(dim=1).sum())
    labels = batch["labels"][0]
    return batch["input_ids"][0].tolist(), (labels != -100).int().tolist()


def of_grpo(
    folder: Path, clip: Path, output: Path
) -> tuple[list[int], list[int], int, list[Attempt], dict[str, float]]:
    processor = prepare_processor(load_processor(folder))
    grid, videos = visual_grid(processor), OpenVideos()
    environment = partial(
        VideoEnvironment, store=FrameStore(output / "frames"), videos=videos,
        limits=Limits(max_turns=MAX_TURNS, grid=grid),
    )  # fmt: skip
    prompt = opening_messages(str(clip), Question(text=QUESTION), videos=videos, grid=grid)
    row = {"prompt": prompt, "video": str(clip), "question": QUESTION, "answer": "blue"}
    rewards = reward_functions(RewardSettings(self_verification=False, repeat_weight=0.5))
    config = GRPOConfig(
        output_dir=str(output), max_steps=1, per_device_train_batch_size=2, num_generations=2,
        max_completion_length=4096, max_tool_calling_iterations=MAX_TURNS - 1, use_cpu=True,
        bf16=False, report_to=[], save_strategy="no", activation_checkpointing=False,
        disable_tqdm=True, learning_rate=0.0, logging_steps=1, reward_weights=[0, *rewards.weights],
    )  # fmt: skip
    model = load_model(folder)
    make_it_say(model, processor.tokenizer, SCRIPT)
    attempts: list[Attempt] = []

    def reward(completions: Any, environments: Any, **_: Any) -> list[float]:
        for environment, completion in zip(environments, completions, strict=True):
            attempts.append(Attempt.of_rollout(environment.account, completion))
        return [float(i) for i in range(len(completions))]

    trainer = GRPOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list([row] * 2),
        reward_funcs=[reward, *rewards.functions], processing_class=processor,
        environment_factory=environment,
    )  # fmt: skip
    seen: list[dict[str, Any]] = []
    generate = trainer._generate_and_score_completions

    def keep(inputs: Any) -> Any:
        seen.append(generate(inputs))
        return seen[-1]

    trainer._generate_and_score_completions = keep
    trainer.train()
    logged = trainer.state.log_history[0]
    batch = seen[0]
    prompt_ids = batch["prompt_ids"][0][batch["prompt_mask"][0].bool()].tolist()
    present = batch["completion_mask"][0].bool()
    completion_ids = batch["completion_ids"][0][present].tolist()
    mask = batch["tool_mask"][0][present].int().tolist()
    patches = int(batch["pixel_values"].shape[0])
    return prompt_ids + completion_ids, [0] * len(prompt_ids) + mask, patches, attempts, logged


def told(attempt: Attempt) -> dict[str, Any]:
    """All that a reward may look at, without what differs from run to run."""
    calls = [look.call.model_dump(exclude={"id", "seconds", "cached"}) for look in attempt.looks]
    return {**asdict(replace(attempt, looks=(), load_frame=blind)), "calls": calls}


def blind(_: FrameRef) -> bytes:
    raise AssertionError("no frame is read")


def test_record_has_the_ids_of_the_rendered_transcript(folder: Path, record: Trajectory) -> None:
    processor = load_processor(folder)
    messages = [
        {"role": message["role"], "content": message["content"]} for message in record.messages
    ]
    text = processor.tokenizer.apply_chat_template(messages, tokenize=False)
    ids, _ = of_record(record)
    decoded = processor.tokenizer.decode(ids)
    pad = "<|image_pad|>"
    while pad * 2 in decoded:
        decoded = decoded.replace(pad * 2, pad)
    assert decoded == text


def test_sft_collator_equals_the_record(
    folder: Path, recorded: Path, record: Trajectory, tmp_path: Path
) -> None:
    assert of_sft(folder, recorded, tmp_path) == of_record(record)


def test_grpo_loop_equals_the_record(
    folder: Path, clip: Path, record: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    ids, mask, patches, attempts, logged = of_grpo(folder, clip, tmp_path)
    assert (ids, mask) == of_record(record)
    grids = [grid for turn in record.turns if turn.tokens for grid in turn.tokens.image_grids or ()]
    assert patches == 2 * sum(t * h * w for t, h, w in grids)  # two rollouts in the batch
    assert [told(attempt) for attempt in attempts] == [told(Attempt.of_record(record, blind))] * 2
    terms = {name: logged[f"rewards/{name}/mean"] for name in ("accuracy", "format", "repeat")}
    assert terms == {"accuracy": 1.0, "format": 0.0, "repeat": -0.0}
    assert logged["reward"] == 1.0
    assert logged["attempts/blind"] == 0.0
