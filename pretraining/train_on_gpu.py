"""Train the network of one band on one GPU, by the clock: cutting in processes, all else of the crops on the device.

    python pretraining/prepare_data.py prepared          # the train parts alone, within 40 MB, to take along
    TEMSEG_DATA=prepared python pretraining/train_on_gpu.py --minutes 9 --start band.safetensors --folder runs/gpu

Averaged weights are written as they are when parts of the time are over (`50.safetensors`, `75.safetensors`, `band.safetensors`), a
checkpoint every minute: the same command goes on from it.
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from band_crops import MARGIN, SIDES
from crop_feed import PART, Feed, Plan
from device_crops import Marks, finished, on_device
from napari_temseg.engine.model.band_network import BandNetwork
from optimisation import Optimisation
from train_band import SHARES, begin, export, loss_of

SNAPSHOTS = (0.5, 0.75)  # of the time
Batch = tuple[torch.Tensor, ...]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="of training in all, loading included")
    parser.add_argument("--start", type=Path, help="weights to go on from (.safetensors): what fits is taken")
    parser.add_argument("--folder", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--shares", type=json.loads, default=SHARES, help="of the kinds of pictures, as JSON")
    parser.add_argument("--parts", type=int, default=6, help=f"of {PART} crops in a batch")
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--pool", type=int, default=24, help="simulated scenes that each process holds at a time")
    parser.add_argument("--marked", type=float, default=0.3, help="share of crops with letters, bars, arrows, grid bars burnt in")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Ahead:
    """Batches that are finished on the device before they are needed, beside the steps (a CUDA stream of its own)."""

    def __init__(self, feed: Feed, marks: dict[int, Marks], device: torch.device, rng: np.random.Generator) -> None:
        self.feed, self.marks, self.device, self.rng = feed, marks, device, rng
        self.ready: queue.Queue[Batch] = queue.Queue(3)
        self.stream, self.steps_stream = (torch.cuda.Stream(), torch.cuda.current_stream()) if device.type == "cuda" else (None, None)
        self.working = threading.Lock()  # a step is not recorded meanwhile
        self.filling = ThreadPoolExecutor(1).submit(self._fill)

    def _fill(self) -> None:
        while True:
            side, arrays = self.feed.batch()
            with self.working:
                batch = self._finished(side, arrays)
            self.ready.put(batch)

    def _finished(self, side: int, arrays: dict[str, npt.NDArray[Any]]) -> Batch:
        if self.steps_stream is None:
            return self._spoilt(side, arrays)
        with torch.cuda.stream(self.stream):
            batch = self._spoilt(side, arrays)
            for tensor in batch:
                tensor.record_stream(self.steps_stream)
            self.stream.synchronize()
        return batch

    def _spoilt(self, side: int, arrays: dict[str, npt.NDArray[Any]]) -> Batch:
        images, *others = finished(on_device(arrays, self.device), self.marks[side], self.rng)
        return images.contiguous(memory_format=torch.channels_last), *others

    def batch(self) -> Batch:
        """The next one: input, target and the two weights. What broke the filling is raised here."""
        while True:
            try:
                return self.ready.get(timeout=5)
            except queue.Empty:
                if self.filling.done():
                    self.filling.result()


class Learner:
    """Steps of a network; on a GPU recorded ones (CUDA graphs), one for each side of crops, or launching would take longer than
    computing."""

    def __init__(self, state: Optimisation, rate: float, others: threading.Lock) -> None:
        self.state, self.rate, self.others = state, rate, others
        self.device = next(state.network.parameters()).device
        self.recorded: dict[int, tuple[torch.cuda.CUDAGraph, Batch, torch.Tensor]] = {}
        self.losses: list[torch.Tensor] = []
        state.network.train()

    def step(self, batch: Batch, share: float, spent: float) -> None:
        """Learn from one batch, when `share` of the time is over."""
        state, side = self.state, batch[0].shape[-1]
        state.set_rate(self.rate, share, least=0.01)
        if self.device.type != "cuda":
            parts = self._once(batch)
        elif side in self.recorded:
            graph, inputs, parts = self.recorded[side]
            for mine, given in zip(inputs, batch, strict=True):
                mine.copy_(given)
            graph.replay()
        else:
            with self.others:
                torch.cuda.synchronize()
                parts = self._record(side, batch)
        state.average()
        state.step, state.spent = state.step + 1, spent
        self.losses.append(parts.clone())

    def _once(self, batch: Batch) -> torch.Tensor:
        self.state.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda", cache_enabled=False):
            raw = self.state.network(batch[0])
        loss, parts = loss_of(raw, *batch[1:])
        self.state.step_down(loss)
        return parts

    def _record(self, side: int, batch: Batch) -> torch.Tensor:
        inputs = tuple(one.clone() for one in batch)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._once(inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self.state.optimiser.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            parts = self._once(inputs)
        self.recorded[side] = graph, inputs, parts
        graph.replay()
        return parts

    def report(self, seconds: float, steps: int, waited: float) -> None:
        """A line."""
        means = [round(mean, 4) for mean in torch.stack(self.losses).mean(0).tolist()]
        self.state.curve.append([self.state.step, round(self.state.spent, 1), *means])
        self.losses.clear()
        print(f"{seconds:.0f} s: step {self.state.step}, {steps / seconds:.1f} steps/s, waited {waited:.0f} s  {means}", flush=True)

    def save(self, folder: Path, name: str) -> None:
        """A checkpoint, and the averaged weights under a name."""
        self.state.save(folder / "checkpoint.pt")
        export(folder / "checkpoint.pt", folder / f"{name}.safetensors")
        (folder / "record.json").write_text(json.dumps({"steps": self.state.step, "curve": self.state.curve}))


def train(learner: Learner, ahead: Ahead, args: argparse.Namespace, started: float) -> None:
    """Until the time is over."""
    before, begun, waited, steps, saved = learner.state.spent, time.monotonic(), 0.0, 0, time.monotonic()
    snapshots = [share for share in SNAPSHOTS if share > before / (60 * args.minutes)]
    while True:
        now = time.monotonic()
        spent = before + now - started
        if (share := spent / (60 * args.minutes)) >= 1:
            break
        batch = ahead.batch()
        waited += time.monotonic() - now
        learner.step(batch, share, spent)
        steps += 1
        if steps in (1, 10) or steps % 250 == 0:
            learner.report(time.monotonic() - begun, steps, waited)
        if snapshots and share > snapshots[0]:
            learner.save(args.folder, f"{100 * snapshots.pop(0):.0f}")
        elif now - saved > 60:
            learner.save(args.folder, "band")
            saved = now
    learner.save(args.folder, "band")


def main() -> None:
    """Run until the time is over."""
    args = options()
    started = time.monotonic()
    args.folder.mkdir(parents=True, exist_ok=True)
    feed = Feed(Plan(args.workers, args.seed, args.pool, args.marked, args.shares), args.parts)  # before the device is touched
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    state = begin(BandNetwork(), args)
    rng = np.random.default_rng(args.seed)
    marks = {side: Marks(side + 2 * MARGIN, 300, device, rng) for side in SIDES}
    print(f"{device}; at step {state.step}; ready after {time.monotonic() - started:.0f} s", flush=True)
    ahead = Ahead(feed, marks, device, rng)
    train(Learner(state, args.rate, ahead.working), ahead, args, started)
    feed.close()


if __name__ == "__main__":
    main()
