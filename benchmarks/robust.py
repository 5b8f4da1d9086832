"""Damaged files: does every one of them end in a picture or in one clear sentence, soon and without eating the memory?

    python benchmarks/robust.py [--cuts 20] [--flips 200] [--seed 5] [--show] [FILE ...]

Every file of microscope_files (in the folder that TEMSEG_DATA names), and a few compressed ones written here, is cut at `--cuts` places
and has one to eight random bytes changed, `--flips` times. Each copy is read by `temseg.read`, all its pixels touched, in a process that
may take four times the size of the file and 64 MB more than it had after reading the good file, within ten seconds. What ends otherwise
is counted: crashes (a traceback, or the end of the process), hangs, and using more memory than that. Exit code 1 if any did. "Reserved"
are those that asked for more and, when they got it, used less than allowed and ended clearly: HDF5 does so before it finds a size wrong.
For Linux, which knows a limit for the memory of a process and tells how much of it was used.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
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
KINDS = ("result", "clear error", "reserved", *BAD)
REFUSED = ("unable to allocate", "memory allocation failed", "can't allocate", "cannot allocate", "out of memory")
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
    return sorted(path for path in folder.iterdir() if path.suffix != ".txt")


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
    tifffile.imwrite(folder / "beside.tif", grey)
    (folder / "beside.txt").write_text("[SemImageFile]\nImageName=beside.tif\nDataSize=320x320\nPixelSize=5\n")


# -- the child: reads copies until it dies


def touched(path: Path) -> tuple[str, str]:
    """Read all pixels of a file; what came of it, and the error in words."""
    import napari_temseg as temseg

    try:
        image = temseg.read(path, axes="fields")
        for plane in range(image.data.shape[0] if image.data.ndim == 3 else 1):
            np.asarray(image.plane(plane)).sum(dtype=np.float64)
    except Exception as error:  # noqa: BLE001  whatever it is: that is what is counted
        causes = list(_causes(error))
        if any(isinstance(each, MemoryError) or any(words in str(each).lower() for words in REFUSED) for each in causes):
            return "over-allocation", repr(causes)
        clear = isinstance(error, temseg.TemsegError) and str(error).startswith(f"{path}: ") and str(error).endswith(".")
        return ("clear error" if clear else "crash"), repr(error)
    return "result", ""


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
    touched(original)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = 4 * len(content) + 2**26
    limit = pages * resource.getpagesize() + room
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    copy = folder / original.name
    for index, changed in enumerate(copies(content, options.cuts, options.flips, options.seed)):
        if index < first:
            continue
        copy.unlink(missing_ok=True)
        copy.write_bytes(changed)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
        kind, words = touched(copy)
        if kind == "over-allocation":
            resource.setrlimit(resource.RLIMIT_AS, (limit + ENOUGH, most))
            kind = "reserved" if used(copy) <= room else kind
        print(json.dumps((index, kind, words)), flush=True)


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
    total, index = options.cuts + options.flips, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for companion in (*original.parent.glob(f"{original.stem}_*.ser"), *original.parent.glob(f"{original.stem}.txt")):
            shutil.copy(companion, folder)
        while index < total:
            for kind, words in _lines(original, folder, index, options):
                found[kind] += 1
                if options.show and kind in BAD:
                    print(f"    copy {index}: {kind} {words}")
                index += 1
    return found


def _lines(original: Path, folder: Path, first: int, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What a child says of each copy, with the one at which it ended or stopped last."""
    settings = ["--cuts", str(options.cuts), "--flips", str(options.flips), "--seed", str(options.seed)]
    command = [sys.executable, __file__, *settings, "--child", str(first), str(original), str(folder)]
    # What libraries and notes say of damaged files is thousands of lines.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **SMALL})
    with process, selectors.DefaultSelector() as selector:
        said_by = cast("IO[bytes]", process.stdout)
        selector.register(said_by, selectors.EVENT_READ)
        begun, said = False, first
        while said < options.cuts + options.flips:
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
