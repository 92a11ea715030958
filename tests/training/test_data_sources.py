"""Questions and videos in published layouts; the rows are made up for these tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from data_sets import write_questions

from eva_graph.errors import InvalidRequest
from eva_graph.evaluation.questions import EvalQuestion
from eva_graph.testing import make_clip
from eva_graph.videos import OpenVideos
from eva_graph_tools import Video
from eva_graph_training.data.sources import Source, read_source, read_sources
from eva_graph_training.data.tasks import choose_tasks
from eva_graph_training.data.unseen import unseen_videos, video_files
from eva_graph_training.export.selection import Split

LETTER = "Please respond with only the letter of the correct answer."
WHOLE = "Please provide your answer by stating the letter followed by the full option."


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Empty files under the names that the rows give: loading looks for names alone."""
    folder = tmp_path / "videos"
    for name in ("academic/cook/7/a.mp4", "tube/b.mp4", "817.mp4", "wHx2.mkv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def llava(asked: Sequence[str], said: Sequence[str], **fields: Any) -> dict[str, Any]:
    """A row of LLaVA-Video: pairs of turns, the media mark in the first."""
    turns = [
        turn
        for ask, reply in zip(asked, said, strict=True)
        for turn in ({"from": "human", "value": ask}, {"from": "gpt", "value": reply})
    ]
    turns[0]["value"] = "<image>\n" + turns[0]["value"]
    return {
        "id": "7-a", "data_source": "0_30_s_academic_v0_1", "video": "academic/cook/7/a.mp4",
        "conversations": turns, **fields,
    }  # fmt: skip


def read(layout: str, rows: Any, videos: Path) -> list[EvalQuestion]:
    file = videos.parent / "rows.json"
    file.write_text(json.dumps(rows))
    return read_source(layout, file, videos)


def test_llava_video_of_multiple_choice(videos: Path) -> None:
    options = "A. A pan\nB. A kettle\nC. A bowl"
    row = llava(
        [f"What stands on the stove?\n{options}\n{LETTER}", f"What is lifted?\n{options}\n{WHOLE}"],
        ["B.", "C. A bowl."],
    )
    first, second = read("llava-video", [row], videos)
    assert (first.question, first.answer) == ("What stands on the stove?", "B")
    assert (second.question, second.answer) == ("What is lifted?", "C")
    assert first.options == second.options == {"A": "A pan", "B": "A kettle", "C": "A bowl"}
    assert [first.question_id, second.question_id] == ["7-a-0", "7-a-1"]
    assert first.video == str(videos / "academic/cook/7/a.mp4")
    assert first.question_type == "0_30_s_academic_v0_1"
    assert first.problem is second.problem is None


def test_llava_video_of_open_questions(videos: Path) -> None:
    short = "Who waves?\nAnswer the question using a single word or phrase."
    rows = [
        llava(["What happens after the rain?"], ["The sun comes out."]),
        llava([short], ["A child"], id="b", video="tube/b.mp4"),
    ]
    first, second = read("llava-video", rows, videos)
    assert (first.question_id, first.question) == ("7-a", "What happens after the rain?")
    assert (first.answer, first.options) == ("The sun comes out.", {})
    assert (second.question, second.answer) == ("Who waves?", "A child")


def test_a_caption_of_llava_video_is_left_out_and_counted(videos: Path) -> None:
    rows = [llava(["Please provide a detailed description of the video."], ["word " * 80])]
    chosen = choose_tasks(read("llava-video", rows, videos), split=Split(), videos=OpenVideos())
    assert chosen.left_out == {"an open answer of more than 40 words": 1}


@pytest.mark.parametrize(
    "turns",
    [
        [], "talk", [{"from": "human", "value": "Who?"}], [1, 2],
        [{"from": "gpt", "value": "Hm"}, {"from": "human", "value": "Who?"}],
        [{"from": "human", "value": ""}, {"from": "gpt", "value": "A"}],
        [{"from": "human", "value": "\ud800"}, {"from": "gpt", "value": "A"}],
    ],
)  # fmt: skip
def test_turns_that_are_no_conversation_name_their_row(videos: Path, turns: Any) -> None:
    rows = [llava(["Who?"], ["A child"]), llava(["Who?"], ["A child"], conversations=turns)]
    with pytest.raises(InvalidRequest, match=r"rows\.json: row 2: .*conversations"):
        read("llava-video", rows, videos)


def test_cg_bench(videos: Path) -> None:
    row = {
        "qid": 31, "video_uid": 817, "question": "How many hats are thrown?",
        "answer": "Four", "choices": ["Two", "Four", "Nine"], "right_answer": "B",
        "clue_intervals": [[60, 64], [130.5, 133]], "domain": "Sports",
        "sub_category": "Counting", "duration": 1805.2,
    }  # fmt: skip
    (one,) = read("cg-bench", [row], videos)
    assert (one.question_id, one.question, one.answer) == ("31", "How many hats are thrown?", "B")
    assert one.options == {"A": "Two", "B": "Four", "C": "Nine"}
    assert one.time_reference == ((60.0, 64.0), (130.5, 133.0))
    assert one.question_types == ("Sports", "Counting")
    assert (one.video, one.problem) == (str(videos / "817.mp4"), None)


def test_an_open_cg_bench_question_has_its_free_answer(videos: Path) -> None:
    row = {"qid": 3, "video_uid": "wHx2", "question": "Who sings?", "answer": "A sailor"}
    (one,) = read("cg-bench", [row], videos)
    assert (one.options, one.answer, one.video) == ({}, "A sailor", str(videos / "wHx2.mkv"))


def test_several_sources_keep_their_ids_apart(videos: Path, tmp_path: Path) -> None:
    row = {"question_id": "1", "video": "817.mp4", "question": "Who?", "answer": "a sailor"}
    one = Source(
        layout="custom", annotations=write_questions(tmp_path / "a.jsonl", [row]), videos=videos
    )
    other = Source(
        layout="custom", annotations=write_questions(tmp_path / "b.jsonl", [row]), videos=videos
    )
    assert [each.question_id for each in read_sources([one, other])] == ["a/1", "b/1"]
    assert [each.question_id for each in read_sources([one])] == ["1"]
    with pytest.raises(InvalidRequest, match="two sources hold a question 'a/1'"):
        read_sources([one, one])


def test_without_a_folder_absolute_paths_stand_and_others_lie_beside(videos: Path) -> None:
    rows = [
        {"video": str(videos / "817.mp4"), "question": "Who?", "answer": "a sailor"},
        {"video": "videos/tube/b.mp4", "question": "Who?", "answer": "a sailor"},
        {"video": "/nowhere/else.mkv", "question": "Who?", "answer": "a sailor"},
    ]
    beside = write_questions(videos.parent / "q.jsonl", rows)
    elsewhere = videos.parent / "other"
    elsewhere.mkdir()
    apart = write_questions(elsewhere / "q.jsonl", rows)
    assert [one.missing for one in read_source("custom", beside)] == [False, False, True]
    assert [one.missing for one in read_source("custom", apart)] == [False, True, True]
    assert [one.missing for one in read_source("custom", apart, elsewhere)] == [True, True, True]


def test_a_row_of_ones_own_with_an_unknown_field_is_an_error(videos: Path) -> None:
    row = {"video": "817.mp4", "question": "Who?", "anwser": "a sailor"}
    with pytest.raises(InvalidRequest, match="unknown field `anwser`"):
        read("custom", [row], videos)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Five contents, one of them twice, and a file that is no video."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for fps in range(2, 7):
        make_clip(folder / f"v{fps}.mp4", seconds=2, size=(64, 48), fps=fps)
    shutil.copy(folder / "v2.mp4", folder / "copy.mp4")
    (folder / "broken.mp4").write_bytes(b"")
    return folder


def test_a_plain_folder_gives_new_videos_that_train_once_each(clips: Path) -> None:
    with Video.open(clips / "v3.mp4") as video:
        seen = video.video_id
    files, missing = video_files(clips)
    assert (len(files), missing) == (7, 0)
    found = unseen_videos(files, seen=[seen], split=Split(), videos=OpenVideos())
    assert sorted(Path(video.path).stem for video in found.videos) == ["copy", "v4", "v5", "v6"]
    assert found.left_out == {
        "has questions already, or is there twice": 2,
        "the video cannot be read": 1,
    }


def test_the_split_is_that_of_exports(clips: Path) -> None:
    split = Split(train_fraction=0.5, seed=3)
    found = unseen_videos(video_files(clips)[0], seen=[], split=split, videos=OpenVideos())
    ids = {}
    for path in clips.glob("v*.mp4"):
        with Video.open(path) as video:
            ids[video.video_id] = split.side(video.video_id)
    assert {video.video_id for video in found.videos} == {
        name for name, side in ids.items() if side == "train"
    }
    assert 0 < len(found.videos) < 5
    rows = [
        {"video": path.name, "question": "Who?", "answer": "a"} for path in clips.glob("v*.mp4")
    ]
    chosen = choose_tasks(read("custom", rows, clips), split=split, videos=OpenVideos())
    assert {task.video_id for task in chosen.tasks} == {video.video_id for video in found.videos}
    assert len(chosen.tasks) + len(chosen.held_out) == 5


def test_hd_vila_lists_clips_and_whole_videos(clips: Path, tmp_path: Path) -> None:
    (clips / "v5.mp4").rename(clips / "Zq.1.mp4")
    listing = write_questions(
        tmp_path / "hdvila_part0.jsonl",
        [
            {
                "video_id": "Zq", "url": "https://video.example/Zq",
                "clip": [
                    {"clip_id": "Zq.1.mp4", "span": ["00:00:01.100", "00:00:09.200"]},
                    {"clip_id": "Zq.2.mp4", "span": ["00:00:10.000", "00:00:12.000"]},
                ],
            },
            {"video_id": "v6", "url": "https://video.example/v6", "clip": []},
            {"video_id": "gone", "url": "https://video.example/gone", "clip": []},
        ],
    )  # fmt: skip
    files, missing = video_files(clips, listing)
    assert [path.name for path in files] == ["Zq.1.mp4", "v6.mp4"]
    assert missing == 1


@pytest.mark.parametrize("row", [{"url": "x"}, {"video_id": "v6", "clip": "all"}])
def test_a_listing_that_names_no_video_is_an_error(
    clips: Path, tmp_path: Path, row: dict[str, Any]
) -> None:
    listing = write_questions(tmp_path / "list.jsonl", [row])
    with pytest.raises(InvalidRequest, match=r"list\.jsonl: row 1"):
        video_files(clips, listing)
