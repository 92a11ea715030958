"""The page's controls and what they call. Every choice is checked again where it arrives.

A function of the page never raises for what a user did: it shows one line instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import gradio as gr

from eva_graph.app.choosing import NO_ROOT, Choosing
from eva_graph.app.chosen import ChosenVideo
from eva_graph.app.limits import MIB, PageLimits
from eva_graph.app.live import Question
from eva_graph.app.offered import Agents
from eva_graph.app.sessions import Session, Sessions
from eva_graph.app.stage import Stage
from eva_graph.app.theme import stage_markup, stage_script
from eva_graph.errors import EvaGraphError, InvalidRequest
from eva_graph.state import Context
from eva_graph_tools.video_listing import VIDEO_SUFFIXES

Updates: TypeAlias = tuple[Any, ...]
LETTERS = "ABCD"
_TITLE = "<h1>Ask a video</h1><p>It plans, looks where it needs to, and tells what it saw.</p>"
_DEMO = "<p>A small synthetic video and a question about it, made on the spot.</p>"
_SWITCH = "() => { document.body.classList.toggle('dark'); }"
# Values reach us as they were sent: our own checks tell what is wrong in a line on the page, where
# Gradio's would leave a traceback in the operator's log.
_RAW: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "preprocess": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What the page's events do, for whichever session they come from."""

    sessions: Sessions
    choosing: Choosing
    agents: Agents
    limits: PageLimits
    context: Context

    async def opened(self, request: gr.Request) -> Updates:
        """A page was opened: what lies in the folder now, and an empty stage."""
        self._session(request)
        listing = await asyncio.to_thread(self.choosing.listing)
        names = [file.name for file in listing.files]
        info = None if listing.complete else "The first of many: type the path of another."
        return gr.update(choices=names, info=info), Stage().to_json()

    async def sample(self, request: gr.Request) -> Updates:
        """Make a sample video and put its question into the form."""
        session = self._session(request)
        stage = await self._chosen(session, self.choosing.sample, session)
        made = None if stage.video is None else stage.video.sample
        if made is None:
            return gr.skip(), *([gr.skip()] * len(LETTERS)), stage.to_json()
        options = [*made.options, *([""] * len(LETTERS))][: len(LETTERS)]
        return made.question, *options, stage.to_json()

    async def from_folder(self, name: object, request: gr.Request) -> dict[str, Any]:
        """Take a video of the folder."""
        session = self._session(request)
        return (await self._chosen(session, self.choosing.from_folder, name)).to_json()

    async def uploaded(self, file: object, request: gr.Request) -> Updates:
        """Take an upload, and make room for another one."""
        session = self._session(request)
        path = file.get("path") if isinstance(file, dict) else None
        stage = await self._chosen(session, self.choosing.from_upload, session, path)
        return None, stage.to_json()

    async def ask(
        self,
        text: object,
        policy: object,
        a: object,
        b: object,
        c: object,
        d: object,
        request: gr.Request,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Answer a question, stage by stage."""
        session = self._session(request)
        try:
            async with session.choosing:
                question = self._question(session, text, policy, (a, b, c, d))
        except EvaGraphError as error:
            yield Stage(phase="failed", video=session.video, message=str(error)).to_json()
            return
        async with aclosing(question.stages()) as stages:
            async for stage in stages:
                yield stage.to_json()

    async def stop(self, request: gr.Request) -> None:
        """End the session's question; the page hears of it from the question itself."""
        self._session(request).stop()

    async def closed(self, request: gr.Request) -> None:
        """The page was closed: end its question and remove its files."""
        self.sessions.close(str(request.session_hash))

    def _session(self, request: gr.Request) -> Session:
        return self.sessions.of(str(request.session_hash))

    async def _chosen(
        self, session: Session, choose: Callable[..., ChosenVideo], *arguments: Any
    ) -> Stage:
        if session.busy:
            return Stage(phase="failed", message="A question is being answered: stop it first.")
        async with session.choosing:
            session.video = None
            try:
                session.video = await asyncio.to_thread(choose, *arguments)
            except EvaGraphError as error:
                return Stage(phase="failed", message=str(error))
            return Stage(phase="ready", video=session.video)

    def _question(
        self, session: Session, text: object, policy: object, options: tuple[object, ...]
    ) -> Question:
        if session.busy:
            raise InvalidRequest("A question of this page is still being answered.")
        if session.video is None:
            raise InvalidRequest("Choose a video first.")
        asked, *given = (str(part or "").strip() for part in (text, *options))
        if not asked:
            raise InvalidRequest("Ask something in plain words.")
        if max(map(len, (asked, *given))) > self.limits.question_characters:
            raise InvalidRequest(f"At most {self.limits.question_characters:,} characters, please.")
        return Question(
            agent=self.agents.agent(str(policy), session.video.root),
            session=session,
            video=session.video,
            text=asked,
            options=tuple(filter(None, given)),
            context=self.context,
            limit_seconds=self.limits.question_seconds,
        )


def build_page(handlers: Handlers) -> gr.Blocks:
    """The page as Gradio blocks, with its queue."""
    page: gr.Blocks = gr.Blocks(
        title="eva-graph", analytics_enabled=False, delete_cache=(600, 3600)
    )
    with page:
        with gr.Row(elem_classes="eva-head"):
            gr.HTML(_TITLE, elem_classes="eva-title")
            theme = gr.Button("◐", elem_classes="eva-quiet", min_width=40, scale=0)
        with gr.Row(elem_classes="eva-form"):
            with gr.Column(scale=2, min_width=280):
                parts = _video_controls(handlers)
            with gr.Column(scale=3, min_width=300):
                form = _question_controls(handlers)
        stage = gr.HTML(
            Stage().to_json(),
            html_template=stage_markup(),
            js_on_load=stage_script(),
            apply_default_css=False,
            elem_id="stage",
        )
        _wire(page, handlers, {**parts, **form, "theme": theme}, stage)
    limits = handlers.limits
    page.queue(max_size=limits.waiting, default_concurrency_limit=8, api_open=False)
    return page


def _video_controls(handlers: Handlers) -> dict[str, Any]:
    choosing = handlers.choosing
    megabytes = handlers.limits.upload_bytes / MIB
    parts: dict[str, Any] = {}
    with gr.Tabs():
        if choosing.make_sample is not None:
            with gr.Tab("Demo"):
                gr.HTML(_DEMO, elem_classes="eva-note")
                parts["sample"] = gr.Button("Make a demo video", elem_id="sample")
        with gr.Tab("Folder"):
            if choosing.media_root is None:
                gr.HTML(f"<p>{NO_ROOT}</p>", elem_classes="eva-note")
            parts["folder"] = gr.Dropdown(
                label="Video",
                choices=[],
                value=None,
                allow_custom_value=True,
                visible=choosing.media_root is not None,
                elem_id="folder",
            )
        with gr.Tab("Upload"):
            parts["upload"] = gr.File(
                label=f"A video of at most {megabytes:,.0f} MB",
                file_types=sorted(VIDEO_SUFFIXES),
                height=112,
                elem_id="upload",
            )
    return parts


def _question_controls(handlers: Handlers) -> dict[str, Any]:
    form: dict[str, Any] = {}
    form["question"] = gr.Textbox(
        label="Question",
        placeholder="What is written on the sign while the border is red?",
        lines=2,
        max_lines=6,
        max_length=handlers.limits.question_characters,
        elem_id="question",
    )
    accordion = gr.Accordion("Options, for multiple choice", open=False, elem_classes="eva-options")
    with accordion, gr.Row():
        form["options"] = [
            gr.Textbox(label=letter, max_lines=1, min_width=140, elem_id=f"option-{letter}")
            for letter in LETTERS
        ]
    with gr.Row(elem_classes="eva-send"):
        names = list(handlers.agents.names)
        form["policy"] = gr.Dropdown(
            names, value=names[0], label="Policy", min_width=160, elem_id="policy"
        )
        form["stop"] = gr.Button("Stop", min_width=80, scale=0, elem_id="stop")
        form["ask"] = gr.Button("Ask", variant="primary", min_width=110, scale=0, elem_id="ask")
    return form


def _wire(page: gr.Blocks, handlers: Handlers, parts: dict[str, Any], stage: gr.HTML) -> None:
    options, question = parts["options"], parts["question"]
    page.load(handlers.opened, outputs=[parts["folder"], stage], **_RAW)
    page.unload(handlers.closed)
    if "sample" in parts:
        made = [question, *options, stage]
        parts["sample"].click(handlers.sample, outputs=made, **_RAW)
    parts["folder"].input(handlers.from_folder, parts["folder"], stage, **_RAW)
    parts["upload"].upload(handlers.uploaded, parts["upload"], [parts["upload"], stage], **_RAW)
    gr.on(
        [parts["ask"].click, question.submit],
        handlers.ask,
        [question, parts["policy"], *options],
        stage,
        concurrency_limit=handlers.limits.parallel,
        concurrency_id="questions",
        trigger_mode="once",
        **{**_RAW, "show_progress": "minimal"},
    )
    parts["stop"].click(handlers.stop, queue=False, **_RAW)
    parts["theme"].click(None, js=_SWITCH)
