"""How well a network does on labels: loss, pixel accuracy and foreground IoU."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from napari_temseg.engine.types.results import FIRST_CLASS


@dataclass
class TrainingMetrics:
    """Loss, pixel accuracy and foreground IoU over labelled pixels, pooled over batches."""

    loss: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # labelled, correct, intersection, union

    def add(self, loss: float, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in a batch: logits (B, K, Y, X), labels (B, Y, X) with 0 where nothing is labelled."""
        found, seen = logits.argmax(1) + 1, labels > 0
        particle, truth = found >= FIRST_CLASS, labels >= FIRST_CLASS
        parts = (seen, (found == labels) & seen, particle & truth & seen, (particle | truth) & seen)
        self.counts = [total + int(part.sum()) for total, part in zip(self.counts, parts, strict=True)]
        self.loss.append(loss)

    def result(self, part: str) -> dict[str, float]:
        """`PART_loss`, `PART_accuracy`, `PART_iou`; NaN where there was nothing to judge."""
        labelled, correct, both, either = self.counts
        values = {"loss": float(np.mean(self.loss)) if self.loss else math.nan}
        values["accuracy"] = correct / labelled if labelled else math.nan
        values["iou"] = both / either if either else math.nan
        return {f"{part}_{name}": value for name, value in values.items()}
