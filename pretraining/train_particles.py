"""Train the particle model that ships, from random initialisation or on from earlier weights of ours.

    python pretraining/train_particles.py --minutes 60 [--start weights.safetensors] [--folder runs/particles]

Data: EMPS *train* and simulated micrographs (drawn anew all the time). Seeded; checkpoints every two minutes; the same command
resumes. The schedule follows the training time already spent, so that an interrupted run ends where an uninterrupted one would.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from scipy import ndimage

from emps import entries
from marks import burn_marks
from napari_temseg.engine.model.device import choose_device
from napari_temseg.engine.model.network import forward, freeze_encoder, set_mode
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.segmenter import Normalisation, Segmenter
from napari_temseg.engine.simulate.micrographs import randomised, simulate
from napari_temseg.engine.training.augment import resample, sampling_grid, vary_intensity
from napari_temseg.engine.types.annotations import distance_map
from napari_temseg.engine.types.config import TrainConfig
from napari_temseg.files.models import save
from optimisation import Optimisation

SPEC = NetworkSpec("mobilenet_v2", (128, 64, 32, 16, 16), 2, ("distance",))
HOW = TrainConfig(flips=True, scaling=1.1, elastic=1.0, brightness=0.3, contrast=0.35, gamma=0.35, noise=0.25)


@dataclass(frozen=True)
class Sample:
    """A micrograph ready to be cropped: smooth (2, Y, X) = image and distance map, exact (1, Y, X) = foreground."""

    smooth: torch.Tensor
    exact: torch.Tensor


def sample(image: npt.NDArray[np.uint8], instances: npt.NDArray[np.int32]) -> Sample:
    """Normalise an image and make its targets."""
    planes = [Normalisation().apply(image), distance_map(instances)]
    return Sample(torch.from_numpy(np.stack(planes)), torch.from_numpy((instances > 0).astype(np.float32))[None])


def simulated(rng: np.random.Generator) -> Sample:
    """One simulated micrograph of random kind; bars and letters belong to no particle, and some pictures are empty."""
    size = int(rng.choice([256, 320, 384, 512]))
    config = randomised(rng, size, size)
    if rng.random() < 0.03:
        config = replace(config, count=0)
    drawn = simulate(config)
    return sample(drawn.micrograph.plane(), np.where(drawn.overlays, 0, drawn.instances))


def crop(entry: Sample, size: int, how: TrainConfig, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A crop anywhere, half the time centred on foreground."""
    shape = (entry.exact.shape[-2], entry.exact.shape[-1])
    centre = (rng.uniform(0, shape[0]), rng.uniform(0, shape[1]))
    inside = torch.nonzero(entry.exact[0])
    if len(inside) and rng.random() < 0.5:
        y, x = inside[int(rng.integers(len(inside)))].tolist()
        centre = (float(y), float(x))
    return resample(sampling_grid(shape, centre, size, how, rng), entry.smooth, entry.exact)


