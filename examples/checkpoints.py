"""Questions that survive the process: checkpoints in SQLite or PostgreSQL, and a stop that waits.

python examples/checkpoints.py DATABASE THREAD VIDEO QUESTION [POLICY] answers one question.
DATABASE is a file, or postgresql://USER@HOST/NAME. However it ends, the same command goes on where
the thread stands: killed, what is in the database is not asked or looked at again; told to stop
(SIGTERM, Ctrl-C), it finishes the step that is running first.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from eva_graph import EvaGraphError, Step, build_graph


@contextmanager
def checkpoints(database: str) -> Iterator[BaseCheckpointSaver[str]]:
    """The checkpointer of a database; its tables are made where they are missing."""
    if database.startswith("postgresql://"):
        from langgraph.checkpoint.postgres import PostgresSaver

        with PostgresSaver.from_conn_string(database) as saver:
            saver.setup()
            yield saver
    else:
        from langgraph.checkpoint.sqlite import SqliteSaver

        with SqliteSaver.from_conn_string(database) as saver:
            yield saver


def main(database: str, thread: str, video: str, question: str, policy: str | None = None) -> None:
    control = RunControl()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: control.request_drain())
    config = {"configurable": {"thread_id": thread}}
    with checkpoints(database) as saver:
        graph = build_graph(policy).builder.compile(checkpointer=saver)
        unfinished = graph.get_state(config).next
        asked = None if unfinished else {"video": video, "question": question}
        try:
            for part in graph.stream(
                asked, config, stream_mode="custom", durability="sync", control=control
            ):
                step = Step.from_event(part)
                if step is not None and step.turn:
                    print(step.turn, step.node, flush=True)
        except GraphDrained:
            print("stopped before", *graph.get_state(config).next)
            return
        except EvaGraphError as error:
            sys.exit(str(error))
        print(graph.get_state(config).values["answer"])


if __name__ == "__main__":
    main(*sys.argv[1:])
