"""Token ids of every logged prompt, put together again from what each turn added.

A prompt is the prompt before it, the ids sampled after that, and `prompt_delta_ids`. Where a server
tokenises the transcript anew a prompt may not begin that way (`prefix_ok` is false) and stands
alone; the turn whose ids it no longer holds is not canonical: training on its text is not training
on what was sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eva_graph.errors import TrajectoryError
from eva_graph.trajectory.schema import Trajectory

Grid = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTokens:
    """One policy call in ids.

    Attributes:
        turn: its number, from 1.
        prompt_ids: the whole prompt, image pads expanded.
        token_ids: what was sampled after it.
        image_grids: (time, height, width) patches of all images of the prompt; None: not logged.
        logprobs: of each sampled id; None: not logged.
        continues: whether the prompt begins with the last logged prompt and its sampled ids.
        retokenised_turn: the turn in whose part the prompt departs from what was logged before:
            there its text was tokenised otherwise than it was sampled or sent. None where the
            prompt departs nowhere, or a person's edit came in between.
    """

    turn: int
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    image_grids: tuple[Grid, ...] | None
    logprobs: tuple[float, ...] | None
    continues: bool
    retokenised_turn: int | None = None


def token_chain(record: Trajectory) -> Iterator[TurnTokens]:
    """The calls whose ids were logged, in order; none of turns that a person edited.

    Raises:
        TrajectoryError: a turn's ids continue ones that the record does not hold.
    """
    known: list[int] = []
    grids: list[Grid] = []
    ends: list[tuple[int, int]] = []
    edited = False
    for turn in record.turns:
        edited = edited or turn.edited
        if turn.tokens is None:
            continue
        if edited and turn.tokens.prefix_ok:
            raise TrajectoryError(
                f"record {record.trajectory_id}: the ids of turn {turn.turn} continue those of a "
                "turn that a person edited, which are void"
            )
        continues = turn.tokens.prefix_ok
        prompt = [*(known if continues else ()), *turn.tokens.prompt_delta_ids]
        added = turn.tokens.image_grids
        grids = [*(grids if continues else ()), *(added or ())]
        yield TurnTokens(
            turn=turn.turn,
            prompt_ids=tuple(prompt),
            token_ids=tuple(turn.tokens.token_ids),
            image_grids=None if added is None else tuple(grids),
            logprobs=None if turn.tokens.logprobs is None else tuple(turn.tokens.logprobs),
            continues=continues,
            retokenised_turn=None if continues or edited else _departure(known, prompt, ends),
        )
        known = [*prompt, *turn.tokens.token_ids]
        ends = [*(ends if continues else ()), (turn.turn, len(known))]
        edited = False


def non_canonical_turns(record: Trajectory) -> list[int]:
    """Turns whose ids a later prompt of the record no longer holds as they were.

    The last turn never is one: no prompt follows it. Raises `TrajectoryError` as `token_chain`.
    """
    found = {each.retokenised_turn for each in token_chain(record)}
    return sorted(turn for turn in found if turn is not None)


def _departure(known: list[int], prompt: list[int], ends: list[tuple[int, int]]) -> int | None:
    """The turn whose part (its prompt's new ids and what it sampled) holds the first difference."""
    same = next(
        (at for at, (a, b) in enumerate(zip(known, prompt, strict=False)) if a != b),
        min(len(known), len(prompt)),
    )
    return next((turn for turn, end in ends if same < end), None)
