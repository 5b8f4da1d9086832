"""Command-line options that derive from the config dataclasses, and those that several subcommands share."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, get_args, get_type_hints

from napari_temseg.engine.types.config import BOTH, size_fields
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.setting import Config

if TYPE_CHECKING:
    from napari_temseg.engine.types.micrograph import Calibration

C = TypeVar("C", bound=Config)
AXES_NAMES = ("fields", "time", "depth")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other bad request does."""

    def error(self, message: str) -> NoReturn:
        """Raise `TemsegError` instead of printing the usage and leaving."""
        raise TemsegError(f"{message.removesuffix('.')}; see “{self.prog} --help”.")


def add_config_options(parser: argparse.ArgumentParser, config: type[Config], without: Collection[str] = ()) -> None:
    """An option a field: `max_seconds` becomes `--max-seconds`, a bool also `--no-…`. Nothing is set where nothing is given.

    `without` are fields that mean nothing to the command.
    """
    groups = {
        False: parser.add_argument_group(_heading(config)),
        True: parser.add_argument_group(f"{_heading(config)}, advanced"),
    }
    hints = get_type_hints(config)
    for entry in dataclasses.fields(config):
        if entry.metadata.get("said_by") or entry.name in without:
            continue
        groups[bool(entry.metadata.get("advanced"))].add_argument(
            f"--{entry.name.replace('_', '-')}",
            dest=entry.name,
            default=argparse.SUPPRESS,
            help=_help(entry),
            **_kind(entry, hints[entry.name]),
        )


def config_from(args: argparse.Namespace, config: type[C], base: C | None = None) -> C:
    """The config that `args` ask for; what was not given is as in `base` or the default. `TemsegError` names what is out of bounds."""
    given = {entry.name: getattr(args, entry.name) for entry in dataclasses.fields(config) if hasattr(args, entry.name)}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    for name in [name for name, value in given.items() if isinstance(value, TypedSize)]:
        told, known = given.pop(name).fields, {entry.name for entry in dataclasses.fields(config)}
        if any(value for field, value in told.items() if field not in known):
            raise TemsegError("A model is trained for one size: give one --typical-size.")
        given |= {field: value for field, value in told.items() if field in known}
    return dataclasses.replace(base or config(), **given)


@dataclasses.dataclass(frozen=True)
class TypedSize:
    """A size as it was typed, by the fields that it sets."""

    fields: dict[str, Any]


def typical_size(text: str) -> TypedSize:
    """What is typed for `--typical-size`: a number of px, with or without the unit, a length such as "12 nm", two sizes, or "both"."""
    from napari_temseg.engine.types.units import typed_sizes

    if text.strip().lower() == BOTH:
        return TypedSize(size_fields(both=True))
    try:
        return TypedSize(size_fields(typed_sizes(text)))
    except TemsegError as error:  # argparse would swallow the sentence of a ValueError
        raise argparse.ArgumentTypeError(str(error)) from error


def _heading(config: type[Config]) -> str:
    return (config.__doc__ or config.__name__).strip().splitlines()[0].rstrip(".")


def _help(entry: dataclasses.Field[Any]) -> str:
    meta = entry.metadata
    low, high, unit = meta.get("minimum"), meta.get("maximum"), meta.get("unit")
    bounds = f"{low:g}–{high:g}" if low is not None and high is not None else f"at least {low:g}" if low is not None else ""
    shown = " ".join(map(str, entry.default)) if isinstance(entry.default, tuple) else entry.default
    notes = [f"in {unit}" if unit else "", bounds, "" if shown is None else f"default {shown}"]
    return f"{meta.get('help', '')} ({', '.join(filter(None, notes))})".replace(" ()", "").replace("%", "%%")


