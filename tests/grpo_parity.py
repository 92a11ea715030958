"""Scripted turns played by the graph and by GRPO's tool loop, and what differs: nothing may.

Everything is real but the sampling: both sides encode, look, store frames, count tokens and decide
for themselves; only what `generate` would sample is told by a script. GRPO plays all cases of one
kind of episode in one batch. `python tests/grpo_parity.py` prints the table.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from grpo_cases import CASES, Case
from scripted_model import write
from trl import GRPOConfig

from eva_graph import VideoAgent
from eva_graph.blocks import frames_of
from eva_graph.dialects import EvaDialect, Question
from eva_graph.limits import Limits
from eva_graph.policy.in_process import TransformersPolicy
from eva_graph.policy.processor import load_model, load_processor
from eva_graph.testing import make_clip
from eva_graph.trajectory import Trajectory
from eva_graph.videos import OpenVideos
from eva_graph_tools import FrameStore
from eva_graph_training.env import VideoEnvironment
from eva_graph_training.format import prepare_processor
from eva_graph_training.recipe import Recipe, load_recipe
from eva_graph_training.rewards.attempt import Attempt
from eva_graph_training.stages.grpo_arguments import Room, own_arguments
from eva_graph_training.stages.grpo_questions import GrpoQuestion
from eva_graph_training.stages.grpo_rows import RowMaker
from eva_graph_training.stages.grpo_trainer import EpisodeTrainer

MAX_TURNS = 4
CLIP_SECONDS = 8
_CASE = re.compile(r"\(case (\d+)\)")
_OPENER = "<|im_start|>assistant\n"
_END = "<|im_end|>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of a script on one side."""

    ids: list[int]
    learned: list[int]
    """1 where the policy wrote the id."""
    frames: list[str]
    tool_texts: list[str]
    answer: str | None
    stop_reason: str | None
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case as both sides played it."""

    case: Case
    graph: Played
    grpo: Played

    @property
    def differing(self) -> list[str]:
        """Names of what differs."""
        return [
            one.name
            for one in fields(Played)
            if getattr(self.graph, one.name) != getattr(self.grpo, one.name)
        ]


def play_all(model: Path, folder: Path, cases: Sequence[Case] = CASES) -> list[Row]:
    """Play the cases with a model folder; everything that is written goes below `folder`."""
    clip = make_clip(folder / "clip.mp4", seconds=CLIP_SECONDS, size=(224, 168))
    rows: list[Row] = []
    for number, (_, kind) in enumerate(groupby(cases, lambda case: case.kind)):
        same = list(kind)
        place = folder / str(number)
        start = _with_context(model, place / "model", same[0].context_tokens)
        overrides = [f"episode.{name}={value}" for name, value in same[0].episode.items()]
        recipe = load_recipe(
            "nano-cpu",
            [f"work={place}", f"episode.max_turns={MAX_TURNS}", "episode.max_new_tokens=400",
             "grpo.rollouts=2", "grpo.rewards.self_verification=false", *overrides],
        )  # fmt: skip
        graph = _in_graph(start, clip, recipe, same)
        grpo = _in_grpo(start, clip, recipe, same)
        rows += [
            Row(case=case, graph=mine, grpo=theirs)
            for case, mine, theirs in zip(same, graph, grpo, strict=True)
        ]
    return rows


def _with_context(model: Path, copy: Path, context_tokens: int | None) -> Path:
    """The model folder with another context length, and without a longest turn of its own."""
    shutil.copytree(model, copy, ignore=shutil.ignore_patterns("eva_graph_policy.json"))
    if context_tokens is not None:
        config = json.loads((copy / "config.json").read_text())
        config["text_config"]["max_position_embeddings"] = context_tokens
        (copy / "config.json").write_text(json.dumps(config))
    return copy


def _question(case: Case) -> str:
    return f"Which colour is shown at 3 seconds? (case {CASES.index(case)})"


def _script(model: Any, tokenizer: Any) -> None:
    """Let `generate` say the next turn of each row's case, up to as many tokens as it may."""
    line_of = _line_of(tokenizer)

    def generate(
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        generation_config: Any,
        pixel_values: Any = None,
        image_grid_thw: Any = None,
        mm_token_type_ids: Any = None,
        logits_processor: Any = None,
        stopping_criteria: Any = None,
    ) -> torch.Tensor:  # what a Qwen VL model takes, and nothing else
        lines = [line_of(row.tolist()) for row in input_ids]
        said = [line[: generation_config.max_new_tokens] for line in lines]
        longest = max(map(len, said))
        padded = [line + [tokenizer.pad_token_id] * (longest - len(line)) for line in said]
        return torch.cat([input_ids, torch.tensor(padded)], dim=1)

    model.generate = generate


def _line_of(tokenizer: Any) -> Callable[[list[int]], list[int]]:
    opener = tokenizer(_OPENER)["input_ids"]

    def line_of(ids: list[int]) -> list[int]:
        found = _CASE.search(tokenizer.decode(ids))
        assert found is not None
        turn = sum(ids[at : at + len(opener)] == opener for at in range(len(ids))) - 1
        text = CASES[int(found[1])].script[turn]
        line: list[int] = tokenizer(text + _END)["input_ids"]
        return line

    return line_of


