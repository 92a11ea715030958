"""Scenes from where an encoder put its key frames, and from those key frames themselves.

Encoders set a key frame where the picture changes altogether, and others because a number of frames
has passed. The latter are known by their regularity. A file that has hardly any others (a fixed
group of pictures, all key frames, a picture that never changes) says nothing of its scenes by
itself; looked at, its regular key frames show whether scenes changed between them unmarked.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eva_graph_tools.index import FrameIndex
from eva_graph_tools.scenes.rules import LEAST_SCENE_SECONDS
from eva_graph_tools.scenes.scene_list import Boundary

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_FEWEST_GROUPS = 4
_NEARLY_FRAMES = 1  # groups that follow a clock and not a count vary by one
_LEAST_CHOSEN_SHARE = 0.3
_GRID_SHARE = 0.95
_LEAST_MEDIAN_SECONDS = 0.5
_UNMARKED_SHARE = 0.1
_JUST_ENOUGH = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrames:
    """Shown key frames after the first one.

    Attributes:
        indices: display indices, ascending.
        chosen: which were set for the picture's sake and not by regularity.
    """

    indices: Positions
    chosen: Mask


def key_frames(index: FrameIndex) -> KeyFrames | None:
    """The key frames of a video; None where they are too few or too many to say anything."""
    keys = index.shown_keys
    spacing = np.diff(keys)
    if len(spacing) < _FEWEST_GROUPS:
        return None
    frame_seconds = index.duration_seconds / index.frame_count
    if float(np.median(spacing)) * frame_seconds < _LEAST_MEDIAN_SECONDS:
        return None
    return KeyFrames(indices=keys[1:], chosen=~_regular(keys, spacing))


def boundaries_by_index(index: FrameIndex) -> list[Boundary] | None:
    """Scenes by the container alone; None if its key frames do not tell."""
    keys = key_frames(index)
    if keys is None or np.mean(keys.chosen) < _LEAST_CHOSEN_SHARE:
        return None
    chosen = keys.indices[keys.chosen].tolist()
    return _spaced(index, [Boundary(index=at, kind="cut", sure=_JUST_ENOUGH) for at in chosen])


def boundaries_by_keys(
    index: FrameIndex, content: npt.NDArray[np.float32], threshold: float
) -> list[Boundary] | None:
    """Scenes by key frames that were looked at; None if they do not tell.

    Args:
        index: the video's.
        content: PySceneDetect's content score of each of `key_frames`, against the key frame
            before it.
        threshold: the score from which on a change is sure to be one of scenes; half of it will
            do where the encoder took it for one.
    """
    keys = key_frames(index)
    if keys is None:
        return None
    found = keys.chosen & (content >= threshold / 2)
    unmarked = int(np.sum(~keys.chosen & (content >= threshold)))
    if unmarked > 1 and unmarked > _UNMARKED_SHARE * (unmarked + int(found.sum())):
        return None
    sure = np.round(np.minimum(1.0, content / threshold), 3)
    return _spaced(
        index,
        [
            Boundary(index=int(keys.indices[at]), kind="cut", sure=float(sure[at]))
            for at in np.flatnonzero(found)
        ],
    )


def _regular(keys: Positions, spacing: Positions) -> Mask:
    """Which of the key frames after the first come at a regular distance."""
    usual = int(np.bincount(spacing).argmax())
    since = keys - keys[0]
    on_grid = since % usual == 0
    if on_grid.sum() >= max(_FEWEST_GROUPS, _GRID_SHARE * (int(since[-1]) // usual + 1)):
        return np.asarray(on_grid[1:])
    often = np.abs(spacing - usual) <= _NEARLY_FRAMES
    if np.mean(often) > 1 - _LEAST_CHOSEN_SHARE:
        return np.asarray(often)
    longest = np.abs(spacing - spacing.max()) <= _NEARLY_FRAMES
    return np.asarray(longest if longest.sum() > 1 else np.zeros(len(spacing), np.bool_))


def _spaced(index: FrameIndex, boundaries: list[Boundary]) -> list[Boundary]:
    kept: list[Boundary] = []
    for boundary in boundaries:
        since = index.seconds(kept[-1].index) if kept else -LEAST_SCENE_SECONDS
        if index.seconds(boundary.index) - since >= LEAST_SCENE_SECONDS:
            kept.append(boundary)
    return kept
