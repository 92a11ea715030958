"""The agent as a model of lmms-eval (0.7), so that its task definitions can be run against it.

    lmms-eval --model eva_graph --model_args policy=http://localhost:8000/v1 --tasks videomme

lmms-eval finds it through the entry point group `lmms_eval.models`. A task's prompt is asked to the
letter, options and all, and the answer's text is handed back: the task scores it. The task's
generation settings are those of a model that answers at once and are not used. This module imports
lmms-eval, which wants an environment of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest

from eva_graph.agent import VideoAgent
from eva_graph.errors import InvalidRequest
from eva_graph.state import Context
from eva_graph_tools import ToolError

_log = logging.getLogger(__name__)


def manifest() -> ModelManifest:
    """What lmms-eval registers: the model `eva_graph`."""
    return ModelManifest(
        model_id="eva_graph", simple_class_path=f"{__name__}.{EvaGraphModel.__name__}"
    )


class EvaGraphModel(lmms):  # type: ignore[misc]  # lmms-eval is not typed
    """Answers the requests of tasks that show one video file.

    Args:
        policy: server URL or model folder; the embedded policy if absent.
        model: model name at the server.
        concurrency: questions at a time.
        record: run directory for the episodes; what failed, and why, is only told there.
        dialect, profile, instructions, max_turns, max_new_tokens, look_budget: as in `eva-graph
            eval`.
        batch_size, max_batch_size, device: lmms-eval passes them to every model; not used.

    Raises:
        EvaGraphError: the agent cannot be made.
    """

    def __init__(
        self,
        policy: str | None = None,
        model: str | None = None,
        *,
        concurrency: int = 8,
        record: str | None = None,
        dialect: str = "eva",
        profile: str = "corrected",
        instructions: bool = False,
        max_turns: int = 6,
        max_new_tokens: int = 2048,
        look_budget: int = 12_000,
        batch_size: object = None,
        max_batch_size: object = None,
        device: object = None,
    ) -> None:
        super().__init__()
        knobs = Context(max_turns=max_turns, max_new_tokens=max_new_tokens, look_budget=look_budget)
        chosen: dict[str, Any] = {"dialect": dialect, "profile": profile}
        self._agent = VideoAgent(
            policy, model=model, instructions=instructions, context=knobs, **chosen
        )
        self._concurrency = int(concurrency)
        self._record = record

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The answers, in the order of the requests; empty where there is none.

        Raises:
            InvalidRequest: a request shows anything but one video file.
            PolicyError: the policy cannot be reached.
        """
        _ = self._agent.policy.info
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="lmms-eval") as pool:
            return list(pool.map(self._answer, requests))

    def generate_until_multi_round(self, requests: Sequence[Any]) -> NoReturn:
        """Refused: an episode is one question. Raises `InvalidRequest`."""
        raise InvalidRequest("the agent answers single questions: take tasks of one round")

    def loglikelihood(self, requests: Sequence[Any]) -> NoReturn:
        """Refused: an agent writes answers, it does not weigh them. Raises `InvalidRequest`."""
        raise InvalidRequest("the agent gives no likelihoods: take tasks of type generate_until")

    def _answer(self, request: Any) -> str:
        prompt, _, doc_to_visual, doc_id, task, split = request.args
        shown = doc_to_visual(self.task_dict[task][split][doc_id])
        if len(shown) != 1 or not isinstance(shown[0], str):
            raise InvalidRequest(
                f"{task} does not show one video file a question, as the agent needs"
            )
        try:
            result = self._agent.run(shown[0], prompt, record=self._record)
        except ToolError as error:
            _log.warning("question %s of %s has no answer: %s", doc_id, task, error)
            return ""
        if not result.answer:
            _log.warning("question %s of %s has no answer: %s", doc_id, task, result.stop_reason)
        return result.answer or ""
