"""The policies that the operator offers, and an agent for each of them and each folder of videos.

Users of the page choose among these by name: no text of theirs ever becomes a folder or an address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from eva_graph.agent import VideoAgent
from eva_graph.errors import InvalidRequest
from eva_graph.policy.protocol import Policy
from eva_graph.policy.resolve import resolve_policy
from eva_graph.state import Context
from eva_graph.videos import OpenVideos

NANO = "nano"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A policy by the name that the page shows; `spec` None is the embedded nano."""

    name: str
    spec: str | None

    @classmethod
    def parse(cls, text: str) -> Offer:
        """Read `nano`, a server's URL or a model folder, each with `NAME=` before it or not.

        Raises:
            InvalidRequest: nothing stands after the name.
        """
        name, equals, spec = text.partition("=")
        if not equals or "/" in name:
            name, spec = "", text
        if not spec.strip():
            raise InvalidRequest(f"--policy {text!r} names no policy: nano, a URL or a folder")
        if spec == NANO:
            return cls(name=name or NANO, spec=None)
        if spec.startswith(("http://", "https://")):
            return cls(name=name or urlsplit(spec).netloc, spec=spec)
        return cls(name=name or PurePath(spec).name, spec=spec)

    @property
    def is_server(self) -> bool:
        """Whether it is asked over HTTP."""
        return self.spec is not None and self.spec.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How policies other than nano are spoken to."""

    model: str | None = None
    dialect: str = "eva"
    instructions: bool = False


@dataclass(slots=True)
class Agents:
    """Agents by policy and by the folder below which their videos lie."""

    names: tuple[str, ...]
    _agents: dict[tuple[str, Path], VideoAgent] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        offers: Sequence[Offer],
        roots: Iterable[Path],
        *,
        manners: Manners,
        context: Context,
        isolated: bool,
    ) -> Agents:
        """Load every policy once.

        Raises:
            EvaGraphError: a policy cannot be made, or two have the same name.
        """
        names = tuple(offer.name for offer in offers)
        if len(set(names)) < len(names):
            raise InvalidRequest("two policies have one name: give --policy NAME=URL")
        agents = cls(names=names)
        videos = [_videos(root, context, isolated=isolated) for root in roots]
        for offer in offers:
            policy = resolve_policy(offer.spec, model=manners.model if offer.is_server else None)
            for root, opened in videos:
                agent = _agent(policy, offer, manners, context, opened)
                agents._agents[(offer.name, root)] = agent
        return agents

    def agent(self, name: str, root: Path) -> VideoAgent:
        """The agent of a policy for videos below a folder.

        Raises:
            InvalidRequest: no policy of that name is offered.
        """
        if name not in self.names:
            raise InvalidRequest(f"no policy {name[:60]!r} is offered here")
        return self._agents[(name, root)]


def _videos(root: Path, context: Context, *, isolated: bool) -> tuple[Path, OpenVideos]:
    seconds = context.look_timeout_seconds
    return root, OpenVideos(max_idle=4, isolated=isolated, media_root=root, timeout_seconds=seconds)


def _agent(
    policy: Policy, offer: Offer, manners: Manners, context: Context, videos: OpenVideos
) -> VideoAgent:
    if offer.spec is None:  # nano knows its own dialect alone
        return VideoAgent(policy, context=context, videos=videos)
    return VideoAgent(
        policy,
        dialect=manners.dialect,
        instructions=manners.instructions,
        context=context,
        videos=videos,
    )
