"""The long files of the benchmarks: rendered once, kept in the work folder.

A segment (5 minutes, 1280x720, 30 frames a second, H.264 with key frames at cuts and at most 250
apart, AAC) is rendered from moving, textured, grainy shots, so that decoding costs what real
footage costs. The 10 min, 1 h and 3 h files are stream copies of it, one after another, with
continuous timestamps. Every frame carries its number within the segment as a barcode; the frame on
screen at time t is number floor(t * 30) modulo the segment's frame count.

    python benchmarks/footage.py --work DIR [--quick]
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import barcode
import numpy as np
from shots import Shot

FPS = 30
_SOUND_RATE = 32_000  # 1,024 samples a packet divide every whole number of seconds * 31.25
_KEYINT = 250
_SHOT_SECONDS = (4.0, 20.0)  # with the limit of 250, key frames are 183 frames apart on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """What to render: the size of the picture and the lengths of the files in segments."""

    name: str
    width: int
    height: int
    segment_seconds: int
    copies: tuple[int, int, int]  # of the shortest, the usual and the longest file

    @property
    def segment_frames(self) -> int:
        """Frames of the segment."""
        return self.segment_seconds * FPS

    def number_at(self, seconds: float) -> int:
        """The number on screen at a time of any of the files."""
        return int(seconds * FPS + 1e-6) % self.segment_frames


FULL = Footage(name="720p", width=1280, height=720, segment_seconds=300, copies=(2, 12, 36))
QUICK = Footage(name="quick", width=448, height=252, segment_seconds=32, copies=(1, 3, 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The rendered files, of the lengths that `Footage.copies` gives."""

    footage: Footage
    short: Path
    usual: Path
    long: Path

    @property
    def usual_seconds(self) -> float:
        """Duration of the usual file: an hour, unless quick."""
        return float(self.footage.segment_seconds * self.footage.copies[1])


def prepare(work: Path, footage: Footage) -> Files:
    """The files of a footage, rendered where they are not there yet."""
    folder = work / footage.name
    folder.mkdir(parents=True, exist_ok=True)
    segment = folder / "segment.mp4"
    if not segment.exists():
        _finished(segment, partial(render_segment, footage))
    paths = [folder / f"{copies}_segments.mp4" for copies in footage.copies]
    for path, copies in zip(paths, footage.copies, strict=True):
        if not path.exists():
            _finished(path, partial(repeat, segment, copies, footage))
    return Files(footage=footage, short=paths[0], usual=paths[1], long=paths[2])


def _finished(path: Path, make: Callable[[Path], None]) -> None:
    part = path.with_suffix(".part.mp4")
    started = time.process_time()
    make(part)
    part.replace(path)
    megabytes = path.stat().st_size / 1e6
    print(
        f"made {path} ({megabytes:.0f} MB, {time.process_time() - started:.0f} CPU s)", flush=True
    )


def render_segment(footage: Footage, path: Path) -> None:
    """Encode the numbered segment."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream(
            "libx264", rate=FPS, options={"preset": "faster", "crf": "24", "g": str(_KEYINT)}
        )
        picture.width, picture.height, picture.pix_fmt = footage.width, footage.height, "yuv420p"
        picture.codec_context.time_base = Fraction(1, FPS)
        sound = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        container.start_encoding()
        tones = _tones(footage.segment_seconds)
        for number, frame in enumerate(_numbered_frames(footage)):
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(picture.encode(frame))
            while (tone := next(tones, None)) is not None:
                container.mux(sound.encode(tone))
                if (tone.pts or 0) / _SOUND_RATE > number / FPS:
                    break
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))


def _numbered_frames(footage: Footage) -> Iterator[av.VideoFrame]:
    random = np.random.default_rng(5)
    number = 0
    while number < footage.segment_frames:
        length = round(random.uniform(*_SHOT_SECONDS) * FPS)
        shot = Shot(random, footage.width, footage.height)
        for step in range(min(length, footage.segment_frames - number)):
            planes = shot.planes(step)
            _stamp(planes, number, footage)
            yield av.VideoFrame.from_ndarray(planes, format="yuv420p")
            number += 1


def _stamp(planes: barcode.Pixels, number: int, footage: Footage) -> None:
    rows = barcode.strip_height(footage.height) // 2 * 2
    planes[:rows] = barcode.strip(number, footage.width)
    chroma = planes[footage.height :].reshape(2, footage.height // 2, footage.width // 2)
    chroma[:, : rows // 2] = 128


def _tones(seconds: int) -> Iterator[av.AudioFrame]:
    for start in range(0, seconds * _SOUND_RATE, 1024):
        at = (start + np.arange(1024, dtype=np.float32)) / _SOUND_RATE
        wave = 0.2 * np.sin(2 * np.pi * 330 * at) * np.sin(np.pi * at)
        frame = av.AudioFrame.from_ndarray(
            wave.astype(np.float32)[None], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = _SOUND_RATE, start
        frame.time_base = Fraction(1, _SOUND_RATE)
        yield frame


def repeat(segment: Path, copies: int, footage: Footage, path: Path) -> None:
    """Stream-copy a segment a number of times, one after another."""
    with av.open(str(path), "w") as target:
        with av.open(str(segment)) as source:
            streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        latest: dict[int, int] = {}
        for copy in range(copies):
            with av.open(str(segment)) as source:
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    shift = round(copy * footage.segment_seconds / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    if packet.dts <= latest.get(packet.stream_index, packet.dts - 1):
                        continue  # the sound encoder's lead-in, once more
                    latest[packet.stream_index] = packet.dts
                    packet.stream = streams[packet.stream_index]
                    target.mux(packet)


def main() -> None:
    """Render the files and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered files")
    parser.add_argument("--quick", action="store_true", help="small files")
    options = parser.parse_args()
    files = prepare(options.work, QUICK if options.quick else FULL)
    print(files.short, files.usual, files.long, sep="\n")


if __name__ == "__main__":
    main()
