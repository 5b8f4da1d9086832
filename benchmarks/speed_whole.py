"""Whole micrographs from pixels to a table of sizes, beside the tutorial way, OpenVINO, BPartIS and a script of thresholds.

    python benchmarks/speed.py whole [--sides 2048 4096] [--rounds 1]
    python benchmarks/speed.py network [--rounds 5]
    python benchmarks/speed.py pictures [--pictures 24] [--wheel imagedataextractor-2.0.4-py3-none-any.whl]

`whole`: simulated discs, sizes found, a large plane piece by piece as `temseg run` does it. The tutorial way: segmentation-models-pytorch's
default U-Net, eager, float32, tiles of 512², threshold, watershed of the distance, regionprops; at one scale, and at the scales that ours
looked at; its network knows nothing, so what comes after it is given the true mask. `network`: our network on a tile of 512² by torch, and
by OpenVINO where that is installed, and which share of the machine's matrix product (2048²) each reaches. `pictures`: processor seconds a
picture of EMPS *tune* beside BPartIS (see accuracy_peers) and Otsu's threshold with a watershed. On as many threads as OMP_NUM_THREADS
says, all in turns; seconds are of processors.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import regionprops_table
from skimage.segmentation import watershed
from torch.utils.flop_counter import FlopCounterMode

import napari_temseg as temseg
from napari_temseg.engine.model.backends.backend import Backend
from napari_temseg.engine.model.backends.choice import chosen, measure, why_not
from napari_temseg.engine.model.band import INPUTS
from napari_temseg.engine.model.runner import made_ready
from napari_temseg.pipeline.picture.measured_picture import MeasuredPicture
from napari_temseg.pipeline.picture.plane_by_plane import iter_measured

TILE, DIAMETER, PRODUCT = 512, 44, 2048


def spent(work: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median processor seconds of each."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            found[name].append(spent(work))
    return {name: statistics.median(each) for name, each in found.items()}


def plane_of(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A plane of discs in noise (uint8), and where they are."""
    config = temseg.SimulateConfig(seed=0, width=1024, height=1024, count=110, diameter=DIAMETER, pixel_size=0.5)
    drawn = temseg.simulate(config)
    tile = np.asarray(drawn.micrograph.plane(0), np.float32)
    tile = np.clip(128 + 40 * (tile - tile.mean()) / tile.std(), 1, 255).astype(np.uint8)
    times = -(-side // 1024)
    return tuple(np.tile(each, (times, times))[:side, :side] for each in (tile, np.asarray(drawn.instances) > 0))


def table_of(mask: np.ndarray) -> dict[str, np.ndarray]:
    """Particles of a mask as scripts tell them apart and measure them."""
    distance = ndimage.distance_transform_edt(mask)
    peaks = peak_local_max(distance, min_distance=5, labels=ndimage.label(mask)[0])
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-distance, seeds, mask=mask)
    return regionprops_table(labels, properties=("label", "area", "equivalent_diameter_area", "perimeter", "eccentricity", "solidity"))


def tutorial(image: np.ndarray, mask: np.ndarray, scales: Sequence[float]) -> Callable[[], object]:
    network = smp.Unet("mobilenet_v2", encoder_weights=None, in_channels=1, classes=1).eval()
    whole = torch.from_numpy(image.astype(np.float32) / 255)[None, None]

    def run() -> object:
        with torch.no_grad():
            for scale in scales:
                shown = F.interpolate(whole, scale_factor=scale, mode="bilinear") if scale != 1 else whole
                shown = F.pad(shown, (0, -shown.shape[-1] % TILE, 0, -shown.shape[-2] % TILE))
                for y in range(0, shown.shape[-2], TILE):
                    for x in range(0, shown.shape[-1], TILE):
                        torch.sigmoid(network(shown[..., y : y + TILE, x : x + TILE]))
        return table_of(mask)

    return run


def whole(args: argparse.Namespace) -> None:
    model, split = temseg.load("particles"), temseg.SplitConfig()
    backends = ["torch", *(["auto"] if not why_not("openvino") or not why_not("onnxruntime") else [])]
    measure(model, temseg.PredictConfig(device="cpu"))
    configs = {name: chosen(model, temseg.PredictConfig(device="cpu", backend=name)) for name in backends}
    networks = {name: made_ready(model, config) for name, config in configs.items()}
    print("| | s of processor | × | \n|---|---|---|")
    for side in args.sides:
        image, mask = plane_of(side)

        def ours(name: str, image: np.ndarray = image) -> MeasuredPicture:
            return iter_measured(model, temseg.Micrograph(image), configs[name], split, networks[name], recovery=False).drain()

        found = ours("torch")
        scales = found.scales
        told = f"{len(found.measured)} particles, scales {', '.join(f'{each:.2f}' for each in scales)}"
        ways: dict[str, Callable[[], object]] = {
            f"{side}² ours by {configs[name].backend}, {told}": (lambda name=name, ours=ours: ours(name)) for name in backends
        }
        ways |= {
            f"{side}² tutorial, at one scale": tutorial(image, mask, (1.0,)),
            f"{side}² tutorial, at as many scales": tutorial(image, mask, [1.0] * len(scales)),
            f"{side}² tutorial, at the same scales": tutorial(image, mask, scales),
        }
        seconds = in_turns(ways, args.rounds)
        first = next(iter(seconds.values()))
        for name, each in seconds.items():
            print(f"| {name} | {each:.1f} | {each / first:.2f} |", flush=True)


