"""One call of the harness's frame tool, in its structure: a Python process, decord, PNG files.

    python harness_call.py VIDEO START END NFRAMES RESIZE FOLDER

Written from the published description of the EVA evaluation harness: the nearest frame by average
frame rate, bicubic resizing to multiples of 28, one PNG file per frame. It prints nothing; frames
are named by their place in the look.
"""

import sys
from pathlib import Path

import cv2
import decord  # type: ignore[import-not-found]
from looks import Look


def main() -> None:
    """Decode the frames of one look and write them."""
    video, start, end, nframes, resize, folder = sys.argv[1:]
    look = Look(
        start_seconds=float(start),
        end_seconds=float(end),
        nframes=int(nframes),
        resize=float(resize),
    )
    reader = decord.VideoReader(video, ctx=decord.cpu(0))
    fps, count = reader.get_avg_fps(), len(reader)
    picked = [max(0, min(round(t * fps), count - 1)) for t in look.times_seconds()]
    frames = reader.get_batch(picked).asnumpy()
    size = look.size(frames.shape[2], frames.shape[1])
    for place, frame in enumerate(frames):
        resized = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
        path = Path(folder) / f"{place:04}.png"
        cv2.imwrite(str(path), cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
