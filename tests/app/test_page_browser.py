"""The page in real Chromium with nano: what a person does with it, and what a page may not do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openai_server import Fault, OpenAIServer
from playwright.sync_api import Page, expect
from served_page import COLOURS, Served

from eva_graph import Trajectory
from eva_graph.app.samples import Sample, installed_sample

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=40_000)

HOSTILE = (
    '<img src=x onerror="window.hacked=1">${window.hacked=2}{{value}}<script>hacked=3</script>'
)
LIMIT_MB = 3
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def hostile() -> Iterator[OpenAIServer]:
    """A policy that writes markup."""
    look = json.dumps({"start_time": 0, "end_time": 2, "nframes": 2})
    call = f'<tool_call>{{"tool": "frame_select", "arguments": {look}}}</tool_call>'
    script = [f"Summary: {HOSTILE}\nPlan: {HOSTILE}\n{call}", f"<answer>{HOSTILE}</answer>"]
    with OpenAIServer(script) as server:
        yield server


@pytest.fixture(scope="module")
def hanging() -> Iterator[OpenAIServer]:
    """A policy that never answers."""
    with OpenAIServer(faults=Fault.HANG) as server:
        yield server


@pytest.fixture(scope="module")
def served(
    serve: Callable[..., AbstractContextManager[Served]],
    root: Path,
    hostile: OpenAIServer,
    hanging: OpenAIServer,
) -> Iterator[Served]:
    policies = ["nano", f"hostile={hostile.base_url}", f"hanging={hanging.base_url}"]
    options = [part for policy in policies for part in ("--policy", policy)]
    with serve(*options, "--max-upload-mb", str(LIMIT_MB), media_root=root) as page:
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from chromium import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Browser, served: Served) -> Iterator[Open]:
    """Opens the page; in the end it has asked nothing of any other address, and told no error."""
    troubles: list[str] = []
    contexts = []

    def open_page(*, errors: tuple[str, ...] = (), **settings: Any) -> Page:
        size = {"viewport": {"width": 1280, "height": 900}}
        contexts.append(browser.new_context(**{**size, **settings}))
        page = contexts[-1].new_page()

        def told(text: str) -> None:
            if not any(known in text for known in errors):
                troubles.append(text)

        page.on("console", lambda message: message.type == "error" and told(message.text))
        page.on("pageerror", lambda error: told(str(error)))
        page.on("request", lambda request: outside(request.url, served) and told(request.url))
        page.goto(served.address)
        expect(page.locator(".eva-empty")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def outside(url: str, served: Served) -> bool:
    return not url.startswith((served.address, "data:", "blob:"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sample]:
    """A video of nano's world as a file of the person's own."""
    make = installed_sample()
    assert make is not None
    path = tmp_path_factory.mktemp("mine") / "my video.mp4"
    return path, make(path, 7)


def upload(page: Page, path: Path) -> None:
    page.get_by_role("tab", name="Upload").click()
    page.locator("#upload input[type=file]").set_input_files(path)


def choose_policy(page: Page, name: str) -> None:
    page.locator("#policy input").click()
    page.get_by_role("option", name=name).click()


def ask(page: Page, question: str) -> None:
    page.locator("#question textarea").fill(question)
    page.locator("#ask").click()


def from_folder(page: Page, name: str) -> None:
    page.get_by_role("tab", name="Folder").click()
    page.locator("#folder input").click()
    page.get_by_role("option", name=name).click()


def test_upload_ask_see_and_download(
    opened: Open, sample: tuple[Path, Sample], served: Served, tmp_path: Path
) -> None:
    path, made = sample
    page = opened()
    upload(page, path)
    expect(page.locator(".eva-video b")).to_have_text("my video.mp4")
    assert page.locator(".film img").count() > 4
    ask(page, made.question)
    expect(page.locator(".eva-doing")).to_be_visible()
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator(".eva-answer .said")).to_have_text(made.expected)
    expect(page.locator("#stop")).to_be_hidden()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="trajectory").click()
    downloading.value.save_as(tmp_path / "trajectory.json")
    record = Trajectory.load(tmp_path / "trajectory.json")
    assert (record.answer, record.question) == (made.expected, made.question)
    assert record.video.path == "my video.mp4"
    looks = [call for turn in record.turns for call in turn.calls]
    assert page.locator(".track.look > .bar").count() == len(looks)
    frames = sum(len(call.frames) for call in looks)
    assert page.locator(".track.look > .tick").count() == frames
    expect(page.locator(".track.evidence")).to_be_visible()
    page.locator(".turn .frame").first.click()
    assert page.locator(".lightbox img").evaluate("image => image.decode().then(() => true)")
    page.keyboard.press("Escape")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="page").click()
    downloading.value.save_as(tmp_path / "view.html")
    view = page.context.browser.new_page()
    view.goto((tmp_path / "view.html").as_uri() + "#q=0")
    expect(view.locator(".outcome .answer")).to_contain_text(made.expected)
    view.close()
    assert served.uploads() == []


def test_the_demo_brings_its_question(opened: Open) -> None:
    page = opened()
    page.locator("#sample").click()
    expect(page.locator(".eva-video b")).to_contain_text("synthetic world")
    expect(page.locator("#question textarea")).not_to_have_value("")
    page.locator("#ask").click()
    expect(page.locator(".eva-answer .said")).to_contain_text("drawn")
    expect(page.locator(".eva-answer.verdict-unknown")).to_have_count(0)


def test_nano_says_where_it_is_not_at_home(opened: Open) -> None:
    page = opened()
    from_folder(page, COLOURS)
    ask(page, "Which colour is shown at 3 seconds?")
    expect(page.locator(".eva-answer .note")).to_contain_text("synthetic")


def test_a_broken_file_is_told_clearly(opened: Open, tmp_path: Path) -> None:
    page = opened()
    (tmp_path / "holiday.mp4").write_bytes(b"no video at all" * 100)
    upload(page, tmp_path / "holiday.mp4")
    expect(page.get_by_role("alert").filter(has_text="holiday.mp4")).to_be_visible()
    ask(page, "What is this?")
    expect(page.locator("#stage .trouble")).to_have_text("Choose a video first.")


def test_an_oversized_upload_is_refused(opened: Open, served: Served, tmp_path: Path) -> None:
    page = opened(errors=("413",))
    (tmp_path / "long.mp4").write_bytes(bytes(LIMIT_MB * 1024**2 + 1))
    upload(page, tmp_path / "long.mp4")
    expect(page.get_by_text("maximum", exact=False).first).to_be_visible()
    expect(page.locator(".eva-empty")).to_be_visible()
    assert served.uploads() == []


def test_what_a_model_writes_is_shown_as_text(opened: Open) -> None:
    page = opened()
    from_folder(page, COLOURS)
    choose_policy(page, "hostile")
    ask(page, HOSTILE)
    expect(page.locator(".eva-answer .said")).to_have_text(HOSTILE)
    expect(page.locator(".turn .part").filter(has_text=HOSTILE).first).to_be_visible()
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("#stage img[src=x]").count() == 0


def test_two_people_do_not_see_each_other(opened: Open) -> None:
    first, second = opened(), opened()
    for page, policy in ((first, "hostile"), (second, "hanging")):
        from_folder(page, COLOURS)
        choose_policy(page, policy)
        ask(page, f"I ask {policy}")
    expect(first.locator(".eva-answer .asked")).to_have_text("I ask hostile")
    expect(second.locator(".eva-doing")).to_be_visible()
    assert second.locator(".turn").count() == 0
    assert first.locator(".eva-answer").count() == 1
    second.locator("#stop").click()
    expect(second.locator(".eva-said")).to_have_text("Stopped.")
    expect(second.locator("#stop")).to_be_hidden()
    assert first.locator(".eva-answer").count() == 1


def test_a_closed_page_leaves_nothing(opened: Open, served: Served, hanging: OpenAIServer) -> None:
    before = set(served.sessions())
    page = opened()
    from_folder(page, COLOURS)
    choose_policy(page, "hanging")
    ask(page, "Anything?")
    expect(page.locator(".eva-doing")).to_be_visible()
    assert len(set(served.sessions()) - before) == 1
    page.context.close()
    deadline = time.monotonic() + 60
    while set(served.sessions()) - before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not set(served.sessions()) - before
