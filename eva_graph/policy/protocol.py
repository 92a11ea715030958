"""The one seam between the graph and whatever writes the turns.

A `Policy` gets the transcript as LangChain messages and returns one `Completion`. Images in the
messages are references, never pixels: blocks `{"type": "image", "url": "frame://sha256:…",
"extras": {"frame": {…}}}` (see `eva_graph.blocks`); a policy turns them into pixels inside the
call, through `request.load_frame`, and decodes exactly those stored bytes.

A policy raises `eva_graph.errors.PolicyError` and its subclasses, nothing else, for what a server
or a model can do wrong; deadlines and retries live inside the policy, in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from langchain_core.messages import AnyMessage

from eva_graph_tools import FrameRef, VisualGrid

FinishReason = Literal["stop", "length", "tool_calls"]
ImageRole = Literal["tool", "user", "user_only"]
"""Which message carried a look's images: see `eva_graph.policy.delivery`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInfo:
    """What the graph needs to know about a policy before the first call."""

    name: str
    """Model name or folder, as it goes into the trajectory record."""
    backend: str
    """`openai`, `transformers`, `langchain` or `scripted`."""
    grid: VisualGrid = field(default_factory=VisualGrid)
    """Patches of the policy's processor: the token-cost rule of every look."""
    context_tokens: int | None = None
    """Longest prompt plus completion in tokens; None where unknown."""
    counts_tokens: bool = False
    """Whether it ends a turn itself where the context is full; others are asked for fewer tokens,
    by an estimate."""
    supports_continuation: bool = False
    """Whether `continue_final` and `guided_regex` are honoured (`calls="phase"`)."""
    notice: str | None = None
    """A limit that is told to the user, e.g. that nano knows only its synthetic world."""
    knows: str | None = None
    """Videos whose `comment` tag begins with this are what the policy was made for: no notice."""
    tools: tuple[str, ...] | None = None
    """Names of the tools that it was trained with: offered where nobody names any. None: those of
    the dialect."""
    probe: Mapping[str, Any] | None = None
    """What a probe of the server found, as the record keeps it; None where none was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """One call: the transcript so far and how to sample the next assistant message."""

    messages: Sequence[AnyMessage]
    load_frame: Callable[[FrameRef], bytes]
    """Encoded image bytes (JPEG or PNG) of a reference; raises `FrameMissing`."""
    conversation_id: str
    """Trajectory id. In-process policies continue the sampled token ids of this conversation."""
    max_new_tokens: int = 2048
    fixed_length: bool = False
    """Ask for that many and no fewer: where there is no room for them the call is refused, as the
    released harness has it (`ContextOverflow`)."""
    temperature: float = 0.0
    seed: int | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    """OpenAI tool schemas; only the `native` dialect sends any."""
    stop: tuple[str, ...] = ()
    """Strings that end generation; the text before them is returned, they are not."""
    continue_final: bool = False
    """Continue the last message, an assistant one, instead of opening a new one."""
    guided_regex: str | None = None
    """Regular expression the new text must match in full (guided decoding)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeCall:
    """A tool call as an OpenAI-compatible server parsed it; `arguments` is raw JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What one policy call wrote, with whatever token data the policy could give."""

    text: str
    finish_reason: FinishReason = "stop"
    tool_calls: tuple[NativeCall, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """Prompt tokens that the server had computed before (its prefix cache), where it tells."""
    prompt_token_ids: tuple[int, ...] | None = None
    """Ids of the whole prompt, image pads expanded."""
    token_ids: tuple[int, ...] | None = None
    """Sampled ids, the end-of-turn token included where it was sampled."""
    logprobs: tuple[float, ...] | None = None
    """Log-probability of each sampled id."""
    logprobs_kind: Literal["raw", "processed"] | None = None
    image_grids: tuple[tuple[int, int, int], ...] | None = None
    """Patch grid (time, height, width) of every image of the prompt, in order."""
    images_in: ImageRole = "tool"
    requests: int = 1
    """HTTP requests spent, retries included."""
    seconds: float = 0.0


@runtime_checkable
class Policy(Protocol):
    """Writes assistant turns. Safe for use from several threads and event loops at once."""

    @property
    def info(self) -> PolicyInfo:
        """Static facts about the policy; may raise `PolicyError` if a server has to be asked."""
        ...

    def generate(self, request: PolicyRequest) -> Completion:
        """Write the next assistant text. Raises `PolicyError`."""
        ...

    async def agenerate(self, request: PolicyRequest) -> Completion:
        """Like `generate`, without blocking the event loop."""
        ...
