"""Train the network of one band of sizes, on from earlier weights of ours or from random initialisation.

    python pretraining/train_band.py --steps 8000 --start weights.safetensors --folder runs/band

Data: the train parts of EMPS and of the sets for the finder, and scenes simulated anew all the time. Seeded; checkpoints every two
minutes; the same command resumes, and one with more steps goes on. `--without` leaves out one part of the recipe, to see what it brings.
The schedule follows the steps, not the clock: a machine that is shared gives what it has. `--export` writes the averaged weights of a
checkpoint, of a running training too, and ends.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import band_samples
from band_crops import EMPTY, SIDE_SHARES, SIDES, Crop, crop
from band_samples import Sample
from napari_temseg.engine.model.band_network import BandNetwork, start_from
from napari_temseg.engine.model.device import choose_device
from optimisation import Optimisation

WITHOUT = ("flattening", "supports", "sets", "size")  # what may be left out, to see what it brings
SHARES = {"emps": 7, "simulated": 4, "catalysts": 3, "other": 2}  # crops of each kind in a batch of sixteen


def loss_of(raw: torch.Tensor, target: torch.Tensor, seen: torch.Tensor, inner: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and its four parts: foreground (BCE + Dice), distance and border (BCE), offsets (Huber, inside particles only)."""
    raw = raw.float()
    foreground, distance, border = target[:, 0], target[:, 1], target[:, 2]
    bce = (seen * F.binary_cross_entropy_with_logits(raw[:, 0], foreground, reduction="none")).sum() / seen.sum().clamp_min(1)
    p = torch.sigmoid(raw[:, 0])
    dice = 1 - (2 * (p * foreground * seen).sum((1, 2)) + 20) / ((p * seen).sum((1, 2)) + (foreground * seen).sum((1, 2)) + 20)
    # Rims count more: seams are where rims meet, and small particles are nothing but rim.
    weight = inner * (1 + 2 * ((foreground > 0.5) & (distance < 0.25)).float())
    depth = (weight * F.binary_cross_entropy_with_logits(raw[:, 1], distance, reduction="none")).sum() / weight.sum().clamp_min(1)
    weight = inner * (1 + 3 * border)
    seams = (weight * F.binary_cross_entropy_with_logits(raw[:, 2], border, reduction="none")).sum() / weight.sum().clamp_min(1)
    weight = inner * foreground
    way = F.smooth_l1_loss(raw[:, 3:5], target[:, 3:5], reduction="none", beta=0.1).sum(1)
    offsets = (weight * way).sum() / weight.sum().clamp_min(1)
    parts = [bce + dice.mean(), depth, seams, offsets]
    return parts[0] + parts[1] + parts[2] + 2 * parts[3], torch.stack([part.detach() for part in parts])


