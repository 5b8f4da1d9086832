"""run, predict, split, measure: from micrographs to numbers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_temseg.cli.console import complain, drive, report, starting
from napari_temseg.cli.label_inputs import add_image_option, add_imagej_option, read_drawn, write_for_imagej
from napari_temseg.cli.many_pictures import add_many_pictures_options, many_pictures
from napari_temseg.cli.options import (
    add_calibrations_option,
    add_config_options,
    add_matter_options,
    add_model_option,
    add_reading_options,
    add_series_option,
    config_from,
    file,
    folder,
    pixel_size,
)
from napari_temseg.engine.types.config import PredictConfig, SplitConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import FEWEST, TABLES, d50_words, four, one_size_alone, several, sizes_asked, unlike_training

if TYPE_CHECKING:
    from napari_temseg.engine.types.micrograph import Calibration, Micrograph
    from napari_temseg.pipeline.recipe import Recipe
    from napari_temseg.pipeline.run_result import RunResult

MOST_LINES = 40  # pictures that a terminal tells one by one


def add_run(commands: Any) -> argparse.ArgumentParser:
    """`temseg run`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="find, split, measure and report the particles of micrographs and folders",
        description="Find, split, measure and report the particles of micrographs and folders. Beside report.html, particles.csv and "
        "summary.json it writes audit.html, from 20 particles on and where all pictures are in nm, or all in px: particles and fields to "
        "be judged by eye, whose answers “temseg audit” takes into the report.",
    )
    parser.add_argument(
        "inputs", nargs="*", metavar="IMAGE|FOLDER", help="micrographs (DM3, DM4, EMD, SER, EMI, MRC, TIFF, PNG, JPEG) and folders of them"
    )
    parser.add_argument("-o", "--output", required=True, type=folder, metavar="DIR", help="folder for tables, label images and report")
    parser.add_argument("-m", "--model", help="a model that ships (see “temseg models”) or a .temseg file (default particles)")
    parser.add_argument("--recipe", metavar="R.json", help="replay the recipe of an earlier run; other options change it")
    add_reading_options(parser)
    add_calibrations_option(parser)
    add_series_option(parser)
    parser.add_argument(
        "--recovery",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="tell the detection limit: put particles of known size into each picture and look for them (default: in large pictures, where "
        "it costs little)",
    )
    parser.add_argument(
        "--manifest",
        metavar="FILE.csv",
        help="a line for each picture: file, sample, grid (or preparation), pixel_size, uncertainty, factor, standard, date, size, "
        "polarity; the pictures that it names are taken where none is named otherwise",
    )
    parser.add_argument("--recursive", action="store_true", help="search the sub-folders of folders too")
    parser.add_argument(
        "--mask-overlays",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="leave out of finding and of the frame all that seems burnt in: scale bars, letters, data bars; --no-…: nothing "
        "(default: where a bar is certain, letters in the corners, and the same data bar in every picture of a camera)",
    )
    parser.add_argument(
        "--count-twice", action="store_true", help="count a field that two pictures show (two formats, detectors, magnifications) twice"
    )
    add_many_pictures_options(parser)
    add_matter_options(parser)
    add_imagej_option(parser, "STEM_rois.zip, the outlines as a ROI set, and STEM_results.csv, a measurement table")
    parser.add_argument(
        "--table",
        choices=TABLES,
        help="csv: particles.csv (default); semicolons: the same for an Excel with decimal commas; xlsx: particles.xlsx beside it",
    )
    add_config_options(parser, PredictConfig)
    add_config_options(parser, SplitConfig)
    parser.set_defaults(function=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run a model over everything named; 1 when some of it could not be used."""
    recipe = _recipe(args)
    if not recipe.inputs:
        raise TemsegError("no micrograph is named: give files or folders, or a recipe that names them; see “temseg run --help”.")
    starting()
    from napari_temseg.pipeline.run import iter_run
    from napari_temseg.pipeline.summary import stopped_sentence

    job = iter_run(
        list(recipe.inputs),
        args.output,
        **{entry.name: getattr(recipe, entry.name) for entry in fields(recipe) if entry.name not in ("model_hash", "inputs")},
        expected=recipe,
        recursive=args.recursive,
        **many_pictures(args),
    )
    result, interrupted = drive(job)
    from napari_temseg.pipeline.summary import reading_notes

    for sentence in (*result.notes, *reading_notes(result.items), *result.failures.values()):
        complain(sentence)
    if result.trouble:
        complain(result.trouble)
    elif result.stopped or (interrupted and not args.watch):
        total = len(result.items) + len(result.missing)
        complain(f"stopped. {stopped_sentence(len(result.items), total, result.missing)}")
    report(args, run_text(result), {**result.summary, "files": result.files, "stopped": result.stopped, "notes": result.notes})
    return 1 if result.failures or result.stopped or (interrupted and not args.watch) else 0


def _recipe(args: argparse.Namespace) -> Recipe:
    from napari_temseg.files.laboratory import rows_from
    from napari_temseg.files.manifest import read_manifest
    from napari_temseg.pipeline.recipe import Recipe, read_recipe

    recipe = read_recipe(args.recipe) if args.recipe else Recipe()
    if args.manifest:
        rows = read_manifest(args.manifest)
        recipe = replace(recipe, manifest=rows, inputs={row.file: "" for row in rows})
    if args.inputs:
        recipe = replace(recipe, inputs={Path(path): "" for path in args.inputs})
    if args.model:
        recipe = replace(recipe, model=args.model, model_hash="")
    return replace(
        recipe,
        calibration=args.pixel_size or recipe.calibration,
        calibrations=tuple(rows_from(args.calibrations)) if args.calibrations else recipe.calibrations,
        axes=args.axes or recipe.axes,
        series=args.series or recipe.series,
        mask_overlays=recipe.mask_overlays if args.mask_overlays is None else args.mask_overlays,
        imagej=args.imagej or recipe.imagej,
        count_twice=args.count_twice or recipe.count_twice,
        table=args.table or recipe.table,
        recovery=recipe.recovery if args.recovery is None else args.recovery,
        density=recipe.density if args.density is None else args.density,
        molar_mass=recipe.molar_mass if args.molar_mass is None else args.molar_mass,
        predict=config_from(args, PredictConfig, recipe.predict),
        split=config_from(args, SplitConfig, recipe.split),
    )


def run_text(result: RunResult) -> str:
    """The result of a run in a few lines."""
    from napari_temseg.pipeline.samples.summaries import comparison_line, sample_line
    from napari_temseg.pipeline.summary import reading_notes

    shown = result.items if len(result.items) <= MOST_LINES else result.items[: MOST_LINES // 2]
    lines = [f"{item.name}: {several(len(item.measurement), 'particle')} · {item.measurement.calibration.describe()}" for item in shown]
    lines += [f"… and {len(result.items) - len(shown)} more, each in the report."] if len(shown) < len(result.items) else []
    told = result.told or result.summary
    lines += [size_line(summary) for summary in told["distributions"].values()]
    lines += [shares_line(each) for each in told["populations"].values()]
    lines += [*map(sample_line, told["samples"]), *map(comparison_line, told["sample_comparisons"])]
    said = reading_notes(result.items)  # to standard error, also for those who read JSON
    lines += [f"Note: {sentence}" for sentence in told["cautions"] if sentence not in said]
    report = result.output / "report.html"
    return "\n".join([*lines, *([f"Report: {report}"] if report in result.files else [])])


def shares_line(populations: Sequence[dict[str, Any]]) -> str:
    """What share of number, area and volume each of two populations is."""
    told = [
        f"{each['population']} {', '.join(f'{share:.1%} by {what}' for what, share in each['shares'].items() if share is not None)}"
        for each in populations
        if each["n"]
    ]
    return f"Of both populations: {'; '.join(told)}."


def size_line(summary: dict[str, Any]) -> str:
    """Mean and D50 of a distribution with their unit, and what the interval that is given is about; no D50 of a few particles."""
    if summary["mean"] is None:
        which = f"{summary['population']} " if summary.get("population") else ""
        return f"No {which}particle to take a size from."
    which = f" of the {summary['population']} particles" if summary.get("population") else ""
    head = f"Equivalent circular diameter{which}, N = {summary['n']}"
    if summary["n"] < FEWEST:
        return f"{head}: too few for a D50 ({FEWEST} at least); mean {four(summary['mean'])} {summary['unit']}"
    d50 = f"D50 {d50_words(summary)}"
    verdict = "" if summary["usable"] else "; not usable as it is (see the notes)"
    return f"{head}: mean {four(summary['mean'])} {summary['unit']}, {d50}{verdict}"


def add_predict(commands: Any) -> argparse.ArgumentParser:
    """`temseg predict`."""
    parser: argparse.ArgumentParser = commands.add_parser("predict", help="class images of micrographs")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument(
        "-o", "--output", required=True, type=folder, metavar="DIR", help="folder for STEM_classes.tif (1 background, 2 and more: classes)"
    )
    parser.add_argument(
        "--probability",
        action="store_true",
        help="also write STEM_probability.tif (of two sizes STEM_small_…, STEM_large_…), which “temseg split” splits better than classes",
    )
    add_model_option(parser)
    add_reading_options(parser)
    add_series_option(parser)
    add_config_options(parser, PredictConfig)
    parser.set_defaults(function=predict)
    return parser


def predict(args: argparse.Namespace) -> int:
    """Predict each image; 1 when some could not be."""
    config = config_from(args, PredictConfig)
    from napari_temseg.api import iter_predict, load
    from napari_temseg.engine.types.populations import of_each_size
    from napari_temseg.files.tables import write_labels_tiff, write_probability_tiff
    from napari_temseg.pipeline.summary import ADVICE_FOR_COMMANDS

    model = load(args.model)

    def one(path: Path, name: str) -> tuple[str, list[Path]]:
        image = _read(path, args)
        prediction, _ = drive(iter_predict(model, image, config), keep=False)
        files = [args.output / f"{name}_classes.tif"]
        write_labels_tiff(files[0], prediction.all_classes(), image.calibration, image.axes, "classes")
        if args.probability:
            for population, each in of_each_size(prediction).items():
                files.append(args.output / f"{'_'.join(filter(None, (name, population)))}_probability.tif")
                write_probability_tiff(files[-1], each)
        strange = [reason for reason in prediction.unlike if reason]
        if strange:
            complain(f"{unlike_training(str(path), strange, image.n_planes)}: look at what it finds, or train it on a few strokes.")
        if prediction.alone:
            complain(one_size_alone(str(path), prediction.size, image.calibration.nanometres))
        if prediction.candidates:
            complain(sizes_asked(str(path), prediction.candidates, image.calibration.nanometres, ADVICE_FOR_COMMANDS["size"]))
        share = float((prediction.all_classes() > 1).mean())
        return f"{files[0]}: {share:.1%} of the pixels are particles", files

    return _each(args, args.images, one)


def add_split(commands: Any) -> argparse.ArgumentParser:
    """`temseg split`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "split", help="separate touching particles in class images, masks or probabilities"
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE", help="STEM_probability.tif or STEM_classes.tif of “temseg predict”, or a mask from elsewhere"
    )
    parser.add_argument("-o", "--output", required=True, type=folder, metavar="DIR", help="folder for STEM_particles.tif")
    parser.add_argument(
        "--labels-mean",
        choices=("classes", "mask"),
        default="",
        help="classes: 1 background, 2 and more classes; mask: 0 background, anything else particle (default classes, unless it looks like "
        "particles that are told apart)",
    )
    add_reading_options(parser)
    add_imagej_option(parser, "STEM_rois.zip, the outlines as a ROI set")
    add_config_options(parser, SplitConfig, without=("edge",))
    parser.set_defaults(function=split)
    return parser


