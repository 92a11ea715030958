"""Errors of the training package; one line each, under `EvaGraphError`."""

from __future__ import annotations

from eva_graph.errors import EvaGraphError


class TrainingError(EvaGraphError):
    """Something about a training run is at fault; the message says what to change."""


class FormatError(TrainingError):
    """A model folder's chat format cannot be trained on."""


class DataError(TrainingError):
    """A training row cannot be used: an image is missing, or a message is not what it must be."""


class RecipeError(TrainingError):
    """A recipe cannot be read, or a setting makes no sense."""


class BatchFault(TrainingError):
    """A batch is not what its rows say: the message names row, frame and cause."""


class BlindRun(TrainingError):
    """What a model learns to write does not depend on the frames it is shown."""
