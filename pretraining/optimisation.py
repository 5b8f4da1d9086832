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

    @classmethod
    def begun(cls, network: torch.nn.Module, rate: float) -> Optimisation:
        """Before the first step."""
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=3e-2)
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

    def set_rate(self, peak: float, share: float, least: float = 0.0) -> None:
        """A linear rise, then half a cosine over the `share` (0 … 1) of the training that is done, to no less than `least` of the peak."""
        for group in self.optimiser.param_groups:
            group["lr"] = peak * min(1.0, (self.step + 1) / WARM_UP) * max(least, 0.5 * (1 + math.cos(math.pi * share)))

    def descend(self, loss: torch.Tensor) -> None:
        """One step down a loss, and the averaged weights a little after it. `step` is the caller's to raise."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        decay = min(DECAY, (self.step + 1) / (self.step + 10))
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                self.averaged[name].lerp_(tensor, 1 - decay)
            else:
                self.averaged[name].copy_(tensor)
