"""What a worker process starts: run as a script, given the parent's import path.

The package is entered by a bare module of its name, so that its `__init__` with the tools, their
arguments and what those load, which takes longer than all of the rest, is not imported.
"""

import json
import sys
import types


def enter(argument: str) -> None:
    """Import from where the parent does, by the first argument of the script."""
    sys.path[:], places = json.loads(argument)
    package = types.ModuleType("eva_graph_tools")
    package.__path__ = places
    sys.modules[package.__name__] = package


def main() -> None:
    """Serve the operations of the package."""
    enter(sys.argv[1])
    from eva_graph_tools.isolation.worker import serve
    from eva_graph_tools.operations import OPERATIONS

    serve(OPERATIONS)


if __name__ == "__main__":
    main()
