"""Processes that cut parts out of real and simulated pictures for a training on another device, and the memory they share with it."""

from __future__ import annotations

import multiprocessing as mp
import os
from dataclasses import dataclass, fields
from multiprocessing.sharedctypes import RawArray
from queue import Empty
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import band_samples
from band_crops import MARGIN, SIDE_SHARES, SIDES, chosen
from band_samples import Sample
from device_crops import Cuts

PART = 16  # crops of 160 px in what a process hands over at once; as many more or fewer of another side as make up the same area
MOST_PIXELS = max(round(PART * (160 / side) ** 2) * (side + 2 * MARGIN) ** 2 for side in SIDES)
MOST_PARTICLES = 16384
TEACHES = {"instances": 0, "boxes": 1, "foreground": 2}
NAMES = tuple(field.name for field in fields(Cuts))


def crops_of(side: int) -> int:
    """In one part."""
    return round(PART * (160 / side) ** 2)


def cut_out(
    groups: dict[str, list[list[Sample]]], shares: dict[str, int], side: int, marked: float, rng: np.random.Generator
) -> dict[str, Any]:
    """One part as arrays, in the order of `Cuts`; kinds as `shares` says."""
    n, window = crops_of(side), side + 2 * MARGIN
    out: dict[str, Any] = {
        "image": np.empty((n, window, window), np.float16),
        "particles": np.zeros((n, window, window), np.int16),
        "counts": np.empty((n, window, window), np.float16),
        "here": np.empty((n, 4), np.int64),
        **{name: np.empty(n, np.float32) for name in ("told", "background", "teaches", "marked")},
    }
    table = [np.zeros((1, 3), np.float32)]
    kinds = rng.choice(list(shares), n, p=np.array(list(shares.values())) / sum(shares.values()))
    for index, kind in enumerate(kinds):
        group = groups[kind][int(rng.integers(len(groups[kind])))]
        entry = group[int(rng.integers(len(group)))]
        part = chosen(entry, side, rng, MARGIN)
        where = part.where
        present = np.unique(part.labels)
        present = present[part.inside[present]]
        numbers = np.zeros(len(part.inside), np.int16)
        numbers[present] = sum(map(len, table)) + np.arange(len(present))
        scale = np.array(where.scaled) / np.array(where.length)
        middle = (entry.centre[present] - np.array(where.first) + 0.5) * scale - 0.5 + np.array(where.at)
        table.append(np.column_stack([middle, entry.depth[present] * np.sqrt(scale.prod())]).astype(np.float32))
        out["image"][index], out["counts"][index] = part.image, part.counts
        out["particles"][index] = numbers[part.labels]
        out["here"][index] = (*where.at, *where.scaled)
        out["told"][index], out["background"][index] = part.told, entry.background
        out["teaches"][index], out["marked"][index] = TEACHES[entry.teaches], marked / 2 if kind == "simulated" else marked
    out["table"] = np.concatenate(table)
    return out


class Slots:
    """Places in shared memory, each for one part: a free one is filled by a process and emptied by the training."""

    def __init__(self, n: int) -> None:
        size = MOST_PIXELS * 6 + MOST_PARTICLES * 12 + 4096 * 12
        self.memory = [RawArray("b", size) for _ in range(n)]
        self.free, self.full = mp.Queue(), mp.Queue()  # type: ignore[var-annotated]
        for index in range(n):
            self.free.put(index)

    def put(self, side: int, part: dict[str, npt.NDArray[Any]]) -> None:
        """Wait for a free place and fill it."""
        index = self.free.get()
        view, at, layout = np.frombuffer(self.memory[index], np.uint8), 0, []
        for name, array in part.items():
            raw = np.ascontiguousarray(array).view(np.uint8).ravel() if array.size else np.zeros(0, np.uint8)
            view[at : at + len(raw)] = raw
            layout.append((name, array.dtype.str, array.shape, at))
            at += -(-len(raw) // 16) * 16
        self.full.put((index, side, layout))

    def take(self) -> tuple[int, dict[str, npt.NDArray[Any]]]:
        """Wait for a full place; its side, and arrays of one's own."""
        index, side, layout = self.full.get()
        arrays = {}
        for name, kind, shape, at in layout:
            count = int(np.prod(shape))
            arrays[name] = np.frombuffer(self.memory[index], kind, count, at).reshape(shape).copy()
        self.free.put(index)
        return side, arrays


@dataclass(frozen=True)
class Plan:
    """What a process needs to know."""

    workers: int
    seed: int
    pool: int
    marked: float
    shares: dict[str, int]


def work(number: int, plan: Plan, slots: Slots, stop: Any) -> None:
    """One process: its share of the real pictures, its own simulated ones, parts until it is told to stop."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([plan.seed, number, os.getpid()])

    groups: dict[str, list[list[Sample]]] = {
        "simulated": [[band_samples.simulated(rng) for _ in range(plan.pool)]],
        "emps": [band_samples.emps(every=plan.workers, first=number)],
        "catalysts": [band_samples.catalysts()],
        "other": [
            band_samples.superalloy(every=3, first=number % 3),
            band_samples.powder(every=3, first=number % 3),
            band_samples.sintering(every=5, first=number % 5),
        ],
    }
    upright = list(groups["emps"][0])
    while not stop.is_set():
        pool, emps = groups["simulated"][0], groups["emps"][0]
        for _ in range(2):
            pool[int(rng.integers(len(pool)))] = band_samples.simulated(rng)
        index = int(rng.integers(len(emps)))
        emps[index] = upright[index] if rng.random() < 0.25 else band_samples.turned(upright[index], rng)
        for _ in range(4):
            side = int(rng.choice(SIDES, p=SIDE_SHARES))
            slots.put(side, cut_out(groups, plan.shares, side, plan.marked, rng))


class Feed:
    """Batches of several parts of one side, from processes of its own."""

    def __init__(self, plan: Plan, parts: int) -> None:
        self.plan, self.parts = plan, parts
        self.slots, self.stop = Slots(6 * plan.workers), mp.Event()
        self.processes = [mp.Process(target=work, args=(n, plan, self.slots, self.stop), daemon=True) for n in range(plan.workers)]
        for process in self.processes:
            process.start()
        self.waiting: dict[int, list[dict[str, npt.NDArray[Any]]]] = {side: [] for side in SIDES}

    def batch(self) -> tuple[int, dict[str, npt.NDArray[Any]]]:
        """The next batch that is whole: its side and its arrays."""
        while True:
            side, part = self.slots.take()
            self.waiting[side].append(part)
            if len(self.waiting[side]) == self.parts:
                parts, self.waiting[side] = self.waiting[side], []
                return side, joined(parts)

    def close(self) -> None:
        """End the processes."""
        self.stop.set()
        for process in self.processes:
            process.terminate()
        try:
            while True:
                self.slots.full.get_nowait()
        except Empty:
            pass


def joined(parts: list[dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Several parts as one; particles are rows of the joined table, mixed so that no kind keeps together."""
    out = {name: np.concatenate([part[name] for part in parts]) for name in NAMES if name not in ("particles", "table")}
    starts = np.cumsum([0] + [len(part["table"]) for part in parts])
    out["particles"] = np.concatenate(
        [
            np.where(part["particles"] > 0, part["particles"].astype(np.int32) + start, 0)
            for part, start in zip(parts, starts[:-1], strict=True)
        ]
    ).astype(np.int32)
    out["table"] = np.concatenate([part["table"] for part in parts])
    return out
