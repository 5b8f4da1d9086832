"""Four ways to tell particles that touch apart: depth map, borders, votes for centres, and star-convex outlines.

All work on the outputs of one network at its working scale. Outlines after U. Schmidt et al., MICCAI 2018: at every second pixel the
probability to be deep inside a particle, and its distance to the outline along rays; the most probable outlines are kept, of those that
overlap one.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.draw import polygon
from skimage.feature import peak_local_max
from skimage.morphology import h_maxima
from skimage.segmentation import watershed
from torch import nn

from napari_temseg.engine.model.band import DECODER, WORKING_SIZE, BandNetwork

RAYS = 16
GRID = 2  # px from one point with rays to the next
LONGEST = 64  # px of a ray at most: rods of ten widths are cut
_VERTICES = 64
_LEAST_SHARE = 0.25  # of an outline that must be left once those above it are painted
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
_ANGLES = 2 * math.pi * np.arange(RAYS) / RAYS


class RayNetwork(nn.Module):
    """The network of one band, and rays (B, 1 + RAYS, Y / 2, X / 2) from the last three levels of its decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.band = BandNetwork()
        wide = sum(DECODER[2:])
        self.rays = nn.Sequential(
            nn.Conv2d(wide, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 1 + RAYS, 1)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw outputs of the band (B, 5, Y, X), and of the rays: a logit, and lengths in half working sizes."""
        levels: list[torch.Tensor] = []
        hooks = [
            block.register_forward_hook(lambda _m, _i, out: levels.append(out)) for block in cast(nn.ModuleList, self.band.decoder.blocks)
        ]
        raw = self.band(x)
        for hook in hooks:
            hook.remove()
        quarter, half, full = levels[2:]
        size = half.shape[2:]
        seen = torch.cat([F.interpolate(quarter, size=size, mode="bilinear"), half, F.avg_pool2d(full, 2)], 1)
        rays = self.rays(seen)
        return raw, torch.cat([rays[:, :1], F.softplus(rays[:, 1:])], 1)


def ray_targets(target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Lengths (B, RAYS, Y / 2, X / 2), in half working sizes, and which of them end inside the crop.

    `target` (B, 5, Y, X) is what the band learns: the way to the middle tells which pixels are of one particle.
    """
    n, _, height, width = target.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    middle = [torch.round(2 * (grid + target[:, 3 + axis] * WORKING_SIZE)).long() for axis, grid in ((0, y), (1, x))]
    particle = torch.where(target[:, 0] > 0.5, (middle[0] + 4096) * 16384 + middle[1] + 4096, 0)
    points = (particle[:, ::GRID, ::GRID] > 0).nonzero()
    own = particle[:, ::GRID, ::GRID][tuple(points.T)]
    lengths, ends = (
        torch.zeros(n, RAYS, height // GRID, width // GRID),
        torch.zeros(n, RAYS, height // GRID, width // GRID, dtype=torch.bool),
    )
    flat = particle.reshape(-1)
    for ray, angle in enumerate(_ANGLES.tolist()):
        length, alive = torch.full((len(points),), float(LONGEST)), torch.arange(len(points))
        inside = torch.zeros(len(points), dtype=torch.bool)
        for step in range(1, LONGEST):
            at = points[alive]
            v, u = (GRID * at[:, 1] + round(step * math.sin(angle)), GRID * at[:, 2] + round(step * math.cos(angle)))
            there = (v >= 0) & (v < height) & (u >= 0) & (u < width)
            same = there & (flat[(at[:, 0] * height + v.clamp(0, height - 1)) * width + u.clamp(0, width - 1)] == own[alive])
            length[alive[~same]] = step - 0.5
            inside[alive[~same & there]] = True
            alive = alive[same]
            if not len(alive):
                break
        lengths[points[:, 0], ray, points[:, 1], points[:, 2]] = length / (WORKING_SIZE / 2)
        ends[points[:, 0], ray, points[:, 1], points[:, 2]] = inside
    return lengths, ends


def ray_loss(rays: torch.Tensor, target: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the depth at the grid's points, and mean distance of the lengths, deep points counting more.

    A ray that leaves the crop counts only where it is too short.
    """
    lengths, ends = ray_targets(target)
    deep, counts = target[:, 1, ::GRID, ::GRID], inner[:, ::GRID, ::GRID]
    probability = (counts * F.binary_cross_entropy_with_logits(rays[:, 0], deep, reduction="none")).sum() / counts.sum().clamp_min(1)
    off = rays[:, 1:] - lengths
    off = torch.where(ends, off.abs(), (-off).clamp_min(0))
    weight = (counts * deep)[:, None]
    return probability + 0.4 * (weight * off).sum() / (weight.sum() * RAYS).clamp_min(1)


def by_depth(foreground: Floats, depth: Floats, height: float) -> Labels:
    """Watershed of the depth from maxima that rise by `height`."""
    inside = foreground > 0.5
    return _flooded(-depth, ndimage.label(h_maxima(depth * inside, height))[0] * inside, inside)


def by_borders(foreground: Floats, border: Floats, least: float) -> Labels:
    """What is left between borders of at least that probability, grown over them."""
    inside = foreground > 0.5
    return _flooded(border, ndimage.label(inside & (border < least))[0], inside)


def by_votes(foreground: Floats, way: Floats, apart: float) -> Labels:
    """Each pixel to the nearest heap of votes for a middle, heaps being so far `apart` (px)."""
    inside = foreground > 0.5
    rows, columns = np.nonzero(inside)
    if not len(rows):
        return np.zeros(inside.shape, np.int32)
    votes = np.stack([rows, columns], 1) + way[:, inside].T * WORKING_SIZE
    cells = np.clip(np.rint(votes).astype(int), 0, np.array(inside.shape) - 1)
    heap = np.zeros(inside.shape)
    np.add.at(heap, tuple(cells.T), 1)
    heap = ndimage.gaussian_filter(heap, 1.5)
    peaks = peak_local_max(heap, min_distance=max(1, round(apart)), threshold_abs=0.25, exclude_border=False)
    labels = np.zeros(inside.shape, np.int32)
    if len(peaks):
        labels[inside] = cKDTree(peaks).query(votes)[1] + 1
    return labels


def by_rays(rays: Floats, least: float, shape: tuple[int, int]) -> Labels:
    """Star-convex outlines of at least that probability, the likelier ones first; what overlaps one by half is the same particle."""
    probability = rays[0]
    peaks = peak_local_max(probability, min_distance=1, threshold_abs=least, exclude_border=False)
    labels, areas = np.zeros(shape, np.int32), [0]
    turn = 2 * math.pi * np.arange(_VERTICES) / _VERTICES
    for y, x in peaks:
        radius = np.interp(turn, [*_ANGLES, 2 * math.pi], [*rays[1:, y, x], rays[1, y, x]]) * WORKING_SIZE / 2
        pixels = polygon(GRID * y + radius * np.sin(turn), GRID * x + radius * np.cos(turn), shape)
        area = len(pixels[0])
        taken = np.bincount(labels[pixels], minlength=len(areas))
        rivals = taken[1:] / np.maximum(np.minimum(area, areas[1:]), 1)
        if area < 4 or (len(rivals) and rivals.max() > 0.5) or taken[0] < _LEAST_SHARE * area:
            continue
        free = labels[pixels] == 0
        labels[pixels[0][free], pixels[1][free]] = len(areas)
        areas.append(area)
    return labels


def grown(labels: Labels, foreground: Floats) -> Labels:
    """Outlines by the foreground: what a way found are seeds in it."""
    inside = foreground > 0.5
    return _flooded(-foreground, np.where(inside, labels, 0), inside)


def _flooded(level: Floats, seeds: Labels, inside: npt.NDArray[np.bool_]) -> Labels:
    pieces, n = ndimage.label(inside)
    unseeded = np.setdiff1d(np.arange(1, n + 1), pieces[seeds > 0])
    seeds = np.where(np.isin(pieces, unseeded), pieces + int(seeds.max()), seeds)
    return np.asarray(watershed(level, seeds, mask=inside), np.int32)
