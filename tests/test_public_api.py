"""The public names, their signatures and fields are those that were agreed on."""

from __future__ import annotations

import json

from public_api import LIST, public_api


def test_the_interface_is_the_committed_one() -> None:
    agreed = json.loads(LIST.read_text(encoding="utf-8"))
    found = public_api()
    changed = {
        f"{module}.{name}": (agreed.get(module, {}).get(name), found.get(module, {}).get(name))
        for module in sorted({*agreed, *found})
        for name in sorted({*agreed.get(module, {}), *found.get(module, {})})
        if agreed.get(module, {}).get(name) != found.get(module, {}).get(name)
    }
    assert changed == {}, "on purpose? run `python tests/public_api.py` and tell it in CHANGELOG.md"
