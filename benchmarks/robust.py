"""Damaged files: does every one of them end in a picture or in one clear sentence, soon and without eating the memory?

    python benchmarks/robust.py [--cuts 20] [--tails 20] [--flips 200] [--seed 5] [--only WORD] [--show] [FILE ...]

Every file of microscope_files (in the folder that TEMSEG_DATA names), and those written here, is cut at `--cuts` places, ends in zeros
from as many places as `--tails` says, and has one to eight random bytes changed, `--flips` times. Written are compressed pictures, those
of arrays, side-cars (the picture beside is read), a Zarr folder (each of its files in turn), ROI sets, a table of calibrations, a manifest,
a recipe and a model. Each copy is read, all its pixels touched, in a process that
may take four times the size of the file and 64 MB more than it had after reading the good file, within ten seconds. What ends otherwise
is counted: crashes (a traceback, or the end of the process), hangs, and using more memory than that. Exit code 1 if any did. "Reserved"
are those that asked for more and, when they got it, used less than allowed and ended clearly: HDF5 does so before it finds a size wrong.
"Other size" are results whose pixel size is not that of the good file, or is gone, without a word on it, as after a change of one digit.
For Linux, which knows a limit for the memory of a process and tells how much of it was used.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

import h5py
import imageio.v3 as iio
import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
from mangled import copies

from emps import data_folder

SECONDS = 10.0
ENOUGH = 2**33  # bytes more, to see how much of what was asked for would be used
BAD = ("crash", "hang", "over-allocation")
KINDS = ("result", "other size", "clear error", "reserved", *BAD)
REFUSED = ("unable to allocate", "memory allocation failed", "can't allocate", "cannot allocate", "out of memory")
SIDE_CARS = (".txt", ".hdr", ".xml")
SHAPE = (160, 160)  # of what is drawn
FEI_XML = '<?xml version="1.0"?><FeiImage><pixelWidth unit="nm">12.5</pixelWidth><pixelHeight unit="nm">12.5</pixelHeight></FeiImage>'
HITACHI = (
    "[SemImageFile]\nImageName=beside_hitachi.tif\nDataSize=320x320\nPixelSize=5\nMagnification=20000\nAcceleratingVoltage=5000 Volt\n"
)
JEOL = "$CM_FORMAT JEOL-SEM\n$CM_INSTRUMENT JSM\n$CM_FULL_SIZE 160 160\n$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 100nm\n"
TESCAN = "[MAIN]\nDevice=MIRA\nMagnification=50000\nPixelSizeX=3.3e-009\nPixelSizeY=3.3e-009\n[SEM]\nHV=10000.0\n"
# Pictures of which a text file says the size: name, what that ends in, its text.
BESIDE = (
    ("beside_hitachi", ".txt", HITACHI),
    ("beside_jeol", ".txt", JEOL),
    ("beside_tescan", ".hdr", TESCAN),
    ("beside_fei", ".xml", FEI_XML),
)
# One thread, one heap: address space is what the limit counts.
SMALL = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX", "TIFFFILE_NUM_THREADS"), "1")


def written(folder: Path) -> list[Path]:
    """Compressed files, of which microscopes' examples are short: the decoders of libraries see damaged bytes."""
    grey = np.random.default_rng(0).normal(120, 30, (160, 160)).clip(0, 255).astype(np.uint8)
    stack = np.stack([grey, grey[::-1], grey.T])
    for name in ("zlib", "lzw", "jpeg", "packbits", "zstd"):
        tifffile.imwrite(folder / f"{name}.tif", grey, compression=name, tile=(64, 64), photometric="minisblack")
    tifffile.imwrite(folder / "stack_zlib.tif", stack, compression="zlib", photometric="minisblack")
    for name in ("grey.png", "grey.jpg"):
        iio.imwrite(folder / name, grey)
    with h5py.File(folder / "velox_gzip.emd", "w") as file:
        group = file.create_group("Data/Image/f00")
        group.create_dataset("Data", data=np.moveaxis(stack, 0, -1), chunks=(160, 160, 1), compression="gzip", shuffle=True)
        text = np.frombuffer(json.dumps({"BinaryResult": {"Detector": "HAADF"}}).encode().ljust(500, b"\0"), np.uint8)
        group.create_dataset("Metadata", data=np.repeat(text[:, None], 3, axis=1))
    _write_arrays(folder, grey, stack)
    _write_declared(folder, grey)
    _write_beside(folder, grey)
    _write_others(folder, grey)
    files = [path for path in folder.iterdir() if path.is_file() and path.stem not in [name for name, _, _ in BESIDE]]
    inner = [path for path in folder.rglob("*.zarr/**/*") if path.is_file()]
    return sorted([*files, *inner, *(path for path in folder.iterdir() if path.suffix in SIDE_CARS)])


