"""What a worker process starts: run as a script, given the parent's import path.

The package is entered by a bare module of its name, so that its `__init__` with the tools, their
arguments and what those load, which takes longer than all of the rest, is not imported.
"""

import json
import sys
import types


def main() -> None:
    """Serve the operations of the package."""
    sys.path[:], places = json.loads(sys.argv[1])
    package = types.ModuleType("eva_graph_tools")
    package.__path__ = places
    sys.modules[package.__name__] = package
    from eva_graph_tools.isolation.worker import serve
    from eva_graph_tools.operations import OPERATIONS

    serve(OPERATIONS)


if __name__ == "__main__":
    main()
