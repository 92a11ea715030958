"""Ask a video a question and watch the agent look: python examples/ask.py VIDEO QUESTION [POLICY]

POLICY is a server's base URL or a model folder; without it the embedded nano answers, which knows
only its synthetic world (`eva-graph demo --video world.mp4` makes one).
"""

import sys

from eva_graph import RunResult, VideoAgent


def main(video: str, question: str, policy: str | None = None) -> None:
    for item in VideoAgent(policy).stream(video, question):
        if isinstance(item, RunResult):
            print(f"{item.answer} ({item.stop_reason}, {item.usage.visual_tokens} visual tokens)")
        else:
            print(item.turn, item.node, *(f"{name}={value}" for name, value in item.data.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