def split(args: argparse.Namespace) -> int:
    """Split each file; 1 when some could not be."""
    config = config_from(args, SplitConfig)
    from napari_temseg import api
    from napari_temseg.files.tables import read_prediction, write_labels_tiff

    def one(path: Path, name: str) -> tuple[str, list[Path]]:
        prediction = read_prediction(path, axes=args.axes, meaning=args.labels_mean)
        particles = api.split(prediction, config)
        stem = name.removesuffix("_classes").removesuffix("_probability")
        target = args.output / f"{stem}_particles.tif"
        image = prediction.micrograph
        write_labels_tiff(target, particles.labels, args.pixel_size or image.calibration, image.axes, "particles")
        more = write_for_imagej(args.output, stem, particles.labels) if args.imagej else []
        return f"{target}: {several(len(particles), 'particle')}", [target, *more]

    return _each(args, args.inputs, one)


def add_measure(commands: Any) -> argparse.ArgumentParser:
    """`temseg measure`."""
    parser: argparse.ArgumentParser = commands.add_parser("measure", help="a table of the particles in label images")
    parser.add_argument(
        "labels", nargs="+", metavar="PARTICLES", help="label images (TIFF, PNG): 0 background, each other number one particle; or ROI sets"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=file, metavar="TABLE", help="the table to write, TABLE.csv or TABLE.xlsx (Excel)"
    )
    parser.add_argument(
        "--semicolons", action="store_true", help="CSV for an Excel with decimal commas: semicolons between columns, byte order mark"
    )
    add_image_option(parser)
    add_imagej_option(parser, "beside the table NAME_rois.zip, the outlines as a ROI set, and NAME_results.csv, a measurement table")
    parser.add_argument(
        "--pixel-size",
        metavar="SIZE",
        type=pixel_size,
        help='size of a pixel: "0.21 nm", "0.50 ± 0.01 nm"; replaces what the file says',
    )
    parser.add_argument("--labels-per-plane", action="store_true", help="the numbers of a stack start anew in each plane")
    parser.set_defaults(function=measure)
    return parser


