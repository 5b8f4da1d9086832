"""The shipped model beside BPartIS, the network of the authors of EMPS, and beside classical ways, on the same micrographs.

    pip download --no-deps imagedataextractor==2.0.4
    python benchmarks/accuracy.py peers --wheel imagedataextractor-2.0.4-py3-none-any.whl [--part tune] [--samples 30]

BPartIS (MIT; Yildirim & Cole, J. Chem. Inf. Model. 2021, 10.1021/acs.jcim.0c01455) comes in that wheel, of which its network, its
clustering and its weights alone are taken, from the wheel itself: nothing of it is installed or ships. As its authors run it, a picture
is shown at 512 × 512; `--samples` is how often, with dropout (they take 30 and drop what is uncertain; 1: once, without dropout).
It probably saw pictures of every part of EMPS in its training. The forest is that of `accuracy.py emps`, the top-hat is told the size
and the contrast. Seconds are of one processor thread.
"""

from __future__ import annotations

import io
import sys
import time
import zipfile
import zipimport
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures
from scipy import ndimage
from skimage.filters import threshold_otsu

import accuracy_common as common
import napari_temseg as temseg
from accuracy import three_micrographs
from band_sets import diameters

SIDE = 512  # px at which it looks at every picture
UNCERTAIN = 0.0125  # its authors' limit of the mean uncertainty of a particle
Labels = np.ndarray


class Published:
    """BPartIS from its wheel."""

    def __init__(self, wheel: Path, samples: int) -> None:
        modules: list[ModuleType] = []
        for name in ("nnmodules", "cluster", "uncertainty"):
            loader = zipimport.zipimporter(f"{wheel}/imagedataextractor/segment")
            modules.append(loader.load_module(name))
        with zipfile.ZipFile(wheel) as archive:
            stored = io.BytesIO(archive.read("imagedataextractor/models/seg-model.pt"))
        self.network = modules[0].BranchedERFNet(num_classes=[4, 1]).eval()
        self.network.load_state_dict(torch.load(stored, map_location="cpu", weights_only=True))
        self.clusters = modules[1].Cluster(n_sigma=2, h=SIDE, w=SIDE, device="cpu")
        self.uncertainty, self.samples = modules[2], samples
        if samples > 1:
            for module in self.network.modules():
                if isinstance(module, torch.nn.Dropout2d):
                    module.train()

    def labels(self, image: np.ndarray) -> Labels:
        """Labels (Y, X) of a grey picture."""
        shown = np.asarray(Pictures.fromarray(image).convert("RGB").resize((SIDE, SIDE), Pictures.Resampling.BICUBIC)) / 255.0
        batch = torch.from_numpy(shown.astype(np.float32)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            outputs = torch.cat([self.network(batch) for _ in range(self.samples)])
            found = self.clusters.cluster(outputs.mean(0))[0]
            if self.samples > 1:
                seeds = torch.sigmoid(outputs[:, -1:])
                epistemic = self.uncertainty.predictive_entropy(seeds) - self.uncertainty.expected_entropy(seeds)
                found = self.uncertainty.uncertainty_filtering(found, epistemic, tu=UNCERTAIN)
        small = Pictures.fromarray(found.numpy().astype(np.int32).reshape(SIDE, SIDE))
        return np.asarray(small.resize(image.shape[::-1], Pictures.Resampling.NEAREST)).astype(np.int32)


def top_hat(image: np.ndarray, size: float, bright: bool) -> Labels:
    """What stands out of a background of one and a half sizes, by Otsu; the size (px) and the contrast of the particles are told."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32) * (1 if bright else -1), 0.05 * size)
    side = max(3, int(1.5 * size) | 1)
    raised = smooth - ndimage.uniform_filter(ndimage.grey_opening(smooth, (side, side)), side)
    mask = ndimage.binary_opening(raised > threshold_otsu(raised))
    return temseg.split(common.as_prediction(mask.astype(np.float32), image)).labels


def scored(entry: common.Entry, find: Callable[[common.Entry], Labels]) -> dict[str, float]:
    """The figures of one micrograph, and the seconds of the processor that it took."""
    start = time.process_time()
    labels = find(entry)
    spent = time.process_time() - start
    return {**common.label_scores(labels, entry.instances), "seconds": spent}


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = common.options(__doc__, 60.0)
    parser.add_argument("--wheel", type=Path, help="the wheel that holds BPartIS; without it that line is left out")
    parser.add_argument("--samples", type=int, default=1)
    args = parser.parse_args(arguments)
    if args.wheel is not None and not args.wheel.is_file():
        parser.error(f"{args.wheel} is not there: fetch it with pip download --no-deps imagedataextractor==2.0.4")
    torch.set_num_threads(1)
    model, ledger = common.begin(parser, args)
    three = three_micrographs()
    wood = common.forest([e.image for e in three], [1 + (e.instances > 0) for e in three])
    wood.n_jobs = 1
    ways: dict[str, Callable[[common.Entry], Labels]] = {"shipped model": lambda e: temseg.split(temseg.predict(model, e.image)).labels}
    if args.wheel is not None:
        peer = Published(args.wheel, args.samples)
        ways[f"BPartIS, {args.samples} sample{'s' if args.samples > 1 else ''}"] = lambda e: peer.labels(e.image)
    ways["random forest, three micrographs"] = lambda e: temseg.split(common.by_forest(wood, e.image)).labels
    ways["top-hat, size told"] = lambda entry: top_hat(
        entry.image, float(np.median(diameters(entry.instances))), entry.row["contrast"] != "dark_on_bright"
    )
    rows: dict[str, Any] = {}
    for way, find in ways.items():
        found = [
            ledger.get(lambda e=e, find=find: scored(e, find), "peers", way, args.part, e.name)
            for e in common.entries(args.part, limit=args.limit)
        ]
        rows[way] = {**common.summary(found), "seconds": float(np.median([one["seconds"] for one in found]))}
        print(way, {key: round(value, 3) for key, value in rows[way].items()}, file=sys.stderr, flush=True)
    print(common.table(rows, peer="BPartIS" if args.wheel is not None else "forest"))
    common.end(args, rows)
