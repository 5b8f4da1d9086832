"""demo, simulate, models, export, info, gui."""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path
from typing import Any

from napari_temseg.cli.console import complain, drive, log_path, report
from napari_temseg.cli.options import (
    add_calibrations_option,
    add_config_options,
    add_reading_options,
    add_series_option,
    config_from,
    file,
    folder,
)
from napari_temseg.engine.types.config import PredictConfig, SimulateConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import several
from napari_temseg.version import __version__

PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "scikit-learn",
    "torch",
    "segmentation-models-pytorch",
    "tifffile",
    "napari",
    "magicgui",
    "qtpy",
)


def add_demo(commands: Any) -> argparse.ArgumentParser:
    """`temseg demo`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo", help="the whole road on a simulated micrograph, scored against its exact truth"
    )
    parser.add_argument(
        "-o", "--output", default="temseg-demo", type=folder, metavar="DIR", help="folder for the results (default temseg-demo)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="time budget of the training (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="another number, another micrograph (default 0)")
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="side of the micrograph (default 512)")
    parser.set_defaults(function=demo)
    return parser


def demo(args: argparse.Namespace) -> int:
    """Run the demonstration."""
    from napari_temseg.pipeline.demo import iter_demo

    result, interrupted = drive(iter_demo(args.output, seconds=args.seconds, seed=args.seed, size=args.size))
    report(args, result.text(), result.to_dict())
    if interrupted:
        complain(f"stopped early; what was finished is in {args.output}.")
    return 1 if interrupted else 0


def add_simulate(commands: Any) -> argparse.ArgumentParser:
    """`temseg simulate`."""
    parser: argparse.ArgumentParser = commands.add_parser("simulate", help="a micrograph with exact truth")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=file,
        metavar="IMAGE.tif",
        help="the micrograph; IMAGE_truth.tif and IMAGE_truth.csv go beside it",
    )
    add_config_options(parser, SimulateConfig)
    parser.set_defaults(function=simulate)
    return parser


def simulate(args: argparse.Namespace) -> int:
    """Write a simulated micrograph and its truth."""
    config = config_from(args, SimulateConfig)
    if args.output.suffix.lower() not in (".tif", ".tiff"):
        raise TemsegError(f"{args.output}: simulated micrographs are written as TIFF; give a name that ends in .tif.")
    from napari_temseg import api
    from napari_temseg.files.formats.tiff import write_tiff
    from napari_temseg.files.tables import write_labels_tiff, write_particles_csv

    result = api.simulate(config)
    truth = [args.output.with_name(f"{args.output.stem}_truth{suffix}") for suffix in (".tif", ".csv")]
    calibration = result.micrograph.calibration
    write_tiff(args.output, result.micrograph.data, calibration)
    write_labels_tiff(truth[0], result.instances, calibration, content="truth")
    write_particles_csv(truth[1], [result.table.reset_index()])
    files = [args.output, *truth]
    text = f"{several(len(result.table), 'particle')}; written {', '.join(map(str, files))}"
    report(args, text, {"files": files, "particles": len(result.table), "config": config.to_dict()})
    return 0


def add_models(commands: Any) -> argparse.ArgumentParser:
    """`temseg models`."""
    parser: argparse.ArgumentParser = commands.add_parser("models", help="the models that ship")
    parser.set_defaults(function=models)
    return parser


def models(args: argparse.Namespace) -> int:
    """List the shipped models."""
    from napari_temseg.files.models import load, shipped

    entries: list[dict[str, Any]] = []
    for name, path in shipped().items():
        model = load(path)
        entry = {"name": name, "file": path, "megabytes": round(path.stat().st_size / 1e6, 1), "hash": model.content_hash()}
        entries.append({**entry, "encoder": model.spec.encoder, "classes": model.classes})
    lines = [f"{e['name']:<16}{e['megabytes']} MB · {e['encoder']} · {', '.join(e['classes'].values())} · {e['file']}" for e in entries]
    report(args, "\n".join(lines) or "No model ships with this installation; train one with “temseg train --base none”.", entries)
    return 0


def add_export(commands: Any) -> argparse.ArgumentParser:
    """`temseg export`."""
    parser: argparse.ArgumentParser = commands.add_parser("export", help="a model as ONNX, particles as COCO polygons")
    parser.add_argument("what", metavar="MODEL|PARTICLES", help="a model (name or .temseg) for .onnx, a label image for .json")
    parser.add_argument("-o", "--output", required=True, type=file, metavar="FILE", help="FILE.onnx, or FILE.json for COCO")
    parser.set_defaults(function=export)
    return parser


def export(args: argparse.Namespace) -> int:
    """Write for other programs; the name of the output says what."""
    kind = args.output.suffix.lower()
    if kind not in (".onnx", ".json"):
        raise TemsegError(f"{args.output}: the name must end in .onnx (a model) or .json (particles as COCO).")
    values: dict[str, Any] = {"file": args.output}
    if kind == ".onnx":
        from napari_temseg.api import load
        from napari_temseg.files.exchange import write_onnx

        write_onnx(load(args.what), args.output)
    else:
        from napari_temseg.files.exchange import write_coco
        from napari_temseg.files.tables import read_labels

        values["particles"] = write_coco(args.output, read_labels(args.what), Path(args.what).name)
    report(args, f"{args.output}: written", values)
    return 0


def add_info(commands: Any) -> argparse.ArgumentParser:
    """`temseg info`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info", help="versions, devices, paths, where the log lies; or what image files hold, without searching anything"
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="tell series, sizes, calibration and warnings of these files")
    add_calibrations_option(parser)
    parser.set_defaults(function=info)
    return parser