def _write_arrays(folder: Path, grey: np.ndarray, stack: np.ndarray) -> None:
    """HDF5 of HyperSpy, with texts in a heap, of NeXus and of Swift."""
    with h5py.File(folder / "hyperspy.hspy", "w") as file:
        group = file.create_group("Experiments/grid")
        group.create_dataset("data", data=stack, chunks=(1, 80, 80), compression="gzip")
        for k in range(3):
            group.create_group(f"axis-{k}").attrs.update({"scale": 0.5, "units": "nm", "navigate": k == 0})
    with h5py.File(folder / "nexus.nxs", "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["y", "x"]})
        group["counts"] = grey
        for name in "yx":
            group[name] = np.arange(160) * 2e-9
            group[name].attrs["units"] = "m"
    with h5py.File(folder / "swift.h5", "w") as file:
        file["data"] = grey
        file["data"].attrs["properties"] = json.dumps({"dimensional_calibrations": [{"scale": 0.25, "units": "nm"}] * 2})


def _write_declared(folder: Path, grey: np.ndarray) -> None:
    """TIFF that declares more than its pixels: channels, colour maps, several images with a size each; and a side-car."""
    tifffile.imwrite(folder / "channels.tif", np.stack([grey, grey.T]), imagej=True, metadata={"axes": "CYX", "unit": "nm"})
    ramp = np.repeat(np.arange(256, dtype=np.uint16)[None] * 257, 3, axis=0)
    tifffile.imwrite(folder / "palette.tif", grey, photometric="palette", colormap=ramp)
    tifffile.imwrite(folder / "white_is_zero.tif", np.stack([grey, grey.T]), photometric="miniswhite", compression="zlib")
    with tifffile.TiffWriter(folder / "two.ome.tif", ome=True) as tif:
        for size, picture in ((50, grey[::2, ::2]), (2, grey)):
            tif.write(picture, metadata={"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeXUnit": "nm"})


def _write_beside(folder: Path, grey: np.ndarray) -> None:
    """Side-cars, and pictures of AMT and with FEI's XML."""
    for name, suffix, text in BESIDE:
        tifffile.imwrite(folder / f"{name}.tif", grey)
        (folder / f"{name}{suffix}").write_text(text)
    tifffile.imwrite(folder / "amt.tif", grey, description="AMT XpixCal=655.69\nYpixCal=655.69\nUnit=micron\n##fv3", metadata=None)
    tags = [(34683, 2, 0, FEI_XML, True)]
    tifffile.imwrite(folder / "phenom.tif", grey, extratags=tags, metadata=None)


def _write_others(folder: Path, grey: np.ndarray) -> None:
    """A bitmap, Nion Swift, Zarr where it is installed; ROI sets, calibrations, a recipe, a model."""
    import napari_temseg as temseg
    from napari_temseg.files.laboratory import CalibrationRow, write_table
    from napari_temseg.files.rois import write_rois
    from napari_temseg.pipeline.recipe import Recipe

    iio.imwrite(folder / "grey.bmp", grey)
    stream = io.BytesIO()
    np.save(stream, grey)
    with zipfile.ZipFile(folder / "swift.ndata", "w") as archive:
        archive.writestr("data.npy", stream.getvalue())
        archive.writestr("metadata.json", json.dumps({"title": "x", "spatial_calibrations": [{"scale": 0.5, "units": "nm"}] * 2}))
    if find_spec("zarr") is not None:
        import zarr

        root = zarr.open_group(str(folder / "ome.zarr"), mode="w", zarr_format=2)
        root.create_array("0", shape=grey.shape, dtype=grey.dtype, chunks=(80, 160))[...] = grey
        axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "yx"]
        sets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]
        root.attrs["multiscales"] = [{"axes": axes, "datasets": sets}]
    labels = np.zeros(SHAPE, np.int32)
    for number in range(12):
        y, x = divmod(number, 4)
        labels[8 + 40 * y : 30 + 40 * y, 5 + 38 * x : 25 + 38 * x] = number + 1
    write_rois(folder / "outlines.zip", labels)
    rows = [CalibrationRow("Talos", "STEM", magnification, 200.0, "", 1.01, 1.02, 0.005) for magnification in (1e5, 2e5, 4e5)]
    write_table(folder / "calibrations.csv", rows)
    Recipe().write(folder / "recipe.json")
    (folder / "manifest.csv").write_text("file,sample,pixel_size,size\ngrey.bmp,A,0.5 nm,12 nm\nzlib.tif,B,0.25 nm,12 nm\n")
    temseg.load("particles").save(folder / "model.temseg")


