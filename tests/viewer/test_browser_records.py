"""The page in real Chromium: hostile, edited, damaged and very many records. Every test ends by
checking that the page wrote no error to the console and asked no network for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import HOSTILE, hostile, make_run
from playwright.sync_api import Page, expect

from eva_graph.trajectory import RunStore
from eva_graph.viewer import View, write_view

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)

Open = Callable[..., Page]
Write = Callable[..., View]


@pytest.fixture(scope="module")
def page_file(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_view([run], tmp_path_factory.mktemp("one") / "page.html").path


def test_what_a_model_writes_is_shown_and_never_run(
    changed: Callable[..., Path], run: Path, written: Write, opened: Open
) -> None:
    first = next(iter(RunStore(run).records()))
    record = hostile(first)
    page = opened(written(changed(**record.model_dump())).path, address="#q=0")
    for _ in range(2):  # what is opened may hold more
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    expect(page.locator(".turn .part").first).to_be_visible()
    shown = page.locator("#detail").inner_text()
    assert all(text in shown for text in HOSTILE[:3])
    expect(page.get_by_role("heading", level=2)).to_have_text(record.question)
    page.keyboard.press("Escape")
    page.locator("#list .row").hover()
    page.locator("#to-overview").click()
    assert page.evaluate("window.ran") is None
    assert page.locator("script").count() == 3
    assert page.locator("svg, iframe, img[onerror], [onclick]").count() == 0


def test_edited_and_injected_turns_are_marked(
    changed: Callable[..., Path], run: Path, written: Write, opened: Open
) -> None:
    value = RunStore(run).get("00-000001").model_dump()
    value["turns"][0] |= {
        "edited": True,
        "sampled_calls": [{"tool": "seek", "arguments": {"time": 77}}],
        "spans": [{"text": "Plan:", "sampled": False}, {"text": " look", "sampled": True}],
    }
    page = opened(written(changed(**value)).path, address="#q=0")
    turn = page.locator(".turn").first
    expect(turn.locator(".flag")).to_have_text(["edited", "partly injected"])
    expect(turn.locator(".part.edited")).to_contain_text("seek time 77 (01:17)")
    turn.get_by_text("Whole message").click()
    expect(turn.locator(".injected")).to_have_text("Plan:")
    expect(page.locator(".row .edited")).to_be_visible()


def test_a_missing_frame_has_a_placeholder(
    changed: Callable[..., Path], run: Path, written: Write, opened: Open
) -> None:
    value = RunStore(run).get("00-000001").model_dump()
    page = opened(written(changed(frames=False, **value)).path, address="#q=0")
    expect(page.locator(".turn .frame .gone")).to_have_text(["frame missing"] * 8)
    page.locator(".turn .frame").first.click()
    expect(page.locator("#lightbox")).to_contain_text("This frame is not in the run's store.")


def test_a_folder_is_read_file_by_file(run: Path, tmp_path: Path, opened: Open) -> None:
    index = write_view([run], tmp_path / "page.html", max_megabytes=0).path
    page = opened(index, address="#q=11")
    expect(page.locator(".turn")).to_have_count(3)
    image = page.locator(".turn .frame img").first
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 160
    link = page.evaluate("document.querySelectorAll('script[src]').length")
    assert link == 0, "a script that was read is taken away"
    page.locator(".turn .frame").first.click()
    href = page.get_by_role("link", name="Stored frame").get_attribute("href")
    assert (index.parent / str(href)).is_file()


def test_a_page_that_lost_a_file_says_so(run: Path, tmp_path: Path, opened: Open) -> None:
    index = write_view([run], tmp_path / "page.html", max_megabytes=0).path
    (index.parent / "chunks" / "3.js").unlink()
    page = opened(index, address="#q=3", errors=["ERR_FILE_NOT_FOUND"])
    expect(page.locator(".trouble")).to_contain_text("chunks/3.js is missing")


def test_even_a_script_inside_could_call_nobody(page_file: Path, opened: Open, calls: Any) -> None:
    page = opened(page_file, errors=["Content Security Policy", calls.address])
    page.evaluate(
        """async (address) => {
          const image = document.createElement("img");
          image.src = address;
          const script = document.createElement("script");
          script.src = address;
          const inline = document.createElement("script");
          inline.textContent = "window.ran = 1";
          document.body.append(image, script, inline);
          document.body.setAttribute("onclick", "window.ran = 2");
          document.body.click();
          const sent = fetch(address).then(() => "sent", () => "refused");
          window.answer = await sent;
        }""",
        calls.address,
    )
    assert page.evaluate("window.answer") == "refused"
    assert page.evaluate("window.ran") is None
    assert calls.received == []


def test_a_thousand_questions_stay_responsive(tmp_path: Path, opened: Open) -> None:
    """The list holds a screen's worth of rows, whatever its length; the last question opens."""
    run = make_run(tmp_path / "run", 1000, frames=2, distinct=False)
    page = opened(write_view([run], tmp_path / "page.html").path)
    expect(page.locator("#found")).to_have_text("1,000 questions")
    assert page.locator(".row").count() < 40
    page.locator("#list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    last = page.locator("#question-999")
    expect(last).to_have_attribute("aria-posinset", "1000")
    assert page.locator(".row").count() < 40
    last.click()
    expect(page.locator(".turn")).to_have_count(3)
    page.locator("#search").fill("(512)")
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#found")).to_have_text("1,000 questions")
