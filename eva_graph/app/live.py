"""One question while it is answered: the stages of the page, until the answer, a limit or Stop.

The episode runs in a task of its own, so that Stop and a closed page end it at once, wherever it
waits. A model or a decoder at work in a thread is not torn off: it ends its turn unheard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from eva_graph.agent import VideoAgent
from eva_graph.app.chosen import ChosenVideo
from eva_graph.app.sessions import Session
from eva_graph.app.stage import Phase, Stage, episode_json
from eva_graph.errors import EvaGraphError
from eva_graph.known import Reference
from eva_graph.result import RunResult
from eva_graph.state import Context
from eva_graph.steps import Step
from eva_graph.trajectory import RunStore


@dataclass(slots=True, kw_only=True)
class Question:
    """A question on the way to its answer."""

    agent: VideoAgent
    session: Session
    video: ChosenVideo
    text: str
    options: tuple[str, ...]
    context: Context
    limit_seconds: float
    _news: asyncio.Queue[Step | RunResult | None] = field(default_factory=asyncio.Queue)
    _message: str | None = None

    async def stages(self) -> AsyncGenerator[Stage, None]:
        """The page's states, the last one without anything that still runs."""
        run = await asyncio.to_thread(self.session.fresh_run)
        stage = Stage(
            phase="running",
            video=self.video,
            question=self.text,
            doing="Reading the question",
            token=self.session.token,
        )
        task = self.session.asking = asyncio.create_task(self._ask(str(run)))
        answered = False
        try:
            yield stage
            while (item := await self._news.get()) is not None:
                answered = isinstance(item, RunResult)
                if isinstance(item, Step):
                    self.session.trajectory_id = item.trajectory_id
                    episode = await asyncio.to_thread(self._episode, item.trajectory_id)
                    stage = stage.after(item, episode)
                    yield stage
            with suppress(asyncio.CancelledError):
                await task
            yield await self._end(stage, answered=answered)
        finally:
            task.cancel()

    async def _ask(self, run: str) -> None:
        context = replace(self.context, record=run, reference=Reference(expected=self._expected()))
        try:
            async with asyncio.timeout(self.limit_seconds):
                steps = self.agent.astream(
                    self.video.path, self.text, options=self.options or None, context=context
                )
                async with aclosing(steps):
                    async for item in steps:
                        self._news.put_nowait(item)
        except TimeoutError:
            self._message = (
                f"Ended after {self.limit_seconds:g} seconds: ask about less of the video, or "
                "start the page with a larger --question-timeout."
            )
        except EvaGraphError as error:
            self._message = str(error)
        finally:
            self._news.put_nowait(None)

    def _expected(self) -> str | None:
        """The right answer, where the question is still the sample's own."""
        sample = self.video.sample
        return sample.expected if sample is not None and sample.question == self.text else None

    def _episode(self, trajectory_id: str) -> dict[str, object]:
        return episode_json(RunStore(self.session.run).fold(trajectory_id), self.session.token)

    async def _end(self, stage: Stage, *, answered: bool) -> Stage:
        """What is left once nothing runs any more."""
        trajectory_id = self.session.trajectory_id
        episode = stage.episode
        if trajectory_id is not None and not self.session.closed:
            episode = await asyncio.to_thread(self._episode, trajectory_id)
        phase: Phase = "done" if answered else "failed" if self._message else "stopped"
        return replace(
            stage,
            phase=phase,
            message=self._message if self._message or answered else "Stopped.",
            doing="",
            planned=(),
            episode=episode,
            files=trajectory_id is not None,
        )
