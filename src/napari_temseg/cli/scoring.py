"""evaluate: results against a truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_temseg.cli.console import report
from napari_temseg.cli.label_inputs import add_image_option, read_drawn, shape_from
from napari_temseg.engine.types.errors import TemsegError


def add_evaluate(commands: Any) -> argparse.ArgumentParser:
    """`temseg evaluate`."""
    parser: argparse.ArgumentParser = commands.add_parser("evaluate", help="score particles against true ones")
    parser.add_argument(
        "results", nargs="+", metavar="RESULT", help="label images or ROI sets that were found, each scored against the same truth"
    )
    parser.add_argument(
        "truth",
        metavar="TRUTH",
        help="label image that is right (0 background, each other number one particle), ROI set of ImageJ, or its measurement table "
        "(.csv), whose sizes are compared",
    )
    add_image_option(parser)
    parser.set_defaults(function=evaluate)
    return parser


def evaluate(args: argparse.Namespace) -> int:
    """Print the scores of one result, or of several side by side."""
    from napari_temseg import api
    from napari_temseg.pipeline.inputs import unique_names

    shape = shape_from([*args.results, args.truth], args.image)
    if args.truth.lower().endswith(".csv"):
        scores = [_sizes_against(path, args.truth, shape) for path in args.results]
    else:
        truth = read_drawn(args.truth, shape)
        scores = [api.evaluate(read_drawn(path, shape), truth).to_dict() for path in args.results]
    names = unique_names([Path(path) for path in args.results])
    widths = [max(12, len(name)) for name in names]
    lines = [
        f"{name:<24}" + "  ".join(f"{_figure(score[name]):>{width}}" for score, width in zip(scores, widths, strict=True))
        for name in scores[0]
    ]
    if len(scores) > 1:
        lines.insert(0, " " * 24 + "  ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)))
    else:
        lines = [f"{name:<24}{_figure(value)}" for name, value in scores[0].items()]
    report(args, "\n".join(lines), scores[0] if len(scores) == 1 else dict(zip(args.results, scores, strict=True)))
    return 0


def _sizes_against(path: str, table: str, shape: tuple[int, ...] | None) -> dict[str, float | int | None]:
    """Number and sizes of a result (labels, ROIs or a table) against those of a measurement table."""
    from napari_temseg import api
    from napari_temseg.engine.particles.evaluation import diameter_errors
    from napari_temseg.files.imagej_tables import read_diameters
    from napari_temseg.files.rois import is_roi_set
    from napari_temseg.files.tables import read_calibration

    true, unit = read_diameters(table)
    if path.lower().endswith(".csv"):
        found, found_unit = read_diameters(path)
    else:
        calibration = None if is_roi_set(path) else read_calibration(path)
        sized = calibration is not None and calibration.pixel_size is not None
        measured = api.measure(read_drawn(path, shape), pixel_size=calibration.scale if sized and calibration else None)
        found, found_unit = measured.table[measured.column("ecd")].to_numpy(float), measured.length_unit
    if unit and found_unit and unit != found_unit:
        raise TemsegError(f"{path}: its sizes are in {found_unit}, those of {table} in {unit}; calibrate both, or neither.")
    return diameter_errors(found, true)


def _figure(value: float | int | None) -> str:
    return "–" if value is None else format(value, "d" if isinstance(value, int) else ".4f")
