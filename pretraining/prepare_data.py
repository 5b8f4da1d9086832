"""Copy what the network of one band is trained on, and nothing else, small enough to be taken to another machine.

    python pretraining/prepare_data.py FOLDER [--lossy 92]

Train parts alone, in folders as `band_samples` reads them. Labels and small pictures as they are, large ones as JPEG: in the training
they are spoilt by noise and JPEG anyway.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
from pathlib import Path

from PIL import Image

from band_samples import CATALYSTS, POWDER_TUNE
from emps import data_folder

LARGE = 100_000  # bytes


def write(source: Path, target: Path, quality: int | None) -> None:
    """Under the name that it had: as it is, or as JPEG of a quality where it is large and that is smaller."""
    target.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    if quality is not None and len(data) > LARGE:
        packed = io.BytesIO()
        with Image.open(source) as image:
            image.convert("L").save(packed, "JPEG", quality=quality)
        data = min(data, packed.getvalue(), key=len)
    target.write_bytes(data)


def main() -> None:
    """Copy; say how much it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lossy", type=int, default=92)
    args = parser.parse_args()
    root = data_folder()
    chosen: list[tuple[Path, int | None]] = []
    with (root / "emps" / "index.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file) if row["part"] == "train"]
    chosen += [(root / "emps" / "images" / name, args.lossy + 3) for name in names]
    chosen += [(root / "emps" / "instances" / name, None) for name in names]
    for path in (root / "supported_catalysts" / "images").glob("*.jpg"):
        if path.stem.startswith(CATALYSTS):
            chosen += [(path, None), (root / "supported_catalysts" / "labels" / f"{path.stem}.txt", None)]
    for path in sorted((root / "superalloy_sem" / "classes").glob("*.png"))[:15]:
        chosen += [(path, None), (root / "superalloy_sem" / "images" / path.name, None)]
    for path in (root / "powder_sem" / "images").glob("*.png"):
        if not path.name.startswith(POWDER_TUNE):
            chosen.append((path, args.lossy))
            chosen += [(found, None) for found in root.glob(f"powder_sem/instances_*/*_{path.name}")]
    chosen += [(path, args.lossy) for path in (root / "sintering_bf" / "images").glob("*.png")]
    chosen += [(path, None) for path in (root / "sintering_bf" / "masks").glob("*.png")]
    for path, quality in chosen:
        target = args.folder / path.relative_to(root)
        write(path, target, quality)
    shutil.copyfile(root / "emps" / "index.csv", args.folder / "emps" / "index.csv")
    total = sum(path.stat().st_size for path in args.folder.rglob("*") if path.is_file())
    print(f"{len(chosen)} files, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
