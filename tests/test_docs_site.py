"""The site builds without a warning, and what it builds is whole and needs no network."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.places = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag in {"script", "img", "iframe", "source"} and "src" in given:
            self.loaded.add(given["src"])
        elif tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.add(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_links_inside_the_site_lead_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 20
    broken = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            target, place = urldefrag(link.partition("?")[0] if "#" not in link else link)
            if "://" in target or target.startswith(("mailto:", "data:")):
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            known = pages.get(file)
            if not file.is_file() or (known is not None and unquote(place) not in known.places):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


@pytest.mark.slow
def test_nothing_is_loaded_from_the_network(site: Path, pages: dict[Path, Page]) -> None:
    outside = {link for page in pages.values() for link in page.loaded if "//" in link}
    assert outside == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert "url(http" not in styles
    assert "@import" not in styles


@pytest.mark.slow
def test_every_page_and_every_public_name_is_there(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    files = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert {name for name in files if f'href="{name}.html"' not in index} <= {"index"}
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1])
    described = {line.split()[0].rpartition(".")[2] for line in inventory.decode().splitlines()}
    public = json.loads((ROOT / "tests" / "public_api.json").read_text(encoding="utf-8"))
    names = {
        name
        for members in public.values()
        for name, form in members.items()
        if not isinstance(form, str) or form.startswith("(")  # constants are not described
    }
    assert names - described == set()


def test_pictures_are_what_the_script_draws() -> None:
    pictures = runpy.run_path(str(PICTURES / "draw.py"))["PICTURES"]
    assert {path.stem for path in PICTURES.glob("*.svg")} == set(pictures)
    for name, draw in pictures.items():
        assert (PICTURES / f"{name}.svg").read_text(encoding="utf-8") == draw()