# -- the child: reads copies until it dies


def read_any(path: Path) -> str:
    """Read a file, or the picture that it belongs to, and all its pixels; "pixel size|note|note …" of a picture, else ""."""
    import napari_temseg as temseg
    from napari_temseg.files.laboratory import read_table
    from napari_temseg.files.manifest import read_manifest
    from napari_temseg.files.rois import read_rois
    from napari_temseg.pipeline.recipe import read_recipe

    tables = read_manifest if path.stem == "manifest" else read_table
    others = {".zip": partial(read_rois, shape=SHAPE), ".csv": tables, ".json": read_recipe, ".temseg": temseg.load}
    zarr = next((folder for folder in path.parents if folder.suffix == ".zarr"), None)
    if zarr is None and path.suffix in others:
        others[path.suffix](path)
        return ""
    series = "channel 1" if path.stem.startswith("channels") else ""
    image = temseg.read(zarr or (path.with_suffix(".tif") if path.suffix in SIDE_CARS else path), axes="fields", series=series)
    for plane in range(image.data.shape[0] if image.data.ndim == 3 else 1):
        np.asarray(image.plane(plane)).sum(dtype=np.float64)
    return "|".join([str(image.calibration.pixel_size), *image.notes])


def touched(path: Path, good: str = "") -> tuple[str, str]:
    """What came of reading a file, and the error, or what the file says, in words; `good` is what the whole file says."""
    import napari_temseg as temseg

    try:
        said = read_any(path)
    except Exception as error:  # noqa: BLE001  whatever it is: that is what is counted
        causes = list(_causes(error))
        if any(isinstance(each, MemoryError) or any(words in str(each).lower() for words in REFUSED) for each in causes):
            return "over-allocation", repr(causes)
        clear = isinstance(error, temseg.TemsegError) and str(error).startswith(str(path.parent)) and str(error).endswith(".")
        zarr = ".zarr" in str(path) and isinstance(error, temseg.TemsegError)
        return ("clear error" if clear or zarr else "crash"), repr(error)
    (size, *notes), (known, *before) = said.split("|"), good.split("|")
    return ("other size" if good and size != known and not set(notes) - set(before) else "result"), said


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def child(original: Path, folder: Path, first: int, options: argparse.Namespace) -> None:
    """Read the copies from number `first` on; a line of JSON each."""
    import dask
    import imagecodecs

    dask.config.set(scheduler="synchronous")
    for name in ("JPEG8", "ZLIB", "LZW", "ZSTD", "PACKBITS", "DEFLATE", "LZMA", "JPEG2K", "WEBP", "PNG", "JPEGXR", "LERC"):
        getattr(imagecodecs, name, None)  # libraries that a changed compression tag would load
    content = original.read_bytes()
    _, good = touched(original)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = 4 * len(content) + 2**26
    limit = pages * resource.getpagesize() + room
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    copy = next((folder / original.relative_to(each.parent) for each in original.parents if each.suffix == ".zarr"), folder / original.name)
    for index, changed in enumerate([*tails(content, options.tails), *copies(content, options.cuts, options.flips, options.seed)]):
        if index < first:
            continue
        copy.unlink(missing_ok=True)
        copy.write_bytes(changed)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
        kind, words = touched(copy, good)
        if kind == "over-allocation":
            resource.setrlimit(resource.RLIMIT_AS, (limit + ENOUGH, most))
            kind = "reserved" if used(copy) <= room else kind
        print(json.dumps((index, kind, words)), flush=True)


