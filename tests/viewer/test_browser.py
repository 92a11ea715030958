"""The page in real Chromium: what a person does with it. Every test ends by checking that the page
wrote no error to the console and asked no network for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.viewer import write_view

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)

Open = Callable[..., Page]
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}


@pytest.fixture(scope="module")
def page_file(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_view([run], tmp_path_factory.mktemp("one") / "page.html").path


@pytest.fixture(scope="module")
def compared(run: Path, other_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_view([run, other_run], tmp_path_factory.mktemp("two") / "page.html").path


@pytest.fixture(scope="module")
def records(run: Path) -> list[Trajectory]:
    return list(RunStore(run).records())


def rows(page: Page) -> list[str]:
    """The questions listed, from above."""
    return page.locator(".row .asked").all_inner_texts()


def filled(page: Page, **values: str) -> None:
    for name, value in values.items():
        field = page.locator(f"[name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def test_the_list_shows_filters_and_sorts(
    page_file: Path, records: list[Trajectory], opened: Open
) -> None:
    page = opened(page_file)
    assert rows(page) == [record.question for record in records]
    expect(page.locator("#found")).to_have_text("12 questions")
    page.get_by_role("radio", name="Wrong").check(force=True)
    assert rows(page) == [each.question for each in records if each.correct is False]
    page.get_by_role("button", name="Clear filters").click()
    filled(page, stop="forced")
    assert rows(page) == [each.question for each in records if each.stop_reason == "forced"]
    filled(page, stop="", text="LIGHTHOUSE pier")
    kept = [r for r in records if r.answer == "B" and "pier" in r.question]
    assert rows(page) == [each.question for each in kept]
    filled(page, text="", turns_min="4")
    expect(page.get_by_text("No question matches.")).to_be_visible()
    filled(page, turns_min="3", turns_max="3", visual_min="288", prompt_max="3300")
    assert len(rows(page)) == 12
    filled(page, sort="seconds")
    usage = {r.question: r.usage.policy_seconds + r.usage.look_seconds for r in records}
    assert rows(page) == sorted(usage, key=usage.__getitem__)
    page.get_by_role("button", name="Descending").click()
    assert rows(page) == sorted(usage, key=usage.__getitem__, reverse=True)


def test_a_question_shows_everything_about_its_episode(
    page_file: Path, records: list[Trajectory], opened: Open
) -> None:
    page, record = opened(page_file), records[1]
    page.locator(".row").nth(1).click()
    expect(page.get_by_role("heading", level=2)).to_have_text(record.question)
    expect(page.locator(".options li")).to_contain_text(list(record.options.values()))
    expect(page.locator(".options .picked b")).to_have_text(record.answer or "")
    expect(page.locator(".outcome .stop")).to_have_text(record.stop_reason or "")
    expect(page.locator(".lane-name span")).to_have_text(
        ["frame_select", "frame_select", "evidence"]
    )
    for lane, ticks in enumerate((4, 4, 4)):
        expect(page.locator(".track:not(.axis)").nth(lane).locator("> .tick")).to_have_count(ticks)
    expect(page.locator(".track > .tick.snapped")).to_have_count(4)
    expect(page.locator(".turn")).to_have_count(3)
    turn = page.locator(".turn").first
    expect(turn.locator("tr.chosen")).to_contain_text("cheap, and shows where to look closer")
    expect(turn.locator("tr.differs")).to_have_text("end_time4000 (66:40)3600 (60:00)")
    expect(turn).to_contain_text("end_time was clamped to the video's end")
    times = [f"{int(t // 60):02d}:{t % 60:06.3f}" for t in (450, 1350, 2250, 3150)]
    expect(turn.locator(".frame .time")).to_have_text(times)
    expect(turn).to_contain_text("The pier is shown near [00:30]")
    expect(page.locator(".costs tbody tr")).to_have_count(3)
    expect(page.locator(".costs tfoot")).to_contain_text(str(record.usage.visual_tokens))


def test_turns_open_and_close(page_file: Path, opened: Open) -> None:
    page = opened(page_file, address="#q=1")
    turn = page.locator(".turn").nth(1)
    expect(turn.locator(".frame")).to_have_count(4)
    page.get_by_role("button", name="Close all").click()
    expect(turn.locator(".frame").first).to_be_hidden()
    turn.locator("summary").first.click()
    expect(turn.locator(".frame").first).to_be_visible()
    turn.get_by_text("Whole message").click()
    expect(turn.locator(".raw pre")).to_contain_text("<tool_call>…</tool_call>")


def test_a_turn_is_built_when_it_is_opened(compared: Path, opened: Open) -> None:
    page = opened(compared, address="#q=1")
    expect(page.locator(".turn")).to_have_count(6)
    assert page.locator(".turn .part").count() == 0
    page.locator(".turn summary").first.click()
    expect(page.locator(".turn").first.locator(".part").first).to_be_visible()
    assert page.locator(".turn").nth(1).locator(".part").count() == 0


def test_a_frame_is_enlarged_with_its_true_time(page_file: Path, opened: Open) -> None:
    page = opened(page_file, address="#q=1")
    page.get_by_role("button", name="Frame at 07:30.000, snapped").click()
    box = page.locator("#lightbox")
    expect(box.locator("figcaption")).to_contain_text(
        "a key frame stands for the frame at 07:29.600"
    )
    assert box.locator("img").evaluate("image => image.naturalWidth") == 160
    page.keyboard.press("ArrowRight")
    expect(box.locator("figcaption b")).to_have_text("22:30.000")
    expect(box).to_contain_text("2 of 8")
    link = box.get_by_role("link", name="Stored frame")
    stored = page_file.parent / str(link.get_attribute("href"))
    assert stored.read_bytes().startswith(b"\xff\xd8")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_the_time_line_tells_times_and_zooms(page_file: Path, opened: Open) -> None:
    page = opened(page_file, address="#q=1")
    track = page.locator(".track:not(.axis)").first.bounding_box()
    assert track is not None
    middle = track["y"] + track["height"] / 2
    page.mouse.move(track["x"] + track["width"] * 0.25, middle)
    expect(page.locator("#tip")).to_have_text("15:00")
    page.mouse.move(track["x"] + track["width"] * 450 / 3600, middle)
    expect(page.locator("#tip")).to_contain_text("07:30.000 · snapped")
    expect(page.locator("#tip img")).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    expect(page.locator("#lightbox figcaption b")).to_have_text("07:30.000")
    page.keyboard.press("Escape")
    expect(page.locator(".lens")).to_have_count(2)
    page.get_by_role("button", name="Turn 2, frame_select: zoom to this look").click()
    expect(page.locator(".lens")).to_have_count(0)
    width = page.locator(".track .bar").nth(1).bounding_box()
    assert width is not None
    assert width["width"] > track["width"] / 4, "the short look fills the lane"
    page.keyboard.press("0")
    expect(page.locator(".controls .window")).to_have_text("60:00 in all")
    page.mouse.move(track["x"] + track["width"] * 0.5, track["y"] - 10)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * 0.75, track["y"] - 10)
    page.mouse.up()
    expect(page.locator(".controls .window")).to_have_text("30:00 – 45:00")


def test_the_keyboard_does_it_all(page_file: Path, records: list[Trajectory], opened: Open) -> None:
    page = opened(page_file)
    selected = page.locator(".row[aria-selected=true] .asked")
    expect(page.locator("#list")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(selected).to_have_text(records[1].question)
    active = page.locator("#list").get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-posinset", "2")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=2)
    expect(heading).to_have_text(records[1].question)
    page.keyboard.press("j")
    expect(heading).to_have_text(records[2].question)
    page.keyboard.press("]")
    expect(page.locator(".turn summary").first).to_be_focused()
    page.keyboard.press("o")
    expect(page.locator(".turn[open]")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(heading).to_have_text("The run")
    expect(page.locator("#list")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("jk?")
    expect(page.locator("#search")).to_have_value("jk?")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("next question")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


def test_light_and_dark(page_file: Path, opened: Open) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened(page_file, color_scheme=scheme) for scheme in ("light", "dark"))
    colours = [page.evaluate(background) for page in (light, dark)]
    assert colours[0] != colours[1]
    light.keyboard.press("t")
    assert light.evaluate(background) == colours[1]
    light.reload()
    assert light.evaluate(background) == colours[1], "the choice is kept"
    dark.get_by_role("button", name="Switch between light and dark").click()
    assert dark.evaluate(background) == colours[0]


@pytest.mark.parametrize("runs", ["one", "two"])
def test_a_phone_shows_one_thing_at_a_time(
    runs: str, page_file: Path, compared: Path, opened: Open
) -> None:
    page = opened(page_file if runs == "one" else compared, **PHONE)
    assert not overflowing(page)
    page.locator(".row").nth(1).tap()
    expect(page.locator(".browse")).to_be_hidden()
    page.get_by_role("button", name="Open all").first.tap()
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    expect(page.locator(".transcript .message").first).to_be_visible()
    assert not overflowing(page)
    page.get_by_role("button", name="‹ Questions").tap()
    expect(page.locator(".row").nth(1)).to_be_visible()
    page.get_by_role("button", name="Overview").tap()
    expect(page.locator(".figures").first).to_be_visible()
    assert not overflowing(page)


def overflowing(page: Page) -> list[str]:
    """What is wider than the screen and does not scroll by itself."""
    return page.evaluate(
        """() => {
          const wide = [...document.querySelectorAll("body, main, .detail, .list, .detail > *")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0);
          if (document.documentElement.scrollWidth > innerWidth) wide.push(document.body);
          return wide.map((one) => `${one.tagName}.${one.className} ${one.scrollWidth}`);
        }"""
    )


def test_two_runs_stand_side_by_side(
    compared: Path, run: Path, other_run: Path, opened: Open
) -> None:
    first, second = (list(RunStore(each).records()) for each in (run, other_run))
    pairs = list(zip(first, second, strict=True))
    page = opened(compared)
    for change, before, after in (("gained", False, True), ("lost", True, False)):
        asked = [a.question for a, b in pairs if (a.correct, b.correct) == (before, after)]
        filled(page, change=change)
        assert rows(page) == asked
        assert page.locator(f".row.change-{change} .badge").count() == len(asked)
    filled(page, change="changed")
    page.locator(".row").first.click()
    expect(page.locator(".question .badge")).to_have_text("Another answer")
    expect(page.locator(".lane-run")).to_have_text(["first", "second"])
    expect(page.locator(".episode")).to_have_count(2)
    left, right = (page.locator(".episode").nth(n).bounding_box() for n in (0, 1))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["y"] - right["y"]) < 1
