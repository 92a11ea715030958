"""Manners of a teacher at the world's questions: careful, hasty, and the fixed workflow.

Each is a pure function of the first message and of what earlier looks showed, like the solver
(`eva_graph_training.world.solving`), which is the efficient manner. Numbers in calls are constants
or stand, digit for digit, in the question or on a frame's label.

* careful: scans densely at once, reads at full size, and looks a second time before it answers;
  right, at several times the cost. KTO and GRPO have that to unlearn.
* hasty: scans coarsely once and answers whatever it saw; often wrong, so that acceptance has
  something to refuse.
* fixed: one scan, exactly one look, the answer; the workflow of agents that do not plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from eva_graph_training.world import looking
from eva_graph_training.world.looking import Candidates
from eva_graph_training.world.solver_policy import Turns
from eva_graph_training.world.solving import (
    PRINT_KINDS,
    Seen,
    Sighting,
    Task,
    answer,
    found,
    is_close,
    next_turn,
)
from eva_graph_training.world.wording import Asked, read_question

_ANSWER = "<answer>"
_NOTHING = Seen(frames=(), text="")
"""Stands for the coarse scan that was left out."""
_BRIEF = ("short_event", "count")
_DRAWN = 10_000


def careful(task: Task, looks: Sequence[Seen]) -> str:
    """The next turn of a teacher that looks more than it must.

    Raises:
        ValueError: as `next_turn`.
    """
    asked = read_question(task.question)
    if asked.kind == "no_look":
        if looks:
            return answer(task, "The length", str(task.length_seconds))
        return looking.turn(None, "Nothing seen yet.", _coarse(task))
    if asked.kind in ("transcript", "scenes"):
        return _twice(task, asked, looks)
    if asked.kind in ("count", "order"):
        return _checked_scan(task, asked, looks)
    return _checked_sign(task, asked, looks)


def hasty(task: Task, looks: Sequence[Seen]) -> str:
    """The next turn of a teacher that answers after one coarse scan, whatever it showed.

    Raises:
        ValueError: as `next_turn`.
    """
    asked = read_question(task.question)
    if not asked.colours:
        return next_turn(task, looks)
    if not looks:
        scan = looking.scan("event", asked.window, task.length_seconds, 0)
        return looking.turn(None, "Nothing seen yet. The time is unknown.", scan)
    shown = {frame.border for frame in looks[0].frames}
    if set(asked.colours) <= shown:
        return next_turn(task, looks)
    return _guess(task, asked, looks)


def fixed(task: Task, looks: Sequence[Seen]) -> str:
    """The next turn of the fixed workflow: scan, one look, answer.

    Raises:
        ValueError: the question is not one of the world's.
    """
    asked = read_question(task.question)
    if not looks:
        return looking.turn(None, "Nothing seen yet.", _one_scan(task, asked))
    if len(looks) == 1:
        return looking.turn("It was scanned.", "One closer look.", _one_look(asked, looks[0]))
    if asked.kind == "no_look":
        return answer(task, "The length", str(task.length_seconds))
    if asked.kind in ("transcript", "scenes"):
        return next_turn(task, looks[1:])
    if asked.kind in ("count", "order"):
        text = next_turn(task, looks[:1])
        return text if _ANSWER in text else _guess(task, asked, looks)
    if asked.colours and found(asked, looks[:1]) is None:
        return _guess(task, asked, looks)
    return _read(task, asked, looks[1].frames[0])


def drawn_manner(careful_share: float, hasty_share: float) -> Callable[[Task, int | None], Turns]:
    """Draws a manner for every attempt, from its question, its video's length and its seed."""

    def draw(task: Task, seed: int | None) -> Turns:
        name = f"{seed}|{task.question}|{task.length_seconds}".encode()
        lot = int(hashlib.sha256(name).hexdigest(), 16) % _DRAWN / _DRAWN
        if lot < careful_share:
            return careful
        return hasty if lot < careful_share + hasty_share else next_turn

    return draw