def tails(content: bytes, count: int) -> Iterator[bytes]:
    """`content` with zeros from some place to the end, as while it is written."""
    for end in np.linspace(len(content) // 8, len(content) - 1, count):
        yield content[: int(end)].ljust(len(content), b"\0")


def used(path: Path) -> int:
    """Bytes by which the memory really used grows, at most, while a file is read with hardly a limit."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from now on
    before = _peak()
    touched(path)
    return _peak() - before


def _peak() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


# -- the parent: counts, and starts another where one died


def counted(original: Path, options: argparse.Namespace) -> Counter[str]:
    """What came of all copies of a file."""
    found: Counter[str] = Counter()
    total, index = options.cuts + options.tails + options.flips, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for companion in (*original.parent.glob(f"{original.stem}_*.ser"), *original.parent.glob(f"{original.stem}.tif")):
            shutil.copy(companion, folder)
        for zarr in (each for each in original.parents if each.suffix == ".zarr"):
            shutil.copytree(zarr, folder / zarr.name)
        while index < total:
            for kind, words in _lines(original, folder, index, options):
                found[kind] += 1
                if options.show and kind in (*BAD, "other size"):
                    print(f"    copy {index}: {kind} {words}")
                index += 1
    return found


def _lines(original: Path, folder: Path, first: int, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What a child says of each copy, with the one at which it ended or stopped last."""
    settings = ["--cuts", str(options.cuts), "--tails", str(options.tails), "--flips", str(options.flips), "--seed", str(options.seed)]
    command = [sys.executable, __file__, *settings, "--child", str(first), str(original), str(folder)]
    # What libraries and notes say of damaged files is thousands of lines.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **SMALL})
    with process, selectors.DefaultSelector() as selector:
        said_by = cast("IO[bytes]", process.stdout)
        selector.register(said_by, selectors.EVENT_READ)
        begun, said = False, first
        while said < options.cuts + options.tails + options.flips:
            if not selector.select(SECONDS if begun else 120):
                process.kill()
                yield "hang", f"no answer in {SECONDS:g} s"
                return
            line = said_by.readline()
            if not line:
                yield "crash", f"the process ended with {process.wait()}"
                return
            begun = True
            _, kind, words = json.loads(line)
            said += 1
            yield kind, words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="these files, instead of microscope_files and those written here")
    parser.add_argument("--cuts", type=int, default=20, help="places at which each file is cut")
    parser.add_argument("--tails", type=int, default=20, help="copies that end in zeros")
    parser.add_argument("--only", default="", help="files of which the name holds this word only")
    parser.add_argument("--flips", type=int, default=200, help="copies with random bytes changed")
    parser.add_argument("--seed", type=int, default=5, help="of the random bytes")
    parser.add_argument("--show", action="store_true", help="print every copy that ended badly")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        child(*options.files, options.child, options)
        return
    with tempfile.TemporaryDirectory() as name:
        files = options.files or [*sorted((data_folder() / "microscope_files").iterdir()), *written(Path(name))]
        files = [path for path in files if options.only in f"{path.parent.name}/{path.name}"]
        print(f"{'file':<48}{'copies':>8}" + "".join(f"{kind:>17}" for kind in KINDS))
        total: Counter[str] = Counter()
        for path in files:
            found = counted(path, options)
            total += found
            print(_row(path.name, found), flush=True)
    print(_row("all", total))
    sys.exit(any(total[kind] for kind in BAD))


def _row(name: str, found: Counter[str]) -> str:
    return f"{name:<48}{found.total():>8}" + "".join(f"{found[kind]:>17}" for kind in KINDS)


if __name__ == "__main__":
    main()