def _in_graph(start: Path, clip: Path, recipe: Recipe, cases: Sequence[Case]) -> list[Played]:
    policy = TransformersPolicy(start)
    write(policy, _line_of(load_processor(start).tokenizer))
    agent = VideoAgent(policy, context=recipe.episode.context())
    run = Path(recipe.work) / "run"
    results = [agent.run(clip, _question(case), record=run) for case in cases]
    return [_of_record(result.trajectory) for result in results]


def _of_record(record: Trajectory) -> Played:
    ids: list[int] = []
    learned: list[int] = []
    for turn in record.turns:
        assert turn.tokens is not None
        assert turn.tokens.prefix_ok
        delta, sampled = turn.tokens.prompt_delta_ids, turn.tokens.token_ids
        ids += [*delta, *sampled]
        learned += [0] * len(delta) + [1] * len(sampled)
    read = record.turns[:-1]  # a look that no turn follows was never read
    shown = [one for one in record.messages if one["role"] == "tool"][: len(read)]
    uris = [frame.ref["uri"] for turn in read for one in turn.calls for frame in one.frames]
    return Played(
        ids=ids,
        learned=learned,
        frames=[uri.rpartition(":")[2] for uri in uris],
        tool_texts=[_text(message["content"]) for message in shown],
        answer=record.answer,
        stop_reason=record.stop_reason,
        turns=len(record.turns),
    )


def _in_grpo(start: Path, clip: Path, recipe: Recipe, cases: Sequence[Case]) -> list[Played]:
    room, videos = Room.of(recipe, start), OpenVideos()
    processor = prepare_processor(load_processor(start))
    maker = RowMaker(
        processor=processor, videos=videos, dialect=EvaDialect(), episode=recipe.episode,
        context_tokens=room.context_tokens,
    )  # fmt: skip
    asked = [
        GrpoQuestion(video=str(clip), question=Question(text=_question(case)), answer="blue")
        for case in cases
    ]
    rows = [row for one in asked for row in [maker.row(one)] * recipe.grpo.rollouts]
    trainer = _trainer(start, recipe, room, processor, videos, rows)
    _script(trainer.model, processor.tokenizer)
    batch = trainer._generate_and_score_completions(rows)
    return [_of_batch(trainer, batch, number) for number in range(0, len(rows), 2)]


def _trainer(
    start: Path, recipe: Recipe, room: Room, processor: Any, videos: OpenVideos, rows: list[Any]
) -> Any:
    limits: Limits = room.limits(recipe, start)
    config = GRPOConfig(
        output_dir=recipe.work, per_device_train_batch_size=len(rows), use_cpu=True, bf16=False,
        report_to=[], activation_checkpointing=False,
        **own_arguments(recipe, room) | {"beta": 0.0},
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using 'environment_factory'")
        trainer = EpisodeTrainer(
            context_tokens=room.context_tokens, model=load_model(start), args=config,
            train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in rows]),
            processing_class=processor,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            environment_factory=partial(
                VideoEnvironment, store=FrameStore(Path(recipe.work) / "frames"), videos=videos,
                limits=limits,
            ),
        )  # fmt: skip
    trainer.completions = []
    score = trainer._calculate_rewards

    def keep(inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        trainer.completions = completions
        return score(inputs, prompts, completions, ids)

    trainer._calculate_rewards = keep
    return trainer


def _of_batch(trainer: Any, batch: Mapping[str, torch.Tensor], number: int) -> Played:
    prompt = batch["prompt_ids"][number][batch["prompt_mask"][number].bool()].tolist()
    present = batch["completion_mask"][number].bool()
    completion = batch["completion_ids"][number][present].tolist()
    mask = batch["tool_mask"][number][present].int().tolist()
    messages = trainer.completions[number]
    shown = [message["content"] for message in messages if message["role"] == "tool"]
    account = trainer.environments[number].account
    attempt = Attempt.of_rollout(account, messages)
    replies = [account.replies[turn] for turn in sorted(account.replies)][: len(shown)]
    return Played(
        ids=prompt + completion,
        learned=[0] * len(prompt) + mask,
        frames=[ref.sha256 for reply in replies for ref in frames_of(reply.messages)],
        tool_texts=[_text(content) for content in shown],
        answer=attempt.answer,
        stop_reason=None if attempt.stop_reason is None else attempt.stop_reason.value,
        turns=attempt.turns,
    )


def _text(content: Any) -> str:
    """The text of a message with a mark for each image."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] if part["type"] == "text" else "<image>" for part in content)


def table(rows: Sequence[Row]) -> str:
    """All cases, a line each, as Markdown."""
    lines = [
        "| the policy writes | turns | ids | learned | frames | ends | differs |",
        "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for row in rows:
        played = row.grpo
        lines.append(
            f"| {row.case.name} | {played.turns} | {len(played.ids)} | {sum(played.learned)} | "
            f"{len(played.frames)} | {played.stop_reason} | {', '.join(row.differing) or '–'} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table for a small untrained model of each family."""
    from random_model import random_model, random_qwen3_model

    for family, build in {"Qwen2.5-VL": random_model, "Qwen3-VL": random_qwen3_model}.items():
        with tempfile.TemporaryDirectory() as place:
            print(f"{family}\n")
            print(table(play_all(build(Path(place) / "model"), Path(place))), end="\n\n")


if __name__ == "__main__":
    main()