def spoil(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Inversion, uneven background and blur, beside the usual brightness, contrast, gamma and noise."""
    n, _, height, width = images.shape
    inverted = torch.from_numpy(np.where(rng.random(n) < 0.15, -1.0, 1.0).astype(np.float32))[:, None, None, None]
    field = torch.from_numpy(rng.normal(size=(n, 1, 3, 3)).astype(np.float32)) * torch.from_numpy(
        rng.uniform(0, 0.5, (n, 1, 1, 1)).astype(np.float32)
    )
    images = images * inverted + F.interpolate(field, size=(height, width), mode="bicubic", align_corners=True)
    for index in np.flatnonzero(rng.random(n) < 0.3):
        images[index, 0] = torch.from_numpy(ndimage.gaussian_filter(images[index, 0].numpy(), rng.uniform(0.3, 1.5)))
    return vary_intensity(images, HOW, rng)


def loss_of(raw: torch.Tensor, foreground: torch.Tensor, distance: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """BCE + Dice on the foreground, BCE on the distance map, where `seen`; the seams between touching particles count more."""
    raw = raw.float()
    # Foreground at almost no depth is the rim of a particle: seams are where rims meet, and small particles are nothing but rim.
    weight = seen * (1.0 + 2.0 * ((foreground > 0.5) & (distance < 0.25)).float())
    bce = (seen * F.binary_cross_entropy_with_logits(raw[:, :1], foreground, reduction="none")).sum() / seen.sum()
    p, foreground = torch.sigmoid(raw[:, :1]) * seen, foreground * seen
    dice = 1 - (2 * (p * foreground).sum((2, 3)) + 1) / (p.sum((2, 3)) + foreground.sum((2, 3)) + 1)
    if raw.shape[1] == 1:
        return bce + dice.mean()
    depth = (weight * F.binary_cross_entropy_with_logits(raw[:, 1:2], distance, reduction="none")).sum() / weight.sum()
    return bce + dice.mean() + depth


def batch(
    real: list[Sample], pool: list[Sample], size: int, crops: int, drawn: int, marked: float, how: TrainConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, ...]:
    """Images (B, 1, size, size); foreground, distance and where they teach, of the same shape; `drawn` of the crops are simulated."""
    chosen = [pool[int(rng.integers(len(pool)))] for _ in range(drawn)] + [real[int(rng.integers(len(real)))] for _ in range(crops - drawn)]
    pairs = [crop(entry, size, how, rng) for entry in chosen]
    burnt = [burn_marks(smooth[:1], exact, smooth[1:2].clamp(0, 1), rng, marked) for smooth, exact in pairs]
    images, exact, distance, seen = (torch.stack(parts) for parts in zip(*burnt, strict=True))
    return spoil(images, rng), exact, distance, seen


def start_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Weights to go on from (.safetensors or .temseg), as float32."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}


def main() -> None:
    """Run until the budget is spent; then write the averaged weights as a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, help="steps instead of minutes (for comparisons)")
    parser.add_argument("--start", type=Path, help="weights to go on from (.temseg, .safetensors)")
    parser.add_argument("--encoder", type=Path, help="weights of the encoder alone to start from (.safetensors; for comparisons)")
    parser.add_argument("--folder", type=Path, default=Path("runs/particles"))
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--crops", type=int, default=8)
    parser.add_argument("--simulated", type=int, default=2, help="simulated crops in each batch")
    parser.add_argument("--limit", type=int, help="only the first N micrographs of EMPS (for a quick look)")
    parser.add_argument("--pool", type=int, default=150, help="simulated micrographs held at a time")
    parser.add_argument("--marked", type=float, default=0.35, help="share of crops with letters, bars, arrows, grid bars burnt in")
    parser.add_argument("--scaling", type=float, default=HOW.scaling, help="random scale of the crops, as a share (1.1: ÷2.1 to ×2.1)")
    parser.add_argument("--decoder", default="128,64,32,16,16", help="channels of the decoder, coarse to fine")
    parser.add_argument("--freeze", action="store_true", help="train the decoder only")
    parser.add_argument("--without-distance", action="store_true", help="no distance map (for comparisons)")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--threads", type=int, default=0, help="0: all; on a busy machine one thread is faster than two that wait for each other"
    )
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.folder.mkdir(parents=True, exist_ok=True)
    device = choose_device()
    channels = tuple(int(number) for number in args.decoder.split(","))
    spec = replace(SPEC, decoder_channels=channels, auxiliary=() if args.without_distance else SPEC.auxiliary)
    how = replace(HOW, scaling=args.scaling)
    model = Segmenter.new(spec, {1: "background", 2: "particle"}, args.encoder and str(args.encoder), args.seed)
    network = model.network
    if args.start:
        network.load_state_dict(start_tensors(args.start))
    freeze_encoder(network, args.freeze)
    network = network.to(device.torch, memory_format=torch.channels_last)
    state = Optimisation.begun(network, args.rate)
    checkpoint = args.folder / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint)
    rng = np.random.default_rng([args.seed, state.step])
    real = [sample(entry.image, entry.instances) for entry in entries("train", limit=args.limit)]
    pool = [simulated(rng) for _ in range(args.pool)]
    reached = f"at step {state.step}, {state.spent / 60:.1f} min"
    print(f"{len(real)} micrographs, {len(pool)} simulated; {device.describe()}; {reached}", flush=True)
    set_mode(network, train_decoder=True, train_encoder=not args.freeze)
    saved, running, last = time.monotonic(), [], time.monotonic()
    while (share := state.step / args.steps if args.steps else state.spent / (args.minutes * 60)) < 1:
        state.set_rate(args.rate, share)
        if state.step % 3 == 0:
            pool[int(rng.integers(len(pool)))] = simulated(rng)
        drawn = batch(real, pool, args.size, args.crops, args.simulated, args.marked, how, rng)
        images, foreground, distance, seen = (part.to(device.torch) for part in drawn)
        with device.autocast():
            raw = forward(network, images.contiguous(memory_format=torch.channels_last), frozen=args.freeze)
        loss = loss_of(raw, foreground, distance, seen)
        state.descend(loss)
        running.append(float(loss.detach()))
        now = time.monotonic()
        state.step, state.spent, last = state.step + 1, state.spent + now - last, now
        if state.step % 100 == 0:
            state.curve.append([state.step, round(state.spent, 1), round(float(np.mean(running)), 4)])
            print(f"step {state.step}  {state.spent / 60:.1f} min  loss {np.mean(running):.4f}", flush=True)
            running.clear()
        if now - saved > 120:
            state.save(checkpoint)
            saved = now
    state.save(checkpoint)
    network.load_state_dict(state.averaged)
    record = {
        "kind": "pretrained",
        "steps": state.step,
        "minutes": round(state.spent / 60, 1),
        "seed": args.seed,
        "rate": args.rate,
        "crops": args.crops,
        "simulated": args.simulated,
        "marked": args.marked,
        "size": args.size,
        "start": (args.start or args.encoder).name if args.start or args.encoder else "random initialisation",
        "curve": state.curve,
    }
    finished = Segmenter(network.cpu(), spec, scales=(1.0, 0.7, 0.5), name="particles", history=[record])
    save(finished, args.folder / "particles.temseg", half=True)
    (args.folder / "record.json").write_text(json.dumps(record, indent=1))
    print(f"wrote {args.folder / 'particles.temseg'}", flush=True)


if __name__ == "__main__":
    main()