def info(args: argparse.Namespace) -> int:
    """Print what a question to the authors should hold, or what files hold."""
    if args.files:
        from napari_temseg.cli.file_info import file_info

        return file_info(args)
    from napari_temseg.engine.model.device import available_devices, choose_device, threads
    from napari_temseg.files.models import shipped

    values: dict[str, Any] = {
        "napari-temseg": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        **{name: _version(name) for name in PACKAGES},
        "qt binding": next(
            (f"{name} {_version(name)}" for name in ("PySide6-Essentials", "PyQt6", "PyQt5") if _version(name) != "missing"), "missing"
        ),
        "devices": ", ".join(available_devices()),
        "device chosen": choose_device().describe(),
        "backend": "the fastest that was measured here, else torch; or the one that is asked for (--backend, backend=)",
        **{f"backend {name}": said for name, said in _backends().items()},
        "threads": threads(),
        "package": str(Path(__file__).parents[1]),
        "models": ", ".join(shipped()) or "none",
        "log": str(log_path()),
    }
    report(args, "\n".join(f"{name:<30}{value}" for name, value in values.items()), values)
    return 0


def _backends() -> dict[str, str]:
    """What else than torch can run the network here or why not, and what "auto" would take for the shipped model."""
    from napari_temseg.engine.model.backends.choice import AUTO, measured, why_not
    from napari_temseg.engine.model.backends.runtimes import RUNTIMES
    from napari_temseg.engine.model.device import choose_device
    from napari_temseg.files.models import load

    told = {name: f"not usable, {reason}" if (reason := why_not(name)) else f"{_version(name)}, usable" for name in RUNTIMES}
    by_itself = choose_device()
    if by_itself.kind != "cpu":
        return {**told, AUTO: f"torch, on {by_itself.kind}"}
    seconds = measured(load("particles"), PredictConfig(device="cpu"))
    quickest = min(seconds, key=seconds.__getitem__, default="")
    times = ", ".join(f"{name} {1e3 * each:.0f} ms" for name, each in seconds.items())
    taken = f"{quickest} (a tile by {times})" if seconds else "not measured yet, the first run with it does"
    return {**told, AUTO: "torch, there is nothing else" if all(map(why_not, RUNTIMES)) else taken}


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def add_gui(commands: Any) -> argparse.ArgumentParser:
    """`temseg gui`."""
    parser: argparse.ArgumentParser = commands.add_parser("gui", help="open micrographs in napari")
    parser.add_argument("images", nargs="*", metavar="IMAGE|FOLDER")
    add_reading_options(parser)
    add_series_option(parser)
    parser.set_defaults(function=gui)
    return parser


def gui(args: argparse.Namespace) -> int:
    """Open napari."""
    from napari_temseg.widgets.launch import launch

    launch(args.images, args.axes, args.pixel_size, args.series)
    return 0


TOOL_COMMANDS = (add_demo, add_simulate, add_models, add_export, add_info, add_gui)
