"""How a parameter is declared: a dataclass field with title, help, bounds, unit; what derives from it here is checks and documentation."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from dataclasses import dataclass
from numbers import Real
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from napari_temseg.engine.types.errors import TemsegError


def setting(
    default: Any,
    title: str,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[Any, ...] | None = None,
    unit: str = "",
    advanced: bool = False,
    of_picture: bool = False,
    said_by: str = "",
) -> Any:
    """A dataclass field with what a form and a command line need to show it; bounds are inclusive.

    `of_picture` marks what is said of one picture, and means nothing for the next; `said_by` names the field in whose place people
    type this one, so that it has no control of its own.
    """
    metadata = {
        "title": title,
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "unit": unit,
        "advanced": advanced,
        "of_picture": of_picture,
        "said_by": said_by,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Checks every field against its type, bounds and choices when made; `TemsegError` names the field and what it may be."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        """The docstring lists the fields as they are declared."""
        super().__init_subclass__(**arguments)
        fields = {name: entry for name, entry in vars(cls).items() if isinstance(entry, dataclasses.Field)}
        told = [_documented(name, str(cls.__annotations__[name]), entry) for name, entry in fields.items()]
        cls.__doc__ = "\n\n".join([(cls.__doc__ or cls.__name__).strip(), *told]) + "\n"

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for entry in dataclasses.fields(self):
            object.__setattr__(self, entry.name, _checked(entry, hints[entry.name], getattr(self, entry.name)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Back from `to_dict`; names that do not exist are an error that lists those that do."""
        known = [entry.name for entry in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise TemsegError(f"{cls.__name__} has no setting “{unknown[0]}”; it has {', '.join(known)}.")
        return cls(**values)


def bounds(entry: dataclasses.Field[Any]) -> str:
    """What a number may be: "0 to 1", "at least 0", "at most 5"; "" where it is not bounded."""
    low, high = entry.metadata.get("minimum"), entry.metadata.get("maximum")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else ""


def _documented(name: str, kind: str, entry: dataclasses.Field[Any]) -> str:
    """A field for `help()`: name, type and default, then title, help, bounds and choices."""
    meta = entry.metadata
    allowed = f"one of {', '.join(map(str, meta['choices']))}" if meta.get("choices") else bounds(entry)
    notes = [f"in {meta['unit']}" if meta.get("unit") else "", allowed, "advanced" if meta.get("advanced") else ""]
    said = "; ".join(filter(None, notes))
    text = f"{meta.get('title', name)}: {meta.get('help', '').rstrip('.')}." + (f" ({said})" if said else "")
    lines = textwrap.wrap(text, 100, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
    return "\n".join([f"{name}: {kind} = {entry.default!r}", *lines])


def _checked(entry: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if isinstance(hint, UnionType) else [hint]
    kind, optional, what = kinds[0], isinstance(hint, UnionType), f"{entry.metadata.get('title', entry.name)} ({entry.name})"
    if value is None:
        if optional:
            return value
        raise TemsegError(f"{what} needs a value.")
    choices = entry.metadata.get("choices")
    if choices and value not in choices:
        raise TemsegError(f"{what} must be one of {', '.join(map(str, choices))}, not {value!r}.")
    if get_origin(kind) is tuple:
        if not isinstance(value, (tuple, list)):
            raise TemsegError(f"{what} must be a list, not {value!r}.")
        return tuple(_checked_one(entry, get_args(kind)[0], each, what) for each in value)
    return _checked_one(entry, kind, value, what)


def _checked_one(entry: dataclasses.Field[Any], kind: type, value: Any, what: str) -> Any:
    if kind in (bool, str):
        if not isinstance(value, kind):
            raise TemsegError(f"{what} must be {'true or false' if kind is bool else 'text'}, not {value!r}.")
        return value
    number: Any = value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TemsegError(f"{what} must be a number, not {value!r}.")
    low, high = entry.metadata.get("minimum"), entry.metadata.get("maximum")
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        bounds = [f"{word} {limit}" for word, limit in (("at least", low), ("at most", high)) if limit is not None]
        raise TemsegError(f"{what} must be {' and '.join(bounds) or 'a finite number'}, not {number}.")
    if kind is int and number != int(number):
        raise TemsegError(f"{what} must be a whole number, not {number}.")
    return kind(number)
