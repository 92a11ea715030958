"""PySceneDetect's content score: how much a picture differs from the one before it.

PySceneDetect is loaded when the first score is asked for.
"""

from functools import cache
from importlib import import_module
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from eva_graph_tools.errors import EvaGraphError
from eva_graph_tools.scenes.pictures import Pictures

Floats = npt.NDArray[np.float32]

_ANY_RATE = 25.0  # a score depends on the pictures' order, not on their times


class _Scorer(Protocol):
    def score(self, number: int, picture: npt.NDArray[np.uint8]) -> float: ...


def content_scores(pictures: Pictures) -> Floats:
    """The score of each picture against the one before, 0 to 255; 0 for the first.

    It is the mean difference in hue, saturation and brightness, `ContentDetector` with its default
    weights.

    Raises:
        EvaGraphError: PySceneDetect is not installed.
    """
    scorer = _scorer_type()()
    scores = [scorer.score(number, picture) for number, picture in enumerate(pictures.values)]
    return np.array(scores, np.float32)


def score_version() -> str:
    """What the scores depend on. Raises `EvaGraphError` as `content_scores` does."""
    _scorer_type()
    return f"scenedetect {import_module('scenedetect').__version__}"


@cache
def _scorer_type() -> type[_Scorer]:
    try:
        scenedetect = import_module("scenedetect")
    except ImportError as error:
        raise EvaGraphError(
            "finding scenes by their pictures needs PySceneDetect: pip install 'eva-graph[scenes]'"
        ) from error
    timecode = scenedetect.FrameTimecode

    # Extended as PySceneDetect's own AdaptiveDetector extends it, to have the score itself.
    class Scorer(scenedetect.ContentDetector):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__(min_scene_len=0)

        def score(self, number: int, picture: npt.NDArray[np.uint8]) -> float:
            self.process_frame(timecode(number, fps=_ANY_RATE), picture)
            return float(self._frame_score)

    return cast("type[_Scorer]", Scorer)