def _twice(task: Task, asked: Asked, looks: Sequence[Seen]) -> str:
    """First the dear way, then the cheap one, then the answer."""
    start, end = asked.window or ("", "")
    known = asked.kind == "transcript"
    cheap = looking.listen(asked.noun or "") if known else looking.scenes(start, end)
    if not looks:
        return looking.turn(None, "Nothing seen yet.", _other(cheap))
    if len(looks) == 1:
        return looking.turn("This needs to be checked.", "One more look.", cheap)
    return next_turn(task, looks)


def _checked_scan(task: Task, asked: Asked, looks: Sequence[Seen]) -> str:
    scans = [look for look in looks if not is_close(look)]
    if not scans:
        return _dense(task, asked)
    verdict = next_turn(task, (_NOTHING, *scans))
    shown = [frame for frame in scans[-1].frames if frame.border in asked.colours]
    if _ANSWER not in verdict or len(scans) < len(looks) or not shown:
        return verdict
    closer = _other(looking.read_small_sign(shown[0].label))
    return looking.turn("The borders were found.", "One of them is to be checked.", closer)


def _checked_sign(task: Task, asked: Asked, looks: Sequence[Seen]) -> str:
    scans = [look for look in looks if not is_close(look)]
    if asked.time is None and not scans:
        return _dense(task, asked)
    sight = found(asked, scans)
    if asked.time is None and sight is None:
        return next_turn(task, (_NOTHING, *scans))
    label = asked.time or (sight.label if sight is not None else "")
    cheap = _closer(asked, label)
    closes = len(looks) - len(scans)
    if closes == 0:
        told = None if asked.time else f"The {asked.colours[0]} border is at [{label}]."
        return looking.turn(told, "The picture is to be seen at full size.", _other(cheap))
    if closes == 1:
        return looking.turn("It can be read.", "It is to be checked.", cheap)
    return next_turn(task, looks)


def _dense(task: Task, asked: Asked) -> str:
    number = 0 if asked.kind in _BRIEF else 1
    scan = looking.scan(asked.kind, asked.window, task.length_seconds, number)
    return looking.turn(None, "Nothing seen yet. The time is unknown.", scan)


def _one_scan(task: Task, asked: Asked) -> Candidates:
    if asked.colours:
        number = 0 if asked.kind in _BRIEF else 1
        return looking.scan(asked.kind, asked.window, task.length_seconds, number)
    if asked.window is not None:
        return looking.scan("count", asked.window, task.length_seconds, 0)
    return _coarse(task)


def _one_look(asked: Asked, scan: Seen) -> Candidates:
    if asked.kind == "transcript":
        return looking.listen(asked.noun or "")
    if asked.kind == "scenes" and asked.window is not None:
        return looking.scenes(*asked.window)
    sight = found(asked, [scan])
    label = asked.time or (scan.frames[0] if sight is None else sight).label
    return _closer(asked, label)


def _read(task: Task, asked: Asked, frame: Sighting) -> str:
    if asked.kind in PRINT_KINDS:
        return answer(task, "The code", frame.code)
    return answer(task, "The letter", frame.letter)


def _guess(task: Task, asked: Asked, looks: Sequence[Seen]) -> str:
    """Something of the right form, out of the first frame that was shown."""
    if asked.kind in ("count", "order") and not task.options:
        return answer(task, "It seems, it", "1" if asked.kind == "count" else asked.colours[0])
    if task.options:
        return answer(task, "It seems, it", task.options[0])
    return _read(task, asked, looks[0].frames[0])


def _closer(asked: Asked, label: str) -> Candidates:
    print_asked = asked.kind in PRINT_KINDS
    return looking.read_print(label) if print_asked else looking.read_small_sign(label)


def _coarse(task: Task) -> Candidates:
    return looking.scan("event", None, task.length_seconds, 0)


def _other(candidates: Candidates) -> Candidates:
    """The same looks, the dear one taken."""
    return tuple(reversed(candidates))