class Source:
    """Crops from all the sets, in fixed shares."""

    def __init__(self, pool: int, rng: np.random.Generator, without: str | None = None) -> None:
        self.without = without
        self.shares = {"emps": 11, "simulated": 5} if without == "sets" else SHARES
        self.upright = band_samples.emps()
        other = (band_samples.superalloy(), band_samples.powder(), band_samples.sintering())
        self.sets: dict[str, list[list[Sample]]] = {
            "emps": [list(self.upright)],
            "simulated": [[self.scene(rng) for _ in range(pool)]],
            "catalysts": [band_samples.catalysts()],
            "other": list(other),
        }

    def scene(self, rng: np.random.Generator) -> Sample:
        """One simulated scene."""
        return band_samples.simulated(rng, supports=self.without != "supports")

    def renew(self, rng: np.random.Generator) -> None:
        """Draw one simulated scene anew, and turn one picture of EMPS another way: three in four of these are turned."""
        pool = self.sets["simulated"][0]
        pool[int(rng.integers(len(pool)))] = self.scene(rng)
        index = int(rng.integers(len(self.upright)))
        self.sets["emps"][0][index] = self.upright[index] if rng.random() < 0.25 else band_samples.turned(self.upright[index], rng)

    def batch(self, crops: int, side: int, marked: float, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
        """Input (B, 3, S, S), target (B, 5, S, S), the two weights (B, S, S)."""
        total, made = sum(self.shares.values()), []
        empty = 1.0 if self.without == "flattening" else EMPTY
        for index in range(crops):
            place = (index + 0.5) / crops * total
            kind = next(name for name in self.shares if (place := place - self.shares[name]) < 0)
            groups = self.sets[kind]
            group = groups[int(rng.integers(len(groups)))]
            entry, burnt = group[int(rng.integers(len(group)))], marked if kind != "simulated" else marked / 2
            made.append(crop(entry, side, burnt, rng, empty, any_size=self.without == "size"))
        return tuple(torch.from_numpy(np.stack([getattr(one, name) for one in made])) for name in Crop.__dataclass_fields__)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many minutes of this run, to be resumed")
    parser.add_argument("--start", type=Path, help="weights to go on from (.temseg, .safetensors): what fits is taken")
    parser.add_argument("--folder", type=Path, default=Path("runs/band"))
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--crops", type=int, default=16)
    parser.add_argument("--side", type=int, default=160, help="px of a crop, a multiple of 32")
    parser.add_argument("--pool", type=int, default=160, help="simulated scenes held at a time")
    parser.add_argument("--marked", type=float, default=0.3, help="share of crops with letters, bars, arrows, grid bars burnt in")
    parser.add_argument("--without", choices=WITHOUT, help="train without one part of the recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", type=Path, help="write the averaged weights of the folder's checkpoint here (.safetensors) and end")
    return parser.parse_args()


def export(checkpoint: Path, path: Path) -> None:
    """Averaged weights in half precision, with how far the training was."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    tensors = {name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in stored["averaged"].items()}
    save_file(tensors, path, {"step": str(stored["step"]), "minutes": f"{stored['spent'] / 60:.1f}"})


def begin(network: BandNetwork, args: argparse.Namespace) -> Optimisation:
    """A new network, one that starts from weights, or one that goes on."""
    torch.manual_seed(args.seed)
    if args.start:
        tensors = load_file(args.start)
        copied = start_from(network, {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
        print(f"{copied} of {len(network.state_dict())} tensors from {args.start.name}", flush=True)
    network = network.to(choose_device().torch, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = Optimisation.begun(network, args.rate)
    if (args.folder / "checkpoint.pt").exists():
        state.load(args.folder / "checkpoint.pt")
    return state


def train(state: Optimisation, source: Source, args: argparse.Namespace, rng: np.random.Generator) -> None:
    """Until the steps are done, or the minutes of this run spent."""
    device, running = choose_device(), list[torch.Tensor]()
    start = saved = last = time.monotonic()
    state.network.train()
    while (share := state.step / args.steps) < 1 and last - start < 60 * args.minutes:
        state.set_rate(args.rate, share, least=0.01)
        if state.step % 2 == 0:
            source.renew(rng)
        side = int(rng.choice(SIDES, p=SIDE_SHARES)) * args.side // 160
        crops = round(args.crops * (args.side / side) ** 2)
        images, target, seen, inner = (part.to(device.torch) for part in source.batch(crops, side, args.marked, rng))
        with device.autocast():
            raw = state.network(images.contiguous(memory_format=torch.channels_last))
        loss, parts = loss_of(raw, target, seen, inner)
        state.descend(loss)
        running.append(parts)
        now = time.monotonic()
        state.step, state.spent, last = state.step + 1, state.spent + now - last, now
        if state.step % 50 == 0:
            means = [round(mean, 4) for mean in torch.stack(running).mean(0).tolist()]
            state.curve.append([state.step, round(state.spent, 1), *means])
            print(f"step {state.step}  {state.spent / 60:.1f} min  foreground, distance, border, offset {means}", flush=True)
            running.clear()
        if now - saved > 120:
            state.save(args.folder / "checkpoint.pt")
            saved = now
    state.save(args.folder / "checkpoint.pt")


def main() -> None:
    """Run until the budget is spent; then write the averaged weights."""
    args = options()
    torch.set_num_threads(args.threads)
    checkpoint = args.folder / "checkpoint.pt"
    if args.export:
        export(checkpoint, args.export)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    state = begin(BandNetwork(), args)
    rng = np.random.default_rng([args.seed, state.step])
    source = Source(args.pool, rng, args.without)
    counts = {name: [len(group) for group in groups] for name, groups in source.sets.items()}
    print(f"{counts}; {choose_device().describe()}; at step {state.step}, {state.spent / 60:.1f} min", flush=True)
    train(state, source, args, rng)
    export(checkpoint, args.folder / "band.safetensors")
    kept: dict[str, Any] = {name: str(value) for name, value in vars(args).items()}
    (args.folder / "record.json").write_text(
        json.dumps({**kept, "shares": source.shares, "steps": state.step, "curve": state.curve}, indent=1)
    )
    print(f"wrote {args.folder / 'band.safetensors'}", flush=True)


if __name__ == "__main__":
    main()
