"""What the agent found out about a video is there for the next question, in a store on disk.

python examples/remember.py VIDEO QUESTION… [--policy URL|DIR] [--store memory.sqlite]

Scenes and the beginning of the transcript are noted before the first question, where the video has
them. Run it again, or with another path of the same video: the notes are still there.
"""

import argparse

from langgraph.store.sqlite import SqliteStore

from eva_graph import VideoAgent, VideoMemory
from eva_graph_tools import Video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("questions", nargs="+")
    parser.add_argument("--policy")
    parser.add_argument("--store", default="memory.sqlite")
    given = parser.parse_args()
    with SqliteStore.from_conn_string(given.store) as store, Video.open(given.video) as video:
        store.setup()
        memory = VideoMemory(store)
        if not memory.notes(video.video_id):
            memory.study(video)
        agent = VideoAgent(given.policy, memory=memory)
        for question in given.questions:
            result = agent.run(given.video, question)
            was_told = "told of earlier looks" if result.trajectory.recalled else "told of nothing"
            print(f"{question} {result.answer} ({was_told})")
        print(memory.told(video.video_id))


if __name__ == "__main__":
    main()
