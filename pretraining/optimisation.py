"""What the trainings of shipped weights share: steps of AdamW, averaged weights, checkpoints that a run goes on from."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch

DECAY = 0.999
WARM_UP = 200  # steps
KEPT = ("averaged", "step", "spent", "curve")


@dataclass(eq=False)
class Optimisation:
    """All that a checkpoint holds; `spent` in s, `curve` one point every so many steps."""

    network: torch.nn.Module
    optimiser: torch.optim.Optimizer
    averaged: dict[str, torch.Tensor]
    step: int = 0
    spent: float = 0.0
    curve: list[list[float]] = field(default_factory=list)
    _pairs: dict[bool, list[tuple[torch.Tensor, torch.Tensor]]] = field(default_factory=lambda: {True: [], False: []})

    @classmethod
    def begun(cls, network: torch.nn.Module, rate: float) -> Optimisation:
        """Before the first step."""
        device = next(network.parameters()).device
        recorded = {"lr": torch.tensor(rate, device=device), "fused": True, "capturable": True} if device.type == "cuda" else {"lr": rate}
        optimiser = torch.optim.AdamW(network.parameters(), weight_decay=3e-2, **recorded)  # type: ignore[arg-type]
        return cls(network, optimiser, {name: tensor.detach().clone() for name, tensor in network.state_dict().items()})

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        temporary = path.with_suffix(".part")
        parts = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        torch.save({**parts, **{name: getattr(self, name) for name in KEPT}}, temporary)
        os.replace(temporary, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        stored = torch.load(path, map_location=next(self.network.parameters()).device, weights_only=True)
        self.network.load_state_dict(stored["network"])
        self.optimiser.load_state_dict(stored["optimiser"])
        for name in KEPT:
            setattr(self, name, stored[name])
        self._pairs = {True: [], False: []}

    def set_rate(self, peak: float, share: float, least: float = 0.0) -> None:
        """A linear rise, then half a cosine over the `share` (0 … 1) of the training that is done, to no less than `least` of the peak."""
        rate = peak * min(1.0, (self.step + 1) / WARM_UP) * max(least, 0.5 * (1 + math.cos(math.pi * share)))
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):  # read by a recorded step
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def descend(self, loss: torch.Tensor) -> None:
        """One step down a loss, and the averaged weights a little after it. `step` is the caller's to raise."""
        self.optimiser.zero_grad(set_to_none=True)
        self.step_down(loss)
        self.average()

    def step_down(self, loss: torch.Tensor) -> None:
        """One step of the weights, where no gradient is left from before."""
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()

    def average(self) -> None:
        """Take the averaged weights a little after the others."""
        decay = min(DECAY, (self.step + 1) / (self.step + 10))
        if not self._pairs[True]:
            state = self.network.state_dict()
            for name, tensor in state.items():
                self._pairs[tensor.is_floating_point()].append((self.averaged[name], tensor))
        theirs, own = zip(*self._pairs[True], strict=True)
        torch._foreach_lerp_(theirs, own, 1 - decay)
        for counter, counted in self._pairs[False]:
            counter.copy_(counted)
