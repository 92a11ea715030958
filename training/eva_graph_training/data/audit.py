"""The audit of a teacher's calls: rules on parameters, stricter than what labels call a fault.

EVA's pipeline lets a "Reflective Thinker" audit the parameters of every call, with two examples:
does it imply more than one frame a second, is the visual budget too small (arXiv 2603.22918,
cold-start pipeline)? Thresholds are ours where none is given. A window too long for its frames is
`sparse_long_window`, a fault of every episode, and so is asking for more than the budget.
"""

from __future__ import annotations

from eva_graph_tools import FrameRef
from eva_graph_training.labels import Facts, Rule
from eva_graph_training.labels.look_rules import dense_short_window


def above_one_fps(*, min_frames: int = 8) -> Rule:
    """More than one frame a second; fewer frames may lie closer."""
    rule = dense_short_window(max_frames_per_second=1.0, min_frames=min_frames)
    return Rule(
        name="above_one_fps",
        kind="fault",
        meaning=f"A look of at least {min_frames} frames took more than one a second.",
        reason=rule.reason,
        find=rule.find,
    )


def too_small_to_see(*, min_frame_tokens: int = 16) -> Rule:
    """Answers from frames that are too small for any detail."""

    def find(facts: Facts) -> str | None:
        frames = [frame for look in facts.looks for frame in look.frames]
        if not frames or any(_is_large(facts, frame, min_frame_tokens) for frame in frames):
            return None
        largest = max(frames, key=lambda frame: frame.width * frame.height)
        return f"no frame is larger than {largest.width}x{largest.height} pixels"

    return Rule(
        name="too_small_to_see",
        kind="fault",
        meaning=f"No frame of the episode had {min_frame_tokens} visual tokens, nor the video's "
        "own size, nor was cut out of a picture.",
        reason="The audit asks whether the visual budget is too small for the detail. 16 tokens "
        "are 112 x 112 pixels.",
        find=find,
    )


AUDIT: tuple[Rule, ...] = (above_one_fps(), too_small_to_see())


def _is_large(facts: Facts, frame: FrameRef, min_frame_tokens: int) -> bool:
    video, patch = facts.record.video, facts.record.policy.patch_pixels
    whole = min(min_frame_tokens * patch**2, video.width * video.height)
    # Sides are rounded to whole patches, so a picture at full size may lose half a patch a side.
    return frame.box is not None or (frame.width + patch / 2) * (frame.height + patch / 2) >= whole
