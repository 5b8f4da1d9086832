"""Losses on labelled pixels, holding on to a starting model where nobody labelled, and how well a network does on labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS

FOCAL_GAMMA = 2.0
HELD_FOREGROUND = 0.5  # of what is held to a starting model: what it takes for particles, however little of a picture that is
DRAWN_DEPTH = 0.6  # depth that a stroke on a particle stands for at least


def supervised(logits: torch.Tensor, labels: torch.Tensor, kind: str) -> torch.Tensor:
    """Loss over labelled pixels, balanced over classes; 0 where nothing is labelled.

    `logits` (B, K, Y, X) float32, `labels` (B, Y, X) integer: 0 unlabelled, c the class of channel c − 1. `kind`: "cross-entropy",
    "focal" (Lin et al. 2017, arXiv 1708.02002, γ = 2), "dice", or two of them joined by "+".
    """
    seen = labels > 0
    if not bool(seen.any()):
        return logits.sum() * 0.0
    picked = logits.permute(0, 2, 3, 1)[seen]
    target = labels[seen].long() - BACKGROUND
    return torch.stack([_TERMS[term](picked, target) for term in kind.split("+")]).sum()


def _weights(target: torch.Tensor, n_classes: int) -> torch.Tensor:
    """One weight a pixel: the inverse square root of its class's share. Full balance would tilt edges towards the rare class."""
    counts = torch.bincount(target, minlength=n_classes).float()
    return counts.clamp_min(1).rsqrt()[target]


def _cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    weight = _weights(target, logits.shape[1])
    return (weight * F.cross_entropy(logits, target, reduction="none")).sum() / weight.sum()


def _focal(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    weight = _weights(target, logits.shape[1])
    surprise = F.cross_entropy(logits, target, reduction="none")
    return (weight * (1 - torch.exp(-surprise)) ** FOCAL_GAMMA * surprise).sum() / weight.sum()


def _dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = torch.softmax(logits, dim=1)
    truth = F.one_hot(target, logits.shape[1]).to(p.dtype)
    score = (2 * (p * truth).sum(0) + 1) / (p.sum(0) + truth.sum(0) + 1)
    return 1 - score[1:].mean()


_TERMS = {"cross-entropy": _cross_entropy, "focal": _focal, "dice": _dice}


def held(logits: torch.Tensor, start: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to the starting model's soft prediction on unlabelled pixels (distillation; Hinton et al. 2015, arXiv 1503.02531).

    `logits` (B, K, Y, X); `start` (B, K', Y, X) probabilities with K' ≤ K. Where the training adds classes, only background against
    foreground is held: the starting model cannot know which foreground a new class is.
    """
    free = (labels == 0).to(logits.dtype)
    if start.shape[1] != logits.shape[1]:
        start = torch.cat([start[:, :1], start[:, 1:].sum(1, keepdim=True)], dim=1)
        logits = torch.cat([logits[:, :1], torch.logsumexp(logits[:, 1:], dim=1, keepdim=True)], dim=1)
    surprise = -(start * F.log_softmax(logits, dim=1)).sum(1)
    rest = start[:, 0] * free
    particles = free - rest
    there = torch.stack([HELD_FOREGROUND * (particles.sum() > 0), (1 - HELD_FOREGROUND) * (rest.sum() > 0)])
    return (there * torch.stack([_mean(surprise, particles), _mean(surprise, rest)])).sum() / there.sum().clamp_min(1e-6)


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-6)


def drawn_depth(start: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Depth (B, A, Y, X) of the starting model, corrected by strokes: 0 on background, at least `DRAWN_DEPTH` where a particle was drawn.

    Strokes do not tell how deep they lie; but people draw through the middle, and a particle held at the depth of a model that did
    not see it would be dropped as uncertain. `labels` (B, Y, X): 0 where nothing was drawn.
    """
    drawn = labels[:, None]
    least = torch.where(drawn >= FIRST_CLASS, start.clamp_min(DRAWN_DEPTH), start)
    return torch.where(drawn == BACKGROUND, torch.zeros_like(start), least)


def maps(
    raw: torch.Tensor, target: torch.Tensor, known: torch.Tensor, start: torch.Tensor | None, asked: torch.Tensor | None = None
) -> torch.Tensor:
    """Binary cross-entropy of auxiliary logits (B, A, Y, X) to `target` (B, 1, Y, X) where `known`, else to `start` if there is one.

    `asked` (B, 1, Y, X): 1 where the starting model was asked, 0 where `start` says nothing; by default it was asked everywhere.
    """
    if start is not None:
        target, known = torch.where(known > 0, target, start), torch.ones_like(known) if asked is None else torch.maximum(known, asked)
    surprise = F.binary_cross_entropy_with_logits(raw, target.expand_as(raw).clamp(0, 1), reduction="none")
    return (surprise * known).sum() / (known.sum() * raw.shape[1]).clamp_min(1)


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
