"""Another tissue: mitochondria in serial sections, foreground IoU pooled over sections 08–11, from dense masks of earlier ones.

    python benchmarks/accuracy.py vnc [--seconds 300] [--only METHOD…] [--ledger FILE] [--json FILE]

Compared: the decoder trained (frozen encoder) and the encoder unfrozen after a tenth of the time, on eight sections and on three; a new
EfficientNet-B0 with focal loss and random weights; a random forest; where their weights lie beside the data, a frozen MobileNetV2 of
ImageNet, and an EfficientNet-Lite0 of ImageNet with focal loss, frozen and not, on eight sections and on three.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import imageio.v3 as iio
import numpy as np

import accuracy_common as common
import napari_temseg as temseg

NAMES = {2: "mitochondrion"}
FIRST_SCORED = 8
LITE0 = "tu-tf_efficientnet_lite0"


def sections() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 and masks bool (12, 1024, 1024)."""
    root = common.data_folder() / "vnc_stack"
    images = np.stack([iio.imread(path) for path in sorted((root / "images").iterdir())])
    return images, np.stack([iio.imread(path) for path in sorted((root / "mitochondria").iterdir())]) > 0


def trained(base: Any, count: int, seconds: float, **settings: Any) -> dict[str, float]:
    """IoU after training on the first `count` sections."""
    images, masks = sections()
    config = temseg.TrainConfig(max_seconds=seconds, max_steps=100_000, patience=10_000, seed=common.SEED, **settings)
    stack = temseg.Micrograph(images[:count], axes="ZYX")
    start = time.perf_counter()
    model = temseg.train([stack], [masks[:count]], base=base, meaning="mask", class_names=NAMES, config=config)
    took, record = time.perf_counter() - start, model.history[-1]
    found = temseg.predict(model, temseg.Micrograph(images[FIRST_SCORED:], axes="ZYX")).classes > 1
    figures = {"IoU": common.iou(found, masks[FIRST_SCORED:]), "sections": count, "steps": record["steps"], "seconds": took}
    print(f"{record['validation']}; best step {record['best_step']} of {record['steps']}", flush=True)
    return figures


def untouched(model: temseg.Segmenter) -> dict[str, float]:
    """The shipped model, which was made for particles."""
    images, masks = sections()
    found = temseg.predict(model, temseg.Micrograph(images[FIRST_SCORED:], axes="ZYX")).classes > 1
    return {"IoU": common.iou(found, masks[FIRST_SCORED:]), "sections": 0, "steps": 0, "seconds": 0.0}


def by_forest() -> dict[str, float]:
    """A random forest on eight sections."""
    images, masks = sections()
    start = time.perf_counter()
    wood = common.forest(list(images[:FIRST_SCORED]), [1 + mask for mask in masks[:FIRST_SCORED].astype(np.uint8)])
    took = time.perf_counter() - start
    found = np.stack([common.by_forest(wood, image).classes > 1 for image in images[FIRST_SCORED:]])
    return {"IoU": common.iou(found, masks[FIRST_SCORED:]), "sections": FIRST_SCORED, "steps": 0, "seconds": took}


def main(arguments: list[str]) -> None:
    """Run and print."""
    parser = common.options(__doc__, 300.0)
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="only these lines of the table")
    args = parser.parse_args(arguments)
    model, ledger = common.begin(parser, args)
    weights, seconds = common.imagenet_weights(), args.seconds
    methods: dict[str, Any] = {
        "shipped model, untouched": lambda: untouched(model),
        "random forest": by_forest,
        "frozen encoder": lambda: trained(model, 8, seconds),
        "unfreezing": lambda: trained(model, 8, seconds, unfreeze=True),
        "frozen encoder, 3 sections": lambda: trained(model, 3, seconds),
        "unfreezing, 3 sections": lambda: trained(model, 3, seconds, unfreeze=True),
        "EfficientNet-B0 from nothing, focal loss": lambda: trained("none", 8, seconds, encoder="efficientnet-b0", loss="focal"),
    }
    if weights is not None:
        methods["new U-Net, frozen ImageNet encoder"] = lambda: trained("none", 8, seconds, encoder_weights=str(weights))
    if (lite0 := common.imagenet_weights("efficientnet_lite0")) is not None:
        for count in (FIRST_SCORED, 3):
            for unfreeze in (False, True):
                name = f"EfficientNet-Lite0 of ImageNet, focal loss, {'unfreezing' if unfreeze else 'frozen'}, {count} sections"
                methods[name] = partial(
                    trained, "none", count, seconds, encoder=LITE0, encoder_weights=str(lite0), loss="focal", unfreeze=unfreeze
                )
    unknown = set(args.only or ()) - set(methods)
    if unknown:
        parser.error(f"no line is named {', '.join(sorted(unknown))}; there are {', '.join(methods)}")
    rows = {}
    for name, method in methods.items():
        if args.only and name not in args.only:
            continue
        rows[name] = ledger.get(method, "vnc", seconds, name)
        print(f"{name}: IoU {rows[name]['IoU']:.3f}", flush=True)
    print(f"\n{common.table(rows)}")
    common.end(args, rows)
