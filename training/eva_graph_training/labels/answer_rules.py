"""Whether an answer rests on what was seen: guesses are faults, right and grounded is the merit."""

from __future__ import annotations

from eva_graph_training.labels.facts import Facts
from eva_graph_training.labels.rule import Rule, register


def blind_guess(*, min_visual_tokens: int = 64) -> Rule:
    """The rule with a threshold of your own."""

    def find(facts: Facts) -> str | None:
        video, policy = facts.record.video, facts.record.policy
        whole = (video.width * video.height) // policy.patch_pixels**2
        seen = facts.record.usage.visual_tokens
        if not facts.answered or seen >= min(min_visual_tokens, max(whole, 1)):
            return None
        return f"answered after {seen} visual tokens"

    return Rule(
        name="blind_guess",
        kind="fault",
        meaning=f"It answered, right or wrong, after fewer than {min_visual_tokens} visual tokens "
        "in all, or less than one full frame where the video's frames are smaller than that.",
        reason="Stage two rejects answers for which the visual tokens were insufficient; a guess "
        "that happened to be right is still one. 64 tokens are one frame of 224 x 224 pixels, the "
        "least at which image encoders are commonly trained.",
        find=find,
    )


def _unsupported(facts: Facts) -> str | None:
    if not facts.answered or facts.evidence_suffices is not False:
        return None
    return "the judge cannot answer from the frames that it had seen"


def _right_and_grounded(facts: Facts) -> str | None:
    if facts.record.correct is not True or not facts.looks or facts.faults:
        return None
    return f"right after {len(facts.looks)} looks, and no fault was found"


register(blind_guess())
register(
    Rule(
        name="unsupported_answer",
        kind="fault",
        meaning="It answered, and a judge policy says that the frames shown do not suffice.",
        reason="Stage two lets a judge pick the failures that answer although they saw too "
        "little. Only where a judge was asked.",
        find=_unsupported,
    )
)
register(
    Rule(
        name="right_and_grounded",
        kind="merit",
        meaning="The answer is the expected one, frames were looked at, and there is no fault.",
        reason="Stage two's chosen side: enough tokens and correct.",
        find=_right_and_grounded,
    )
)