def network(args: argparse.Namespace) -> None:
    model, base = temseg.load("particles"), temseg.PredictConfig(device="cpu")
    tile = np.random.default_rng(0).normal(size=(1, INPUTS, TILE, TILE)).astype(np.float32)
    with FlopCounterMode(display=False) as counter:
        next(made_ready(model, replace(base, backend="torch", precision="float32")).outputs([tile]))
    flops = counter.get_total_flops()
    backends = ["torch", *(name for name in ("openvino", "onnxruntime") if not why_not(name))]
    configs = {f"{name}, {p}": replace(base, backend=name, precision=p) for name in backends for p in ("auto", "float32")}
    ways: dict[str, Callable[[], object]] = {}
    for name, config in configs.items():
        ready = made_ready(model, config)
        ways[name] = lambda ready=ready: next(ready.outputs([tile]))
    for kind in (torch.bfloat16, torch.float32):
        square = torch.randn(PRODUCT, PRODUCT).to(kind)
        ways[f"product, {kind}"] = lambda square=square: square @ square
    in_turns(ways, 1)
    seconds = in_turns(ways, args.rounds)
    rate = {kind: 2 * PRODUCT**3 / seconds[f"product, {kind}"] / 1e9 for kind in (torch.bfloat16, torch.float32)}
    print(
        f"{flops / 1e9:.1f} GFLOP a tile; product of {PRODUCT}²: {', '.join(f'{kind} {each:.0f} GFLOP/s' for kind, each in rate.items())}"
    )
    print("| | s a tile | × torch | share of the product |\n|---|---|---|---|")
    for name in configs:
        precision = name.split(", ")[1]
        most = rate[torch.float32] if precision == "float32" else max(rate.values())
        ratio, share = seconds[f"torch, {precision}"] / seconds[name], flops / seconds[name] / 1e9 / most
        print(f"| {name} | {seconds[name]:.3f} | {ratio:.2f} | {100 * share:.0f} % |")


def by_threshold(image: np.ndarray) -> dict[str, np.ndarray]:
    """Otsu's threshold of the smoothed picture and a watershed: what a script does."""
    smooth = gaussian(image, 2)
    mask = smooth > threshold_otsu(smooth)
    return table_of(ndimage.binary_opening(mask if mask.mean() < 0.5 else ~mask, iterations=2))


def pictures(args: argparse.Namespace) -> None:
    import accuracy_common as common

    model, config = temseg.load("particles"), temseg.PredictConfig(device="cpu")
    names = ["auto", "torch"] if measure(model, config) else ["torch"]
    backends = {f"ours by {name}": made_ready(model, replace(config, backend=name)) for name in names}

    def ours(image: np.ndarray, ready: Backend) -> object:
        return iter_measured(model, temseg.Micrograph(image), config, temseg.SplitConfig(), ready, recovery=False).drain()

    ways: dict[str, Callable[[np.ndarray], object]] = {
        f"{name}, {ready.described()}": (lambda image, ready=ready: ours(image, ready)) for name, ready in backends.items()
    }
    ways["threshold and watershed"] = by_threshold
    if args.wheel is not None:
        from accuracy_peers import Published

        peer = Published(args.wheel, 1)
        ways["BPartIS, one sample, measured alike"] = lambda image: regionprops_table(peer.labels(image), properties=("label", "area"))
    found: dict[str, list[float]] = {name: [] for name in ways}
    for entry in common.entries("tune", limit=args.pictures):
        for name, find in ways.items():
            found[name].append(spent(lambda find=find, image=entry.image: find(image)))
    print(f"{args.pictures} pictures of EMPS tune\n| | s of processor a picture | × ours |\n|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {np.mean(each):.2f} | {np.mean(each) / np.mean(next(iter(found.values()))):.2f} |")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("whole", "network", "pictures"))
    parser.add_argument("--sides", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--wheel", type=Path, help="the wheel that holds BPartIS")
    args = parser.parse_args(arguments)
    {"whole": whole, "network": network, "pictures": pictures}[args.what](args)
