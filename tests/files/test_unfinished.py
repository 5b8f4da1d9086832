"""Files whose end is not written yet, pictures that are dark at their end, and disks that are too small."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import mrcfile
import numpy as np
import pytest
import tifffile

import napari_temseg as temseg
from napari_temseg.cli.main import main
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import is_full, require_space

NOISE = np.random.default_rng(1).integers(1, 200, (240, 256))
CLIPPED = np.maximum(NOISE - 80, 0)  # nearly half of it is zero


def written(path: Path, picture: Any) -> Path:
    """A picture of which nothing but the time in a SER follows its pixels."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, picture.astype(np.uint8), photometric="minisblack")
    elif path.suffix == ".mrc":
        with mrcfile.new(path, overwrite=True) as mrc:
            mrc.set_data(picture.astype(np.int16))
    else:  # rows begin with the lowest
        start = struct.pack("<HHHIIIII", 0x4949, 0x197, 0x210, 0x4122, 0x4152, 1, 1, 26)
        axes = 2 * struct.pack("<ddi", 0.0, 1e-9, 0) + struct.pack("<HII", 2, *picture.shape[::-1])
        content = start + struct.pack("<II", 34, 0) + axes + picture[::-1].astype("<u2").tobytes()
        path.write_bytes(content + struct.pack("<HxxI", 0x4152, 1_400_000_000))
    return path


@pytest.mark.parametrize("kind", ["tif", "mrc", "ser"])
@pytest.mark.parametrize("picture", [NOISE, CLIPPED])
def test_zeros_that_begin_within_a_row_are_not_written_yet(tmp_path: Path, kind: str, picture: Any) -> None:
    path = written(tmp_path / f"a.{kind}", picture)
    content = path.read_bytes()
    for cut in (len(content) // 3 + 100, len(content) // 2 + 77):
        path.write_bytes(content[:cut].ljust(len(content), b"\0"))
        with pytest.raises(temseg.TemsegError, match="still being written"):
            temseg.read(path)


@pytest.mark.parametrize("kind", ["tif", "mrc", "ser"])
def test_dark_ends_are_read_and_told_where_the_file_ends_with_them(tmp_path: Path, kind: str) -> None:
    quarter, vacuum = NOISE.copy(), CLIPPED.copy()
    quarter[180:] = 0
    y, x = np.indices(NOISE.shape)
    vacuum[y > 150 + 20 * np.sin(x / 40)] = 0  # an edge that is no straight line
    for picture in (quarter, vacuum):
        notes = " ".join(temseg.read(written(tmp_path / f"a.{kind}", picture)).notes)
        assert ("zeros up to the end of the file: they are dark or masked, or were not written" in notes) == (kind != "ser")


def test_a_file_that_goes_on_after_its_dark_end_was_written(tmp_path: Path) -> None:
    dark = NOISE.astype(np.uint8)
    dark.reshape(-1)[180 * 256 + 99 :] = 0
    tifffile.imwrite(tmp_path / "a.tif", dark, compression="zlib")
    written(tmp_path / "b.tif", dark)
    with (tmp_path / "b.tif").open("ab") as file:
        file.write(b"what programs write at the end")
    iio.imwrite(tmp_path / "c.png", dark)
    for name in ("a.tif", "b.tif", "c.png"):
        assert temseg.read(tmp_path / name).notes == ()
    tifffile.imwrite(tmp_path / "d.tif", dark, photometric="miniswhite")  # what is not written is white
    with pytest.raises(temseg.TemsegError, match="still being written"):
        temseg.read(tmp_path / "d.tif")


def test_the_last_planes_of_a_stack_are_not_written_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = np.stack([NOISE] * 4).astype(np.uint8)
    stack[2:] = 0
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    with pytest.raises(temseg.TemsegError, match=r"still being written .*the last 2 of 4 planes are zeros"):
        temseg.read(tmp_path / "a.tif", axes="time")
    assert main(["info", str(tmp_path / "a.tif")]) == 0
    assert "still being written" in capsys.readouterr().out
    stack[:2] = CLIPPED
    tifffile.imwrite(tmp_path / "b.tif", stack, photometric="minisblack")
    assert "The last 2 of 4 planes are zeros" in temseg.read(tmp_path / "b.tif", axes="time").notes[0]
    tifffile.imwrite(tmp_path / "c.tif", np.zeros_like(stack[0]))
    assert temseg.read(tmp_path / "c.tif").notes == ("All its pixels are 0: the picture is empty, or its file was not written to the end.",)


def test_an_empty_picture_is_told_when_it_has_a_data_bar(tmp_path: Path) -> None:
    picture = np.zeros(NOISE.shape, np.uint8)
    last = len(picture) - len(picture) // 8
    picture[last:] = NOISE[last:]
    tifffile.imwrite(tmp_path / "a.tif", picture)
    assert "All its pixels but those of the lowest 12 % are 0: the picture is empty." in temseg.read(tmp_path / "a.tif").notes
    picture[len(picture) // 2] = NOISE[0]
    tifffile.imwrite(tmp_path / "b.tif", picture)
    assert not temseg.read(tmp_path / "b.tif").notes


def test_strips_that_are_not_there_are_no_zeros(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", NOISE.astype(np.uint8), rowsperstrip=32)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        counts = tif.pages.first.tags[279]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[counts.valueoffset + 6 : counts.valueoffset + 16] = bytes(10)  # of the last five of eight strips
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(temseg.TemsegError, match=r"still being written .*5 strips or tiles"):
        temseg.read(tmp_path / "a.tif")


def test_space_that_lacks_is_told_before_the_work(tmp_path: Path) -> None:
    require_space(tmp_path / "results" / "stack", 1, "stack.tif")
    with pytest.raises(
        TemsegError, match=r"stack\.tif: its results take 1152921504\.6 GB at least, and .* GB are free in .*; make space"
    ) as told:
        require_space(tmp_path / "results" / "stack", 2**60, "stack.tif")
    assert is_full(told.value)
