"""What comes of broken, odd and hostile files, read in this process and in a worker."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from canary import Canary
from clip_recipes import RECIPES
from hostile_case import REFUSED, Case, Seen, Workshop, look_at
from hostile_damage import damaged
from hostile_files import CASES, WAYS

NATIVE = re.compile(r"\w+\.(c|h|cc|cpp|pyx?|pxd)\b:?\d*|0x[0-9a-f]{6,}|Errno|Traceback")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "files").mkdir()
    with Canary(folder / "canary").served() as canary:
        yield Workshop(folder / "files", canary)


@pytest.fixture(scope="module")
def paths(workshop: Workshop) -> dict[str, Path]:
    return {case.name: case.made(workshop) for case in CASES}


def check_in_workers(cases: list[Case], paths: dict[str, Path], workshop: Workshop) -> None:
    """Two at a time, for starting workers takes longest."""

    def look(case: Case) -> Seen:
        return look_at(WAYS["isolated"], paths[case.name], workshop.canary)

    with workshop.canary.watched(), ThreadPoolExecutor(2) as pool:
        outcomes = list(zip(cases, pool.map(look, cases), strict=True))
    wrong = {
        case.name: f"{seen}: {seen.error}"
        for case, seen in outcomes
        if not case.expected.holds(seen)
    }
    assert wrong == {}
    for _, seen in outcomes:
        check_lines(seen)


NAMES = [ascii(case.name) for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_what_comes_of_a_file(case: Case, paths: dict[str, Path], workshop: Workshop) -> None:
    with workshop.canary.watched():
        seen = look_at(WAYS["in process"], paths[case.name], workshop.canary)
    assert case.expected.holds(seen), f"{seen}, not {case.expected}"
    check_lines(seen)


def test_what_comes_of_files_in_workers(paths: dict[str, Path], workshop: Workshop) -> None:
    cases = [case for case in CASES if case.expected is not REFUSED]
    check_in_workers(cases, paths, workshop)


@pytest.mark.slow
def test_workers_refuse_what_is_refused(paths: dict[str, Path], workshop: Workshop) -> None:
    check_in_workers([case for case in CASES if case.expected is REFUSED], paths, workshop)


@pytest.mark.parametrize("name", ["h264_mp4", "h264_mkv", "h264_ts", "h264_fragments", "mpeg4_avi"])
def test_any_damage_is_told(name: str, workshop: Workshop) -> None:
    whole, random = workshop.clip(name), Random(name)
    path = workshop.folder / f"damaged.{RECIPES[name].suffix}"
    for _ in range(30):
        path.write_bytes(damaged(whole, random))
        check_lines(look_at(WAYS["in process"], path, workshop.canary))


def check_lines(seen: Seen) -> None:
    """What a policy is told is one plain line."""
    for line in [str(seen.error)] if seen.error else seen.looks:
        assert line.isprintable()
        assert len(line) < 400
        assert not NATIVE.search(line)


def test_the_canary_would_sing(workshop: Workshop) -> None:
    canary = workshop.canary
    with pytest.raises(AssertionError, match="was opened"), canary.watched():
        canary.video.read_bytes()
    with pytest.raises(AssertionError, match="shows a canary"):
        look_at(WAYS["in process"], canary.video, canary)


def test_names_are_told_apart() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 60
