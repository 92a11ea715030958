"""The table of `tools.py`: ratios, the aims beside them, and what is missed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from side_by_side import Samples

_OTHERS = ("decord", "opencv", "pyav_recipe")


@dataclass(slots=True)
class Results:
    """What a run measured.

    Attributes:
        samples: CPU seconds by job and method.
        wrong: frames that were not those on screen, and frames asked for, by job and method.
        packets: packets between key frames and wanted frames, by job.
        peak_mb: resident memory of a fresh process after its first overview, by method.
        cuts: how many frames late each cut began and ended, and whether it has sound, by method.
    """

    samples: Samples = field(default_factory=Samples)
    wrong: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    packets: dict[str, int] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)
    cuts: dict[str, list[tuple[int | None, int | None, bool]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured ratio and its aim.

    Attributes:
        text: what was measured.
        value: None where a library is not installed.
        aim: what it should reach; None: told for information.
        at_most: the aim is an upper bound.
    """

    text: str
    value: float | None
    aim: float | None = None
    at_most: bool = False

    @property
    def missed(self) -> bool:
        """The aim is not reached."""
        if self.value is None or self.aim is None:
            return False
        return self.value > self.aim if self.at_most else self.value < self.aim

    def __str__(self) -> str:
        shown = "not measured" if self.value is None else f"{self.value:,.2f}"
        if self.aim is None:
            return f"{shown:>14}"
        bound = "<=" if self.at_most else ">="
        return (
            f"{shown:>14}  aim {bound} {round(self.aim, 3):<6g} {'MISSED' if self.missed else ''}"
        )


def report(results: Results, *, full: bool) -> int:
    """Print everything; returns 1 if an aim is missed, unless the files were not the full ones."""
    _print_seconds(results)
    _print_frames(results)
    figures = [*_against(results), *_itself(results), *clip_figures(results)]
    if not full:
        figures = [replace(figure, aim=None) for figure in figures]
    width = max(len(figure.text) for figure in figures)
    print("\nratios")
    for figure in figures:
        print(f"  {figure.text:<{width}} {figure}")
    missed = [figure.text for figure in figures if figure.missed]
    if not full:
        print("\nthe aims are for the full files: run without --quick")
        return 0
    print("".join(["\nmissed: ", *(f"\n  {text}" for text in missed or ["nothing"])]))
    return 1 if missed else 0


def _against(results: Results) -> list[Figure]:
    """Ours against the harness's structure, torchcodec exact and the best of three libraries."""
    rows: Sequence[tuple[str, str, str, tuple[float | None, ...]]] = (
        ("one exact frame, warm", "seek", "exact", (7, 1.2, 1.4)),
        ("16 frames in 10 s, exact, opened", "window", "exact", (4.5, 1.8, 3.5)),
        ("32 frames over the file, exact", "hour", "exact", (2.4, 1.2, 1.4)),
        ("32 frames over the file, auto", "hour", "auto", (35, 18, 20)),
        ("ten-call episode with files, exact", "episode", "exact", (2.8, 1.15, None)),
        ("ten-call episode with files, auto", "episode", "auto", (9, 4, None)),
    )
    figures = []
    for text, job, mode, (harness, torchcodec, best) in rows:
        ours = f"eva_graph_{mode}"
        seconds = {m: results.samples.median(job, m) for m in (ours, *_OTHERS)}
        fastest = min((m for m in _OTHERS if seconds[m]), key=lambda m: seconds[m] or 0, default="")
        for name, method, aim in (
            ("the harness's structure", "harness", harness),
            ("torchcodec exact", "torchcodec", torchcodec),
            (f"the best other ({fastest})", fastest, best),
        ):
            if aim is not None:
                ratio = results.samples.ratio(job, ours, over=(job, method))
                figures.append(Figure(text=f"{text}: x {name}", value=ratio, aim=aim))
    return figures


def _itself(results: Results) -> list[Figure]:
    """The same call again, the decode floor, memory, and the length of the file."""
    samples = results.samples
    figures = [
        Figure(
            text=f"the same call again, {what}: x the harness's structure",
            value=samples.ratio("again", kind, over=("hour", "harness")),
            aim=1000,
        )
        for what, kind in (("frame references", "references"), ("their bytes as well", "bytes"))
    ]
    for job, measured, limit in (
        ("hour", "hour", 1.2),
        ("window", "window", 1.2),
        ("window", "window, without opening", None),
        ("seek", "seek", 1.2),
    ):
        over = samples.ratio(job, "needed packets", over=(measured, "eva_graph_exact"))
        text = f"CPU over that of the packets that must be decoded, {measured}"
        figures.append(Figure(text=text, value=over, aim=limit, at_most=True))
    ours = results.peak_mb.get("eva_graph_exact")
    for name, method, aim in (
        ("the harness's structure", "harness", 1 / 3),
        ("torchcodec", "torchcodec", 1 / 4),
    ):
        theirs = results.peak_mb.get(method)
        value = ours / theirs if ours and theirs else None
        figures.append(Figure(text=f"peak memory over {name}", value=value, aim=aim, at_most=True))
    for kind, method in (("window", "eva_graph_exact"), ("overview", "eva_graph_auto")):
        value = samples.ratio(
            f"first {kind}, short file", method, (f"first {kind}, long file", method)
        )
        text = f"first {kind} of the longest file over the shortest"
        figures.append(Figure(text=text, value=value, aim=1.3, at_most=True))
    return figures


def clip_figures(results: Results) -> list[Figure]:
    """Clips against moviepy; prints where each cut began and ended."""
    for method, cuts in results.cuts.items():
        offsets = ", ".join(f"{first} and {last}" for first, last, _ in cuts)
        sound = "with sound" if all(sound for _, _, sound in cuts) else "without sound"
        print(f"  cut by {method:<18} first and last frame off by {offsets}; {sound}")
    return [
        Figure(
            text=f"{text}: x {other}",
            value=results.samples.ratio("clip", method, over=("clip", other)),
            aim=aim,
        )
        for text, method, other, aim in (
            ("clip by stream copy", "eva_graph_copy", "moviepy", 100),
            ("exact clip", "eva_graph_cut", "moviepy", 1.5),
            ("exact clip", "eva_graph_cut", "moviepy_veryfast", None),
        )
    ]


def _print_seconds(results: Results) -> None:
    print("\nCPU seconds: median (least to most)")
    for job, method, seconds, least, most in results.samples.rows():
        packets = f"  {results.packets[job]} packets" if method == "all packets" else ""
        print(f"  {job:<24} {method:<24} {seconds:9.4f} ({least:.4f} to {most:.4f}){packets}")
    print("\npeak memory in MB, one overview in a fresh process")
    for method, megabytes in sorted(results.peak_mb.items(), key=lambda item: item[1]):
        print(f"  {method:<24} {megabytes:6.0f}")


def _print_frames(results: Results) -> None:
    print("\nframes that are not the one on screen at their time (own label for eva_graph)")
    for (job, method), (wrong, asked) in results.wrong.items():
        print(f"  {job:<24} {method:<24} {wrong:5} of {asked}")
