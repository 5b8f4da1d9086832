"""Letters in the corners of pictures that a search leaves out where no bar is certain: how often, and how often where there are none.

    python benchmarks/panel_letters.py [--show FOLDER]

Every picture of the shared sets. *corners*: pictures with something found in a corner; `--show` writes each as a crop, to be looked at (no
list says which is a letter). *inner parts*: four halves of every picture away from its edges, where figures have no letters, looked at as
if they were pictures: whatever is found there is taken for a letter wrongly. The peer is what `--mask-overlays` leaves out, all that seems
to be letters.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
from emps import data_folder
from napari_temseg.engine.burntin.boxes import boxes_of
from napari_temseg.engine.burntin.letters import letters, panel_letters
from napari_temseg.engine.burntin.scale_bar import band_levels, panel_mask

FOLDERS = {
    "emps": "emps/images/*.png",
    "catalysts": "supported_catalysts/images/*.jpg",
    "powder": "powder_sem/images/*.png",
    "superalloy": "superalloy_sem/images/*",
    "spheroidite": "spheroidite_sem/images/*",
    "sintering": "sintering_bf/images/*",
    "tio2": "tio2_sem/sem/*.tif",
    "sections": "vnc_stack/images/*.png",
}
STARTS = ((0.2, 0.2), (0.24, 0.3), (0.3, 0.24), (0.28, 0.28))  # of a half, as shares of the sides
AROUND = 20  # px of a crop round a box


def grey(path: Path) -> npt.NDArray[np.uint8]:
    """The first channel of a picture."""
    image = np.asarray(iio.imread(path))
    return image if image.ndim == 2 else image[..., 0]


def inner_parts(image: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    """Halves of a picture away from its edges."""
    tall, wide = image.shape
    for down, across in STARTS:
        yield image[int(down * tall) : int((down + 0.5) * tall), int(across * wide) : int((across + 0.5) * wide)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="write a crop of each box that is left out")
    args = parser.parse_args()
    print(f"{'':14}{'pictures':>9}{'corners':>9}{'boxes':>7}   {'inner parts':>12}{'wrong':>7}{'peer':>6}")
    for name, pattern in FOLDERS.items():
        pictures = corners = boxes = parts = wrong = peer = 0
        for path in sorted(data_folder().glob(pattern)):
            image = grey(path)
            levels = band_levels(image)
            if levels is None:
                continue
            found = boxes_of(panel_mask(levels))
            pictures, corners, boxes = pictures + 1, corners + bool(found), boxes + len(found)
            for number, (top, left, bottom, right) in enumerate(found if args.show else ()):
                args.show.mkdir(parents=True, exist_ok=True)
                crop = image[max(top - AROUND, 0) : bottom + AROUND, max(left - AROUND, 0) : right + AROUND]
                iio.imwrite(args.show / f"{name}_{path.stem}_{number}.png", crop)
            for part in filter(lambda each: each is not None, map(band_levels, inner_parts(image))):
                parts += 1
                wrong += bool(panel_letters(part).any())
                peer += bool(letters(part, None, None).any())
        print(f"{name:14}{pictures:9}{corners:9}{boxes:7}   {parts:12}{wrong:7}{peer:6}", flush=True)


if __name__ == "__main__":
    main()
