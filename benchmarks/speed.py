"""How fast a training step and a 512² tile are, as ratios to the tutorial way in the same run.

    python benchmarks/speed.py [--rounds N] [--warm-up N] [--crops N] [--size PX] [--tile PX] [--strokes]
    python benchmarks/speed.py whole | network | pictures     whole micrographs, see speed_whole.py and --help of each

The tutorial way: `segmentation_models_pytorch.Unet("mobilenet_v2")` as it comes, eager, float32, channels first, everything trained.
Ours, at the same crops: the step of `napari_temseg.train` as it ships, drawing and augmenting the crops and holding on to the
starting model included; the tile as `napari_temseg.predict` runs it. The two take turns, so that a drifting machine shifts both.
With --strokes a whole training on a dozen strokes in one micrograph of 512², from the labels to the model, beside the published recipe.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

import napari_temseg as temseg
from napari_temseg.engine.model.network import forward
from napari_temseg.engine.model.runner import Runner
from napari_temseg.engine.training.loop import TrainingRun, begun
from napari_temseg.engine.training.losses import TrainingMetrics
from napari_temseg.engine.training.task import TrainingTask
from napari_temseg.engine.types.annotations import Annotations
from napari_temseg.engine.types.config import PredictConfig
from napari_temseg.engine.types.progress import Job
from napari_temseg.pipeline.demo import annotator, demo_config

CROPS, SIZE, TILE = 8, 256, 512


def tutorial(width: tuple[int, ...]) -> torch.nn.Module:
    """A U-Net as the tutorial makes it."""
    return smp.Unet("mobilenet_v2", encoder_weights=None, in_channels=1, classes=1, decoder_channels=width)


def tutorial_step(network: torch.nn.Module, crops: int = CROPS, size: int = SIZE) -> Callable[[], None]:
    """One step of a plain loop on ready-made crops."""
    optimiser = torch.optim.Adam([each for each in network.parameters() if each.requires_grad], lr=1e-4)
    images, masks = torch.randn(crops, 1, size, size), (torch.rand(crops, 1, size, size) > 0.5).float()

    def step() -> None:
        network.train()
        loss = F.binary_cross_entropy_with_logits(network(images), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def our_step(hold: float, crops: int, size: int) -> Callable[[], None]:
    """One step of ours on a simulated micrograph with a few strokes."""
    drawn = temseg.simulate(temseg.SimulateConfig(seed=1))
    labels = np.zeros_like(drawn.classes)
    labels[::16] = drawn.classes[::16]
    config = temseg.TrainConfig(batch=crops, crop=size, hold=hold)
    learner = training(TrainingTask(Annotations.collect(drawn.micrograph, labels), temseg.load("particles"), config)).learner
    return lambda: learner.step(1e-4, TrainingMetrics())


def training(task: TrainingTask) -> TrainingRun:
    """A training before its first step."""
    return Job(lambda control: begun(task, None, control)).drain()[0]


def network_only(crops: int, size: int) -> Callable[[], None]:
    """Forward, backward and update of ours on ready-made crops: what the published figure of 5.7 × counts."""
    drawn = temseg.simulate(temseg.SimulateConfig(seed=1))
    labels = Annotations.collect(drawn.micrograph, drawn.classes)
    learner = training(TrainingTask(labels, temseg.load("particles"), temseg.TrainConfig(hold=0.0))).learner
    optimiser = learner.new_optimiser()
    images = torch.randn(crops, 1, size, size).contiguous(memory_format=torch.channels_last)
    masks = (torch.rand(crops, 1, size, size) > 0.5).float()

    def step() -> None:
        with learner.device.autocast():
            raw = forward(learner.network, images, frozen=True)
        loss = F.binary_cross_entropy_with_logits(raw[:, :1].float(), masks)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def stroked() -> tuple[temseg.Micrograph, np.ndarray]:
    """A micrograph of 512² with faint particles, and a dozen strokes where the shipped model is wrong."""
    drawn = temseg.simulate(demo_config(TILE, 0))
    return drawn.micrograph, annotator(temseg.predict("particles", drawn.micrograph).classes, drawn.instances)


def on_strokes(seconds: float) -> Callable[[], None]:
    """A training as it ships, within a time budget."""
    image, labels = stroked()
    model = temseg.load("particles")
    return lambda: void(temseg.train([image], [labels], base=model, config=temseg.TrainConfig(max_seconds=seconds)))


def published() -> Callable[[], None]:
    """A hundred steps of 4 crops of 256², encoder frozen, as the published recipe trains, on ready-made crops."""
    network = tutorial((256, 128, 64, 32, 16))
    network.encoder.requires_grad_(False)
    step = tutorial_step(network, 4)

    def run() -> None:
        for _ in range(100):
            step()

    return run


def tutorial_tile(network: torch.nn.Module, tile: int) -> Callable[[], None]:
    """A tile as the tutorial predicts it."""
    network.eval()
    image = torch.randn(1, 1, tile, tile)

    def run() -> None:
        with torch.no_grad():
            network(image)

    return run


def our_tile(tile: int) -> Callable[[], None]:
    """A tile as the predictor runs it, conversion to and from its precision included."""
    runner = Runner(temseg.load("particles"), PredictConfig(scales=(1.0,)))
    image = np.random.default_rng(0).normal(size=(1, 1, tile, tile)).astype(np.float32)
    return lambda: void(next(runner.network.outputs([image])))


def void(_: object) -> None:
    """Forget a result."""


def compare(peers: dict[str, Callable[[], None]], rounds: int, warm_up: int = 2) -> dict[str, float]:
    """Median seconds of each, taking turns, after some rounds of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for turn in range(rounds + warm_up):
        for name, run in peers.items():
            start = time.perf_counter()
            run()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def report(title: str, seconds: dict[str, float]) -> None:
    """A table with ratios to the first row."""
    first = next(iter(seconds.values()))
    print(f"\n{title}\n| | ms | × |\n|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value * 1e3:.0f} | {first / value:.1f} |")


