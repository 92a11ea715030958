"""Tool arguments as a policy writes them: types, and one line that says what is wrong with them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails

from eva_graph_tools.errors import InvalidArguments
from eva_graph_tools.timecode import format_seconds, parse_time

_CLOCK_PATTERN = r"^(\d+:)?\d+:\d{2}(\.\d+)?$"
_EDGE_TOLERANCE_SECONDS = 1e-3
_MAX_PROBLEMS = 5
_MOST_WRITTEN_SECONDS = 1e15


class ToolArguments(BaseModel):
    """Base of every tool's arguments: immutable, finite numbers, unknown names are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    forms: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Sets of arguments of which exactly one is given, whole; empty where all go together."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        names = {name for form in self.forms for name in form}
        given = {name for name in names if getattr(self, name) is not None}
        if self.forms and given not in [set(form) for form in self.forms]:
            raise ValueError(f"give {_either(self.forms)}")
        return self


A = TypeVar("A", bound=ToolArguments)


def _read_time(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0:
        return float(value)  # clamped to the start of the video later, and reported
    return parse_time(value)  # type: ignore[arg-type]  # any other type is its ValueError


def _none_is_one(value: object) -> object:
    return 1.0 if value is None else value


Time = Annotated[
    float,
    BeforeValidator(_read_time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": _CLOCK_PATTERN},
            ]
        }
    ),
]
"""Seconds, or "[HH:]MM:SS[.mmm]"."""

Resize = Annotated[
    float,
    BeforeValidator(_none_is_one),
    Field(
        gt=0,
        description="Scale factor on both sides of the picture; 1.0 is full detail, "
        "0.5 costs a quarter of the visual tokens.",
    ),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
"""Scale factor on both sides; null counts as 1.0."""


def read_arguments(model: type[A], tool_name: str, raw: object) -> A:
    """Validate what a policy wrote.

    Raises:
        InvalidArguments: one line naming the first problems and the arguments the tool takes.
    """
    if not isinstance(raw, Mapping):
        raise InvalidArguments(f"{tool_name}: arguments must be an object. {_known(model)}")
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        found = error.errors()
        problems = [_problem(item) for item in found[:_MAX_PROBLEMS]]
        if len(found) > _MAX_PROBLEMS:
            problems.append(f"{len(found) - _MAX_PROBLEMS} more")
        raise InvalidArguments(f"{tool_name}: {'; '.join(problems)}. {_known(model)}") from None


def clamp_time(name: str, seconds: float, duration_seconds: float) -> tuple[float, list[str]]:
    """The nearest time within the video, and a note where that is another one."""
    clamped = min(max(seconds, 0.0), duration_seconds)
    if abs(clamped - seconds) <= _EDGE_TOLERANCE_SECONDS:
        return clamped, []
    return clamped, [f"{name} {_written(seconds)} was clamped to {format_seconds(clamped)}"]


def _written(seconds: float) -> str:
    return format_seconds(seconds) if abs(seconds) < _MOST_WRITTEN_SECONDS else f"{seconds:g}"


def clamp_range(
    tool_name: str, start: float, end: float, duration_seconds: float, *, instant: bool = False
) -> tuple[float, float, list[str]]:
    """Start and end held to the video, and notes on what was moved.

    Raises:
        InvalidArguments: the range is outside the video, reversed or, unless an `instant` will
            do, empty.
    """
    held_start, start_notes = clamp_time("start_time", start, duration_seconds)
    held_end, end_notes = clamp_time("end_time", end, duration_seconds)
    asked = f"{_written(start)} to {_written(end)}"
    if end < 0 or (start_notes and held_start == duration_seconds):
        raise InvalidArguments(
            f"{tool_name}: the range {asked} is outside the video, which has "
            f"{format_seconds(duration_seconds)} seconds"
        )
    if held_end < held_start or (held_end == held_start and not instant):
        raise InvalidArguments(
            f"{tool_name}: end_time must be after start_time, the range is {asked}"
        )
    return held_start, held_end, [*start_notes, *end_notes]


def clamp_nframes(nframes: int, frame_count: int) -> tuple[int, list[str]]:
    """At most as many frames as the video has, and a note where that is fewer than asked for."""
    if nframes <= frame_count:
        return nframes, []
    return frame_count, [f"nframes was clamped to {frame_count}, all frames of the video"]


def clamp_resize(resize: float) -> tuple[float, list[str]]:
    """At most 1.0, the video's own detail, and a note where that is less than asked for."""
    if resize <= 1.0:
        return resize, []
    return 1.0, [f"resize {resize:g} was clamped to 1, the video's full detail"]


def _problem(item: ErrorDetails) -> str:
    name = ".".join(str(part) for part in item["loc"])[:80]
    if item["type"] == "missing":
        return f"{name} is missing"
    if item["type"] == "extra_forbidden":
        return f"{name} is not an argument of this tool"
    text = item["msg"].removeprefix("Value error, ")
    if not name:
        return text
    return f"{name}: {text[0].lower() + text[1:] if text.startswith('Input') else text}"


def _known(model: type[ToolArguments]) -> str:
    formed = {name for form in model.forms for name in form}
    names = [_either(model.forms)] if model.forms else []
    names += [
        name if field.is_required() else f"{name} (optional)"
        for name, field in model.model_fields.items()
        if name not in formed
    ]
    return f"Arguments: {', '.join(names)}"


def _either(forms: Iterable[Sequence[str]]) -> str:
    return "either " + " or ".join(" + ".join(form) for form in forms)


def json_schema(model: type[ToolArguments]) -> dict[str, Any]:
    """JSON schema of the arguments without pydantic's titles, for native tool calls.

    An argument of a form is simply left out where another form is used: it is never null.
    """
    schema = model.model_json_schema()
    for name, field in schema["properties"].items():
        field.pop("title", None)
        if "default" in field and field["default"] is None:
            schema["properties"][name] = _without_null(field)
    return {
        "type": "object",
        "properties": schema["properties"],
        "required": schema.get("required", []),
        "additionalProperties": False,
    }


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest} if kinds else rest