def _kind(entry: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    """What argparse needs to know of a field: bool, choice, number, text, or several of one kind."""
    kinds = [kind for kind in get_args(hint) if kind not in (type(None), Ellipsis)] or [hint]
    metavar = str(entry.metadata.get("unit") or "VALUE").upper().replace("%", "%%")
    if entry.name == "typical_size":
        return {"type": typical_size, "metavar": "SIZE"}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if entry.metadata.get("choices"):
        return {"choices": entry.metadata["choices"]}
    several = next((kind for kind in [hint, *kinds] if getattr(kind, "__origin__", None) is tuple), None)
    if several is not None:
        return {"nargs": "+", "type": get_args(several)[0], "metavar": metavar}
    return {"type": kinds[0], "metavar": metavar}


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """`--pixel-size` and `--axes`: what a file may not say of itself."""
    parser.add_argument(
        "--pixel-size",
        metavar="SIZE",
        type=pixel_size,
        help='size of a pixel: "0.21 nm", "0.50 ± 0.01 nm"; replaces what the file says',
    )
    parser.add_argument(
        "--factor",
        metavar="F",
        default="",
        help='with --pixel-size: what a calibration standard says that it is to be multiplied by: "1.02", "1.02 ± 0.003"',
    )
    parser.add_argument("--standard", metavar="NAME", default="", help="with --factor: the standard, such as “gold on carbon”")
    parser.add_argument("--standard-date", metavar="DATE", default="", help="with --factor: when it was measured")
    parser.add_argument(
        "--axes", choices=AXES_NAMES, default="", help="what the pages of a stack are: fields of one sample, time, or depth of one specimen"
    )


def add_matter_options(parser: argparse.ArgumentParser) -> None:
    """`--density` and `--molar-mass`: what the particles are made of."""
    parser.add_argument("--density", type=float, metavar="G/CM3", help="of the particles: the report tells their surface per mass, in m²/g")
    parser.add_argument(
        "--molar-mass",
        type=float,
        metavar="G/MOL",
        help="of a face-centred cubic metal, with --density: the report tells its dispersion, the share of atoms at the surface",
    )


def add_calibrations_option(parser: argparse.ArgumentParser) -> None:
    """`--calibrations`: the laboratory's table."""
    parser.add_argument(
        "--calibrations",
        metavar="FILE.csv",
        help="the laboratory's table of calibrations to correct pixel sizes by (default your own, see “temseg calibrations”; none: none)",
    )


def add_series_option(parser: argparse.ArgumentParser) -> None:
    """`--series`: which of several pictures in a file."""
    parser.add_argument(
        "--series",
        metavar="NAME",
        default="",
        help="which picture of a file that holds several, such as HAADF (default the first that can be measured)",
    )


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """`--model`: a shipped name or a file."""
    parser.add_argument(
        "-m", "--model", default="particles", help="a model that ships (see “temseg models”) or a .temseg file (default particles)"
    )


def pixel_size(text: str) -> Calibration:
    """What is typed for `--pixel-size`."""
    from napari_temseg.engine.types.micrograph import Calibration

    try:
        return Calibration.typed(text)
    except TemsegError as error:  # argparse would swallow the sentence of a ValueError
        raise argparse.ArgumentTypeError(str(error)) from error


def by_standard(args: argparse.Namespace) -> None:
    """Put what is said of a standard on the pixel size that is typed; `TemsegError` where none is."""
    told = [getattr(args, name, "") for name in ("factor", "standard", "standard_date")]
    if not any(isinstance(each, str) and each for each in told) or not hasattr(args, "pixel_size"):
        return  # `temseg calibrations` has a factor of its own
    if args.pixel_size is None or args.pixel_size.pixel_size is None:
        raise TemsegError("--factor, --standard and --standard-date go with --pixel-size: give the size that the factor corrects.")
    args.pixel_size = args.pixel_size.by_standard(*told)


def folder(text: str) -> Path:
    """An output folder: made when needed, refused when it is a file."""
    if Path(text).exists() and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file; name a folder to write to")
    return Path(text)


def file(text: str) -> Path:
    """An output file: refused when it is a folder."""
    if Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file to write to")
    return Path(text)