def main() -> None:
    """Measure both and print the ratios."""
    if sys.argv[1:2] and not sys.argv[1].startswith("-"):
        import speed_whole

        speed_whole.main(sys.argv[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before those that count")
    parser.add_argument("--crops", type=int, default=CROPS, help="in a training step")
    parser.add_argument("--size", type=int, default=SIZE, help="px of a crop (smaller ones for a quick look)")
    parser.add_argument("--tile", type=int, default=TILE, help="px of a tile that is predicted")
    parser.add_argument("--strokes", action="store_true", help="a whole training on strokes instead, three times")
    args = parser.parse_args()
    if args.strokes:
        on_time = {"published recipe": published(), "ours, budget 5 s": on_strokes(5.0), "ours, default budget": on_strokes(30.0)}
        report(f"training on a dozen strokes, {TILE}²", compare(on_time, 3, warm_up=0))
        return
    default, ours = (256, 128, 64, 32, 16), (128, 64, 32, 16, 16)
    steps = {
        "tutorial: default U-Net, eager float32, all trained": tutorial_step(tutorial(default), args.crops, args.size),
        "tutorial, our decoder width": tutorial_step(tutorial(ours), args.crops, args.size),
        "ours, network alone": network_only(args.crops, args.size),
        "ours, whole step without holding": our_step(0.0, args.crops, args.size),
        "ours, whole step as it ships": our_step(temseg.TrainConfig().hold, args.crops, args.size),
    }
    report(f"training step, {args.crops} crops of {args.size}²", compare(steps, args.rounds, args.warm_up))
    tiles = {
        "tutorial: default U-Net, eager float32": tutorial_tile(tutorial(default), args.tile),
        "tutorial, our decoder width": tutorial_tile(tutorial(ours), args.tile),
        "ours": our_tile(args.tile),
    }
    report(f"prediction, one tile of {args.tile}²", compare(tiles, args.rounds, args.warm_up))


if __name__ == "__main__":
    main()
