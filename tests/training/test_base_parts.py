"""The base of nano: views as a look delivers them, lessons that are true, rows as the model has."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoImageProcessor, PreTrainedTokenizerFast

from eva_graph.policy.processor import chat_template
from eva_graph_tools import Video
from eva_graph_training.base.encoding import IGNORED, collate, encode
from eva_graph_training.base.features import FeaturePool, level_features
from eva_graph_training.base.language import LanguagePlan, LanguageTraining
from eva_graph_training.base.lessons import (
    IMAGE,
    Lesson,
    code_lesson,
    count_lesson,
    draw_lesson,
    inventory_lesson,
    letter_lesson,
)
from eva_graph_training.base.making import talk
from eva_graph_training.base.patches import patches
from eva_graph_training.base.sight import SightPlan, SightTraining
from eva_graph_training.base.tokens import learn_tokenizer
from eva_graph_training.base.views import (
    VIEWS,
    Pictures,
    ViewName,
    as_seen,
    kept,
    rendered,
    view_of,
)
from eva_graph_training.nano.folder import new_model, save_folder
from eva_graph_training.nano.tokens import IMAGE_PAD, token_id
from eva_graph_training.world.dials import NORMAL
from eva_graph_training.world.drawing import draw
from eva_graph_training.world.filming import film
from eva_graph_training.world.plotting import make_plot
from eva_graph_training.world.splits import SPLITS

SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return learn_tokenizer(talk(tmp_path_factory.mktemp("talk"), 2), chat_template())


def lessons(seed: int, count: int) -> list[Lesson]:
    rng = np.random.default_rng(seed)
    return [draw_lesson(rng) for _ in range(count)]


@given(SEEDS)
def test_every_image_has_a_sighting_and_options_hold_the_answer(seed: int) -> None:
    for lesson in lessons(seed, 5):
        _, (_, shown), (_, told) = lesson.messages
        assert shown.count(IMAGE) == len(lesson.sightings) > 0
        assert "<tool_call>" not in told
        options = dict(re.findall(r"^([A-D])\. (.+)$", shown, re.MULTILINE))
        chosen = re.search(r" is (\S+), option ([A-D])\.\n<answer>([A-D])</answer>$", told)
        if options and "<answer>" in told:
            assert chosen is not None
            assert options[chosen.group(2)] == chosen.group(1)
            assert chosen.group(2) == chosen.group(3)
            assert len(set(options.values())) == len(options)


@given(SEEDS)
def test_what_is_told_is_what_the_frames_show(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (seen,), told = (lesson := letter_lesson(rng)).sightings, lesson.messages[2][1]
    hidden = seen.small and seen.width_pixels == 112 and seen.box is None
    read = "too small" if hidden else seen.letter
    assert told.startswith(f"Reflection: The letter is {read}")
    lesson = code_lesson(rng)
    assert f"The code is {lesson.sightings[0].code}" in lesson.messages[2][1]
    lesson = inventory_lesson(rng)
    places = re.findall(r"The (\w+) border is at \[([\d:]+)\]", lesson.messages[2][1])
    assert sorted(places) == sorted(
        (seen.border, seen.label) for seen in lesson.sightings if seen.border is not None
    )


@given(SEEDS)
def test_showings_are_counted_where_they_begin(seed: int) -> None:
    lesson = count_lesson(np.random.default_rng(seed))
    _, (_, shown), (_, told) = lesson.messages
    colour = re.search(r"How many times is the border (\w+) between", shown)
    assert colour is not None
    before, starts = None, []
    for seen in lesson.sightings:
        if seen.border == colour.group(1) != before:
            starts.append(seen.label)
        before = seen.border
    assert re.findall(r"\d at \[([\d:]+)\]", told) == starts
    assert f"The number is {len(starts)}" in told


@pytest.mark.parametrize("name", list(VIEWS))
def test_views_are_what_the_tools_deliver(name, tmp_path: Path) -> None:
    plot = make_plot(77, 60, NORMAL)
    film(plot, tmp_path / "a.mp4")
    view = VIEWS[name]
    with Video.open(tmp_path / "a.mp4") as video:
        if view.box is None:
            frame = video.frames_at([30.0], resize=view.width / 224)[0]
        else:
            frame = video.zoom(30.0, view.box)
    assert view_of(frame.width, view.box) == name
    seen = as_seen(draw(plot, 30.0), view, np.random.default_rng(0)).astype(float)
    assert seen.shape == frame.to_numpy().shape
    assert np.abs(seen - frame.to_numpy()).mean() < 4.0


def test_pictures_are_seeded_and_kept(tmp_path: Path) -> None:
    made = kept(tmp_path / "a/b.pt", "print", 6, seed=4)
    again, other = rendered("print", 6, seed=4), kept(tmp_path / "a/b.pt", "print", 6, seed=5)
    for pictures in (again, other):
        assert torch.equal(made.pixels, pictures.pixels)
        assert torch.equal(made.code, pictures.code)
    assert not torch.equal(made.pixels, rendered("print", 6, seed=5).pixels)


def test_digits_letters_and_line_ends_are_tokens_of_their_own(tokenizer) -> None:
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("at [27:39]\nA. K\nB. Z red")]
    assert [piece for piece in pieces if piece.strip(" .[]:at")] == [*"2739", *"\nAK\nBZ", "red"]
    text = "What is the word for mango? 你好 \t<tool_call>{}</tool_call>"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_rows_are_what_the_chat_template_gives(tokenizer) -> None:
    pad = token_id(tokenizer, IMAGE_PAD)
    for lesson in lessons(3, 12):
        row = encode(lesson, tokenizer)
        messages = [{"role": role, "content": text} for role, text in lesson.messages]
        whole = tokenizer.apply_chat_template(messages, tokenize=False).rstrip("\n")
        ids = tokenizer.encode(whole, add_special_tokens=False)
        single = [
            token
            for place, token in enumerate(row.ids)
            if token != pad or row.ids[place - 1] != pad
        ]
        assert single == ids
        assert (row.ids == pad).sum() == sum(
            VIEWS[view_of(s.width_pixels, s.box)].width
            * VIEWS[view_of(s.width_pixels, s.box)].height
            // 28**2
            for s in lesson.sightings
        )
        told = tokenizer.decode(row.labels[row.labels != IGNORED])
        assert told == f"{lesson.messages[2][1]}<|im_end|>"


def test_positions_are_the_models_own(tokenizer) -> None:
    model = new_model(tokenizer, seed=0)
    pad = token_id(tokenizer, IMAGE_PAD)
    for lesson in lessons(5, 12):
        row = encode(lesson, tokenizer)
        ids = torch.from_numpy(row.ids)[None]
        views = [VIEWS[view_of(seen.width_pixels, seen.box)] for seen in lesson.sightings]
        grid = torch.tensor([[1, view.height // 14, view.width // 14] for view in views])
        kinds = (ids == pad).int()
        positions, _ = model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grid)
        assert np.array_equal(positions[:, 0].numpy(), row.positions)


def test_patches_are_the_image_processors(tokenizer, tmp_path: Path) -> None:
    save_folder(new_model(tokenizer, seed=0), tokenizer, tmp_path / "m", torch.float32)
    processor = AutoImageProcessor.from_pretrained(tmp_path / "m")
    for name in VIEWS:
        pixels = rendered(name, 2, seed=1).pixels
        rows, grid = patches(pixels)
        theirs = processor(images=list(pixels.numpy()), return_tensors="pt")
        assert torch.allclose(rows, theirs["pixel_values"], atol=1e-5)
        assert torch.equal(grid, theirs["image_grid_thw"])


def test_sight_goes_on_where_it_stopped(tokenizer, tmp_path: Path) -> None:
    pictures = {name: rendered(name, 8, seed=9) for name in VIEWS}
    plan = SightPlan(steps=2, start_steps=1)
    whole = SightTraining(plan, tmp_path / "whole.pt")
    whole.run(pictures, pictures, 5)
    assert set(whole.score(pictures)) >= {"border@overview", "letter@sign", "code@print"}
    stopped = Stopped(plan, tmp_path / "part.pt")
    with pytest.raises(KeyboardInterrupt):
        stopped.run(pictures, {}, 1)
    assert stopped.step == 1
    again = SightTraining(plan, tmp_path / "part.pt")
    again.run(pictures, {}, 5)
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            whole.tower.state_dict().values(), again.tower.state_dict().values(), strict=True
        )
    )


class Stopped(SightTraining):
    """Ends at its first checkpoint, as a kill would."""

    def save(self) -> None:
        super().save()
        raise KeyboardInterrupt


def test_the_language_model_learns_from_the_pool(tokenizer, tmp_path: Path) -> None:
    pictures = {name: of_every_class(name, 8 if name == "overview" else 1) for name in VIEWS}
    model = new_model(tokenizer, seed=0)
    level_features(model.model.visual, pictures["reading"].pixels)
    before = {name: value.clone() for name, value in model.model.visual.state_dict().items()}
    pool = FeaturePool(model.model.visual, pictures)
    plan = LanguagePlan(steps=4, batch=4)
    training = LanguageTraining(plan, model, tokenizer, pool, tmp_path / "l.pt")
    rng = np.random.default_rng(0)
    told = [inventory_lesson(rng) for _ in range(6)] + [code_lesson(rng, pool.codes)]
    rows = [encode(lesson, tokenizer) for lesson in told]
    batch = collate(rows, training.filler)
    assert batch.ids.shape == batch.labels.shape == batch.weights.shape == batch.positions.shape[1:]
    losses = [training._train(rows, np.random.default_rng(0)) for _ in range(4)]
    assert losses[-1] < losses[0]
    after = model.model.visual.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def of_every_class(name: ViewName, times: int) -> Pictures:
    """A few pictures over and over, under the labels of every border in turn."""
    made = rendered(name, 6, seed=9)
    return Pictures(
        pixels=made.pixels.repeat(times, 1, 1, 1),
        letter=made.letter.repeat(times),
        small=made.small.repeat(times),
        border=torch.arange(6).repeat(times),
        code=made.code.repeat(times, 1),
    )


def test_the_seeds_of_pictures_are_no_splits() -> None:
    assert max(split.number for split in SPLITS.values()) * 1_000_000 + 1_000_000 < 900_000_000
