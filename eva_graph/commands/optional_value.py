"""An option whose value may be left out, which typer knows no declaration for."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

RAY_OPTION = "--ray"


class RayOnItsOwn(TyperCommand):
    """A command whose `--ray`, at the end or before another option, means `--ray local`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click."""
        given = [*args, "--"]
        filled = list(args)
        for place in range(len(args) - 1, -1, -1):
            if args[place] == RAY_OPTION and given[place + 1].startswith("-"):
                filled.insert(place + 1, "local")
        return super().parse_args(ctx, filled)
