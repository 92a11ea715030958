"""nano's parts: tokenizer, folder, patches, and rehearsals that read as the real graph writes."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from eva_graph.blocks import blocks_of
from eva_graph.graph import build_graph
from eva_graph.policy.processor import chat_template, load_model, load_processor, visual_grid
from eva_graph.state import Context
from eva_graph.trajectory import read_records
from eva_graph.trajectory.messages import message_from_json
from eva_graph_tools import Video, VisualGrid
from eva_graph_training.nano.encoding import FOUND_WEIGHT, IGNORED, encode
from eva_graph_training.nano.folder import new_model, save_folder
from eva_graph_training.nano.lessons import first_turn, opening, overview, reading
from eva_graph_training.nano.pictures import patches, random_pictures
from eva_graph_training.nano.rehearsal import (
    IMAGE,
    overview_seconds,
    random_rehearsal,
    rehearse,
)
from eva_graph_training.nano.tokens import ADDED, IMAGE_PAD, build_tokenizer, token_id
from eva_graph_training.world.questions import event_questions
from eva_graph_training.world.render import render
from eva_graph_training.world.scene import BORDER_COLOURS
from eva_graph_training.world.schedule import make_world
from eva_graph_training.world.teacher_policy import TeacherPolicy


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(chat_template(), vocabulary_size=1024, conversations=200)


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("nano")
    save_folder(new_model(tokenizer, seed=5), tokenizer, path, torch.bfloat16)
    return path


def test_digits_and_line_ends_are_tokens_of_their_own(tokenizer) -> None:
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("Length: 143 seconds\nat 03:27")]
    assert [piece for piece in pieces if any(c.isdigit() for c in piece)] == list("1430327")
    assert "\n" in pieces


def test_any_text_survives_and_contract_tags_are_kept_when_specials_are_dropped(tokenizer) -> None:
    text = '<tool_call>{"tool": "naïve 🎬"}</tool_call>\n<answer>K</answer>'
    ids = tokenizer.encode(text + "<|im_end|>")
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert all(isinstance(token_id(tokenizer, tag), int) for tag in ADDED)


def test_encoding_equals_the_chat_template_with_pads_repeated(tokenizer) -> None:
    pad = token_id(tokenizer, IMAGE_PAD)
    rng = np.random.default_rng(1)
    makers = (random_rehearsal, reading, overview, first_turn, opening)
    for rehearsal in [make(rng) for make in makers for _ in range(4)]:
        row = encode(rehearsal, tokenizer)
        rendered = tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in rehearsal.messages],
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        costs = iter([(seen.width_pixels // 28) ** 2 for seen in rehearsal.sightings])
        pairs = zip(rendered["input_ids"], rendered["assistant_masks"], strict=True)
        expanded = [
            (i, trained) for i, trained in pairs for _ in range(next(costs) if i == pad else 1)
        ]
        assert [i for i, _ in expanded] == row.ids.tolist()
        assert [bool(trained) for _, trained in expanded] == (row.labels != IGNORED).tolist()
        assert ((row.weights > 0) == (row.labels != IGNORED)).all()


def test_positions_equal_the_models_own(tokenizer) -> None:
    model = new_model(tokenizer, seed=0).model
    row = encode(random_rehearsal(np.random.default_rng(2)), tokenizer)
    ids = torch.from_numpy(row.ids)[None]
    sides = [seen.width_pixels // 14 for seen in row.sightings]
    positions, _ = model.get_rope_index(
        ids,
        (ids == token_id(tokenizer, IMAGE_PAD)).int(),
        image_grid_thw=torch.tensor([[1, side, side] for side in sides]),
    )
    assert (positions[:, 0].numpy() == row.positions).all()


def test_patches_equal_the_image_processors(folder) -> None:
    pictures = random_pictures(3, 112, seed=1, small_share=0.5, border_share=0.5)
    processor = load_processor(folder).image_processor
    images = [Image.fromarray(pixels.numpy()) for pixels in pictures.pixels]
    expected = processor(images, return_tensors="pt")
    rows, grid = patches(pictures.pixels)
    assert torch.equal(rows, expected["pixel_values"])
    assert torch.equal(grid, expected["image_grid_thw"])


def test_a_saved_folder_loads_alike_and_small(folder, tokenizer) -> None:
    model, processor = load_model(folder), load_processor(folder)
    assert model.dtype == torch.float32
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    assert model.config.text_config.vocab_size == len(processor.tokenizer) == len(tokenizer)
    assert model.model.language_model.layers[0].self_attn.head_dim == 32
    assert processor.tokenizer.eos_token_id in model.generation_config.eos_token_id
    assert visual_grid(processor) == VisualGrid()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 15e6
    weights = new_model(tokenizer, seed=5).state_dict()
    loaded = model.state_dict()
    assert all(
        torch.equal(loaded[name], value.to(torch.bfloat16).float())
        for name, value in weights.items()
    )


def test_rehearsals_read_exactly_as_the_graph_writes(tmp_path) -> None:
    for seed, length in ((3, 61), (4, 99), (5, 100), (6, 180)):
        world = make_world(seed, length)
        path = tmp_path / f"{seed}.mp4"
        render(world, path)
        with Video.open(path) as video:
            graph = build_graph(TeacherPolicy({video.video_id: world}))
        for question in event_questions(world):
            run = tmp_path / f"run-{seed}-{question.text.split()[-1][:-1]}"
            graph.invoke(
                {"video": str(path), "question": question.text}, context=Context(record=str(run))
            )
            (record,) = read_records(run)
            played = [(message["role"], flat(message)) for message in record.messages]
            assert played == list(rehearse(world, question).messages)


def flat(message: dict) -> str:
    blocks = blocks_of(message_from_json(message))
    return "".join(block["text"] if block["type"] == "text" else IMAGE for block in blocks)


@pytest.mark.parametrize("nframes", [12, 30, 45])
def test_overviews_are_placed_as_the_tool_places_them(tmp_path, nframes: int) -> None:
    for length in (60, 83, 100, 147, 180):
        path = tmp_path / f"{length}.mp4"
        render(make_world(1, length), path)
        with Video.open(path) as video:
            frames = video.frame_select(0, length, nframes=nframes, resize=0.25)
        expected = overview_seconds(length, nframes)
        assert [frame.pts_seconds for frame in frames] == pytest.approx(expected, abs=0.1)


def test_inventories_tell_the_place_of_every_colour() -> None:
    lesson = overview(np.random.default_rng(4), inventory_share=1.0)
    shown = {seen.moment.border: seen.label for seen in lesson.sightings}
    lines = lesson.messages[-1][1].removeprefix("Reflection: ").split("\n")
    assert len(lines) == len(BORDER_COLOURS)
    for colour, line in zip(BORDER_COLOURS, lines, strict=True):
        expected = f"is at [{shown[colour]}]." if colour in shown else "is in none of these frames."
        assert line == f"The {colour} border {expected}"


def test_reading_lessons_answer_only_what_is_legible() -> None:
    rng = np.random.default_rng(5)
    for lesson in [reading(rng) for _ in range(40)]:
        (seen,) = lesson.sightings
        answered = "<answer>" in lesson.messages[-1][1]
        assert answered == (seen.width_pixels == 224 or not seen.moment.small)
        assert len(lesson.messages) == (2 if answered else 3)


def test_the_place_of_a_border_weighs_more_where_it_is_first_told(tokenizer) -> None:
    rng = np.random.default_rng(6)
    lessons = [encode(overview(rng, inventory_share=0.0), tokenizer) for _ in range(20)]
    for row in lessons:
        heavy = tokenizer.decode(row.ids[row.weights == FOUND_WEIGHT])
        ((_, _, text),) = row.turns
        told = re.search(r"border is at \[(\d\d:\d\d)\]", text)
        assert heavy == (told.group(1) if told else "")
