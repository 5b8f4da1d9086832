"""calibrations: the laboratory's own table of what standards told, listed, added to, shared."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.cli.console import report
from napari_temseg.engine.types.errors import TemsegError

if TYPE_CHECKING:
    from napari_temseg.files.laboratory import CalibrationRow

ACTIONS = ("list", "add", "remove", "import", "export")


def add_calibrations(commands: Any) -> argparse.ArgumentParser:
    """`temseg calibrations`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrations",
        help="factors of the laboratory's own calibration standards, by instrument, mode, magnification, kV and camera",
        description="Each row corrects the pixel size of every file that says what the row says (see “temseg info FILE”). "
        "list; add with the options below; remove NUMBER; import FILE.csv, after which those rows are there too; export FILE.csv.",
    )
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list")
    parser.add_argument("what", nargs="?", metavar="FILE.csv|NUMBER", help="of import and export the file, of remove the row's number")
    for name in ("instrument", "mode", "camera"):
        parser.add_argument(f"--{name}", default="", help=f"{name} as “temseg info FILE” gives it; without, any")
    parser.add_argument("--magnification", type=float, default=0.0, metavar="TIMES", help="without, any")
    parser.add_argument("--kv", type=float, default=0.0, metavar="KV", help="high tension; without, any")
    parser.add_argument("--factor", type=float, metavar="F", help="true length over length as read; along x where --factor-y differs")
    parser.add_argument("--factor-y", type=float, metavar="F", help="the same along y (default as --factor)")
    parser.add_argument(
        "--uncertainty", default="0", metavar="PERCENT", help='relative standard uncertainty of the factor, such as "0.5 %%"'
    )
    parser.add_argument("--standard", default="", help="what was measured, such as “cross grating 2160 lines/mm”")
    parser.add_argument("--date", default="", metavar="YYYY-MM-DD", help="when")
    parser.set_defaults(function=calibrations)
    return parser


def calibrations(args: argparse.Namespace) -> int:
    """Show or change the user's table."""
    from napari_temseg.files.laboratory import own_rows, own_table, read_table, write_table

    rows = own_rows()
    if args.action == "export":
        write_table(_file(args), rows)
        report(args, f"{args.what}: {_count(rows)}", {"file": args.what, "rows": len(rows)})
        return 0
    if args.action == "add":
        rows = [*rows, _row(args)]
    elif args.action == "remove":
        rows = _without(rows, str(args.what or ""))
    elif args.action == "import":
        rows = list(dict.fromkeys([*rows, *read_table(_file(args))]))
    if args.action != "list":
        write_table(own_table(), rows)
    lines = [f"{number}  {row.describe()}" for number, row in enumerate(rows, start=1)]
    text = "\n".join([*lines, f"{_count(rows)} in {own_table()}"])
    report(args, text, {"file": own_table(), "calibrations": [asdict(row) for row in rows]})
    return 0


def _count(rows: list[CalibrationRow]) -> str:
    return f"{len(rows)} calibration{'' if len(rows) == 1 else 's'}"


def _file(args: argparse.Namespace) -> Path:
    if not args.what:
        raise TemsegError(f"name a CSV file: temseg calibrations {args.action} FILE.csv.")
    return Path(args.what)


def _row(args: argparse.Namespace) -> CalibrationRow:
    from napari_temseg.files.laboratory import CalibrationRow

    if args.factor is None:
        raise TemsegError("give the factor: temseg calibrations add --factor 1.012 with what it is for, such as --magnification 320000.")
    try:
        uncertainty = float(args.uncertainty.removesuffix("%")) / 100
    except ValueError as error:
        raise TemsegError(f"“{args.uncertainty}” is no uncertainty in percent; write it as “0.5 %”.") from error
    factor_y = args.factor if args.factor_y is None else args.factor_y
    taken = (args.instrument, args.mode, args.magnification, args.kv, args.camera)
    return CalibrationRow(*taken, args.factor, factor_y, uncertainty, args.standard, args.date)


def _without(rows: list[CalibrationRow], number: str) -> list[CalibrationRow]:
    if not number.isdecimal() or not 1 <= int(number) <= len(rows):
        raise TemsegError(f"there is no calibration “{number}”; “temseg calibrations” lists them with their numbers.")
    return rows[: int(number) - 1] + rows[int(number) :]