def measure(args: argparse.Namespace) -> int:
    """Measure label images into one table."""
    from napari_temseg import api
    from napari_temseg.engine.measure.calibrated import in_shown_unit
    from napari_temseg.engine.measure.pooling import in_pieces
    from napari_temseg.engine.types.label_images import is_mask
    from napari_temseg.files.rois import is_roi_set
    from napari_temseg.files.tables import read_calibration, write_particles
    from napari_temseg.pipeline.inputs import unique_names
    from napari_temseg.pipeline.summary import distributions

    measured, files = [], [args.output]
    image = api.read(args.image) if args.image else None
    for path, name in zip(map(Path, args.labels), unique_names([Path(p) for p in args.labels]), strict=True):
        drawn = is_roi_set(path)
        labels = read_drawn(path, None if image is None else tuple(image.data.shape))
        if not drawn and is_mask(labels):
            raise TemsegError(
                f"{path}: holds one number for pieces apart from each other, as a mask does, not a number for each particle; number them "
                "first (temseg split --labels-mean mask, or in ImageJ Analyze Particles ▸ Count Masks)."
            )
        calibration = args.pixel_size or (_of(image) if drawn else read_calibration(path))
        scale = None if calibration.pixel_size is None else calibration.scale
        try:
            one = api.measure(labels, pixel_size=scale, labels_per_plane=args.labels_per_plane)
        except TemsegError as error:  # of an array, which has no name
            raise TemsegError(str(error).replace("labels:", f"{path}:", 1)) from error
        measured.append(replace(one, image=name, calibration=calibration, table=one.table.assign(image=name)))
        files += write_for_imagej(args.output.parent, name, labels, measured[-1]) if args.imagej else []
        if in_pieces(measured[-1]):
            complain(in_pieces(measured[-1]))
    write_particles(args.output, [one.table for one in measured], semicolons=args.semicolons)
    summaries = {unit: sizes.summary() for unit, sizes in distributions(measured).items()}
    shown = [sizes.summary() for sizes in distributions(in_shown_unit(measured)).values()]
    text = [f"{one.image}: {several(len(one), 'particle')} · {one.calibration.describe()}" for one in measured]
    report(
        args,
        "\n".join([*text, *map(size_line, shown), f"Table: {args.output}"]),
        {"file": args.output, "files": files, "distributions": summaries},
    )
    return 0


def _of(image: Micrograph | None) -> Calibration:
    from napari_temseg.engine.types.micrograph import Calibration

    return Calibration() if image is None else image.calibration


def _read(path: Path, args: argparse.Namespace) -> Micrograph:
    from napari_temseg.api import read

    image = read(path, axes=args.axes, series=args.series)
    return image.with_calibration(args.pixel_size) if args.pixel_size else image


def _each(args: argparse.Namespace, inputs: Sequence[str], one: Callable[[Path, str], tuple[str, list[Path]]]) -> int:
    """Do `one` for every file; a file that cannot be used is named and does not stop the others."""
    from napari_temseg.pipeline.inputs import unique_names

    paths = [Path(path) for path in inputs]
    texts: list[str] = []
    files: list[Path] = []
    failures: dict[str, str] = {}
    for path, name in zip(paths, unique_names(paths), strict=True):
        try:
            text, written = one(path, name)
        except TemsegError as error:
            if len(paths) == 1:
                raise
            failures[str(path)] = str(error)
            complain(str(error))
        else:
            texts.append(text)
            files += written
    report(args, "\n".join(texts), {"files": files, "failures": failures})
    return 1 if failures else 0


ANALYSIS_COMMANDS = (add_run, add_predict, add_split, add_measure)
