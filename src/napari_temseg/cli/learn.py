"""train, draft: from annotations to a model, from strokes to a first full annotation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_temseg.cli.console import complain, drive, report
from napari_temseg.cli.label_inputs import read_drawn
from napari_temseg.cli.options import AXES_NAMES, add_config_options, add_series_option, config_from, file
from napari_temseg.engine.types.config import DraftConfig, TrainConfig
from napari_temseg.engine.types.errors import TemsegError


def add_train(commands: Any) -> argparse.ArgumentParser:
    """`temseg train`."""
    parser: argparse.ArgumentParser = commands.add_parser("train", help="train a model from strokes or masks")
    parser.add_argument("-i", "--image", nargs="+", required=True, metavar="IMAGE", help="micrographs")
    parser.add_argument(
        "-l",
        "--labels",
        nargs="+",
        required=True,
        metavar="LABELS",
        help="a label image (TIFF, PNG) or ROI set of ImageJ (.zip, .roi) for each micrograph, in the same order",
    )
    parser.add_argument("-o", "--output", required=True, type=file, metavar="MODEL.temseg", help="the model to write")
    parser.add_argument(
        "--unlabelled",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="micrographs of other kinds, without labels: on them the model goes on finding what it finds",
    )
    parser.add_argument(
        "--base",
        default="particles",
        help="model to start from: one that ships, a .temseg file, or none for a new network (default particles)",
    )
    parser.add_argument(
        "--labels-mean",
        choices=("classes", "mask", "instances"),
        default="",
        help="classes: 0 unlabelled, 1 background, 2… classes; mask: 0 background, else particle; instances: 0 background, else ids "
        "(default classes, unless they look like instances)",
    )
    parser.add_argument(
        "--class-name", action="append", default=[], metavar="NUMBER=NAME", help="name of a class, such as 3=rod; may be repeated"
    )
    parser.add_argument("--axes", choices=AXES_NAMES, default="", help="what the pages of a stack are")
    add_series_option(parser)
    parser.add_argument(
        "--checkpoint",
        type=file,
        metavar="FILE",
        help="written every half minute: after a kill the same command goes on from it; removed when the model is written",
    )
    parser.add_argument("--tune", action="store_true", help="search learning rate and batch first, in two fifths of the time budget")
    add_config_options(parser, TrainConfig)
    parser.set_defaults(function=train)
    return parser


def train(args: argparse.Namespace) -> int:
    """Train and write a model; Ctrl-C keeps the best so far, and the checkpoint if there is one."""
    config, names = config_from(args, TrainConfig), _class_names(args.class_name)
    if args.checkpoint is not None and args.checkpoint.resolve() == args.output.resolve():
        raise TemsegError(f"--checkpoint {args.checkpoint}: the model will be written there; name another file.")
    if len(args.image) != len(args.labels):
        raise TemsegError(
            f"{len(args.image)} images and {len(args.labels)} label images do not pair up; give one label image for each micrograph."
        )
    from napari_temseg.api import iter_train, load, read
    from napari_temseg.engine.types.annotations import Annotations
    from napari_temseg.files.rois import is_roi_set

    images = [read(path, axes=args.axes, series=args.series) for path in args.image]
    others = [read(path, axes=args.axes, series=args.series) for path in args.unlabelled]
    labels = [read_drawn(path, tuple(image.data.shape)) for path, image in zip(args.labels, images, strict=True)]
    outlines = not args.labels_mean and all(map(is_roi_set, args.labels))
    annotations = Annotations.collect(images, labels, meaning="instances" if outlines else args.labels_mean, class_names=names)
    base = None if args.base == "none" else load(args.base)
    model, interrupted = drive(
        iter_train(labels=annotations, base=base, config=config, tune=args.tune, unlabelled=others, checkpoint=args.checkpoint)
    )
    model.save(args.output)
    kept = args.checkpoint is not None and _settled(args.checkpoint, interrupted)
    if interrupted:
        further = f"; the same command goes on with the training, from {args.checkpoint}" if kept else ""
        complain(f"stopped early; the best model so far is in {args.output}{further}.")
    record = model.history[-1] if model.history else {}
    report(
        args,
        _train_text(args.output, record),
        {"file": args.output, "model_hash": model.content_hash(), "classes": model.classes, **record},
    )
    return 1 if interrupted else 0


def _settled(checkpoint: Path, interrupted: bool) -> bool:
    """Remove the checkpoint of a training that came to its end; returns whether there is one to go on from."""
    from napari_temseg.files.checkpoints import CheckpointFile

    if not interrupted:
        CheckpointFile(checkpoint).remove()
    return checkpoint.exists()


def _train_text(path: Path, record: dict[str, Any]) -> str:
    curve = record.get("curve") or [{}]
    best = next((point for point in curve if point.get("step") == record.get("best_step")), curve[-1])
    judged = (
        f"validation IoU {best['validation_iou']:.3f} at step {best['step']:.0f}"
        if "validation_iou" in best
        else record.get("validation", "")
    )
    lines = [
        f"{record.get('steps', 0)} steps in {record.get('seconds', 0):.1f} s on {record.get('device', '')}; {judged}",
        *record.get("notes", []),
        *tuned_lines(record.get("tuned", [])),
    ]
    if record.get("steps") and not record.get("best_step") and "validation_iou" in best:
        lines.append("The labels kept back agree with the starting model as it is, so nothing was changed; paint where it is wrong.")
    return "\n".join([*lines, f"Model: {path}"])


def tuned_lines(tuned: list[dict[str, Any]] | str) -> list[str]:
    """What a search of the settings tried, the best first."""
    if isinstance(tuned, str):
        return [tuned]
    lines = [f"  {t['learning_rate']:g} · {t['batch']} · IoU {t['validation_iou']:.3f} after {t['step']:.0f} steps" for t in tuned]
    return ["Tried (learning rate · batch · validation), the first was used:", *lines] if tuned else []


def _class_names(entries: list[str]) -> dict[int, str]:
    names = {}
    for entry in entries:
        number, _, name = entry.partition("=")
        if not number.isdecimal() or int(number) < 2 or not name:
            raise TemsegError(f"--class-name {entry}: write a class number from 2 and a name, such as 3=rod.")
        names[int(number)] = name
    return names


def add_draft(commands: Any) -> argparse.ArgumentParser:
    """`temseg draft`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "draft", help="fill a whole annotation from a few strokes, to be corrected and trained on"
    )
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument(
        "-l", "--labels", required=True, metavar="STROKES", help="label image: 0 unlabelled, 1 background, 2 and more classes"
    )
    parser.add_argument("-o", "--output", required=True, type=file, metavar="DRAFT.tif", help="the annotation to write")
    parser.add_argument("--axes", choices=AXES_NAMES, default="", help="what the pages of a stack are")
    add_series_option(parser)
    add_config_options(parser, DraftConfig)
    parser.set_defaults(function=draft)
    return parser


def draft(args: argparse.Namespace) -> int:
    """Write a draft annotation."""
    config = config_from(args, DraftConfig)
    from napari_temseg.api import iter_draft, read
    from napari_temseg.files.tables import read_labels, write_labels_tiff

    image, strokes = read(args.image, axes=args.axes, series=args.series), read_labels(args.labels)
    if strokes.shape != tuple(image.data.shape):
        raise TemsegError(
            f"{args.labels}: labels of shape {strokes.shape} do not fit {args.image} {tuple(image.data.shape)}; draw them on this image."
        )
    filled, interrupted = drive(iter_draft(image, strokes, config))
    write_labels_tiff(args.output, filled, image.calibration, image.axes, "draft")
    share = float((filled > 0).mean())
    report(args, f"{args.output}: {share:.1%} of the pixels labelled", {"file": args.output, "labelled": share})
    return 1 if interrupted else 0


LEARNING_COMMANDS = (add_train, add_draft)
