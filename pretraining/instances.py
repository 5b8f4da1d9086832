"""Which way tells particles that touch apart best: one training with an equal share for each way, all heads new, judged on tune parts.

    python pretraining/instances.py --start weights.safetensors --steps 900 --folder runs/instances   # trains, resumes, then judges

Depth map, borders, centres and offsets, and star-convex outlines (object probability and rays) hang on one decoder, so that each has the
same steps, crops and features. What each way leaves to choose is chosen on train parts. Everything is decoded at the working scale and
enlarged.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import band_samples
from band import table
from band_sets import SETS, Case, emps, of_instances, score, summary
from instance_ways import Floats, Labels, RayNetwork, by_borders, by_depth, by_rays, by_votes, grown, ray_loss
from napari_temseg.engine.model.band import OUTPUTS, WORKING_SIZE, band_inputs, start_from
from napari_temseg.engine.model.device import choose_device
from napari_temseg.engine.model.segmenter import Normalisation
from optimisation import Optimisation
from train_band import Source, loss_of

SIDE, CROPS = 160, 12
CHOICES: dict[str, tuple[float, ...]] = {
    "depth": (0.03, 0.06, 0.1, 0.16, 0.25),
    "borders": (0.2, 0.35, 0.5, 0.65),
    "votes": (2, 3, 4, 6),
    "rays": (0.25, 0.35, 0.45, 0.55),
    "rays, outlines by the foreground": (0.25, 0.35, 0.45, 0.55),
}
SCENES = 24


def begun(start: Path, rate: float) -> Optimisation:
    """A network with the trunk of `start` and new heads."""
    torch.manual_seed(0)
    network = RayNetwork()
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in load_file(start).items()}
    start_from(network.band, {name: t for name, t in tensors.items() if not name.startswith("segmentation_head")})
    network.train()
    return Optimisation.begun(network.to(memory_format=torch.channels_last), rate)  # type: ignore[call-overload]


def train(state: Optimisation, args: argparse.Namespace) -> None:
    """Until the steps are done; a checkpoint every two minutes."""
    rng = np.random.default_rng([1, state.step])
    source = Source(args.pool, rng)
    source.shares, source.sets["other"] = (
        {"emps": 8, "simulated": 6, "other": 2},
        source.sets["other"][:2],
    )  # outlines of single particles only
    saved, device = time.monotonic(), choose_device()
    while (share := state.step / args.steps) < 1:
        state.set_rate(args.rate, share, least=0.01)
        source.renew(rng)
        images, target, seen, inner = source.batch(CROPS, SIDE, 0.2, rng)
        with device.autocast():
            raw, rays = state.network(images.contiguous(memory_format=torch.channels_last))
        loss, parts = loss_of(raw, target, seen, inner)
        further = ray_loss(rays.float(), target, inner)
        state.descend(loss + further)
        state.step += 1
        if state.step % 50 == 0:
            print(f"step {state.step}: {[round(part, 3) for part in parts.tolist()]}, rays {further.item():.3f}", flush=True)
        if time.monotonic() - saved > 120:
            state.save(args.folder / "checkpoint.pt")
            saved = time.monotonic()
    state.save(args.folder / "checkpoint.pt")


def outputs(network: nn.Module, case: Case) -> dict[str, Floats]:
    """What the network says of a picture at the size that is told."""
    plane = torch.from_numpy(Normalisation().apply(case.image))[None, None]
    zoom = WORKING_SIZE / case.size
    shape = tuple(max(32, round(n * zoom)) for n in case.image.shape)
    small = torch.nn.functional.interpolate(plane, size=shape, mode="bilinear", align_corners=False, antialias=True)[0, 0].numpy()
    below = [(0, -n % 32) for n in shape]
    inputs = torch.from_numpy(np.pad(band_inputs(small).numpy(), [(0, 0), (0, 0), *below], mode="symmetric"))
    with choose_device().autocast():
        raw, rays = network(inputs)
    raw, rays = raw[0, :, : shape[0], : shape[1]].float(), rays[0].float()
    sure = torch.sigmoid(raw[:3]).numpy()
    far = torch.cat([torch.sigmoid(rays[:1]), rays[1:]]).numpy()
    return {**dict(zip(OUTPUTS, sure, strict=False)), "way": raw[3:].numpy(), "rays": far}


def ways(out: dict[str, Floats]) -> dict[str, Callable[[float], Labels]]:
    """Each way as a function of what it leaves to choose."""
    foreground = out["foreground"]
    shape = (foreground.shape[0], foreground.shape[1])
    return {
        "depth": lambda h: by_depth(foreground, out["distance"], h),
        "borders": lambda p: by_borders(foreground, out["border"], p),
        "votes": lambda px: by_votes(foreground, out["way"], px),
        "rays": lambda p: by_rays(out["rays"], p, shape),
        "rays, outlines by the foreground": lambda p: grown(by_rays(out["rays"], p, shape), foreground),
    }


def enlarged(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """Labels at the scale of the picture."""
    rows, columns = (np.minimum((np.arange(n) + 0.5) * m / n, m - 1).astype(int) for n, m in zip(shape, labels.shape, strict=True))
    return np.asarray(labels[rows[:, None], columns[None]], np.int32)


def crowded(seed: int) -> list[Case]:
    """Simulated pictures in which particles lie on one another."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < SCENES:
        entry = band_samples.crowded(320, rng)
        if entry.labels.max() >= 8:
            grey = np.clip(128 + 40 * entry.plane, 0, 255).astype(np.uint8)
            found.append(of_instances("simulated, overlapping", str(len(found)), grey, entry.labels, 0))
    return found


def judge(network: nn.Module) -> None:
    """Choose on train parts, print a table for each group of tune."""
    quality: dict[tuple[str, float], list[float]] = {}
    for case in [*emps("train")[::10], *crowded(11)]:
        for way, decode in ways(outputs(network, case)).items():
            for choice in CHOICES[way]:
                quality.setdefault((way, choice), []).append(score(case, enlarged(decode(choice), case.image.shape))["PQ"])
    best = {way: max(CHOICES[way], key=lambda choice: float(np.mean(quality[way, choice]))) for way in CHOICES}
    print(
        "chosen on train parts:",
        {way: (choice, round(float(np.mean(quality[way, choice])), 3)) for way, choice in best.items()},
        flush=True,
    )
    cases = [case for name in ("emps", "tio2", "powder", "superalloy") for case in SETS[name]()] + crowded(12)
    groups: dict[str, dict[str, list[dict[str, float]]]] = {}
    for case in cases:
        for way, decode in ways(outputs(network, case)).items():
            start = time.process_time()
            labels = enlarged(decode(best[way]), case.image.shape)
            spent = time.process_time() - start
            groups.setdefault(case.group, {}).setdefault(way, []).append({**score(case, labels), "s": spent})
    for group, rows in groups.items():
        print(
            f"\n**{group}**\n\n"
            + table({way: {**summary(found), "s": float(np.median([r["s"] for r in found]))} for way, found in rows.items()})
        )


def main() -> None:
    """Train on, then judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--pool", type=int, default=80)
    parser.add_argument("--folder", type=Path, default=Path("runs/instances"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    state = begun(args.start, args.rate)
    if (args.folder / "checkpoint.pt").exists():
        state.load(args.folder / "checkpoint.pt")
    train(state, args)
    network = RayNetwork()
    network.load_state_dict(state.averaged)
    with torch.inference_mode():
        judge(network.eval())


if __name__ == "__main__":
    main()
