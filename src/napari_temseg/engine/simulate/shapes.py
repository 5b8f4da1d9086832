"""Convex particle outlines with exact area, Feret diameters, signed depth and projected thickness. Lengths in px.

Positions and directions are (y, x) relative to the centroid; pixel centres lie at whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

SHAPES = ("sphere", "ellipsoid", "faceted", "rod")

_NO_SIDES = np.empty((0, 2))
_TURN = np.linspace(0, 2 * np.pi, 120, endpoint=False)
_NORMALS = np.stack([np.sin(_TURN), np.cos(_TURN)], 1)
_UP_DOWN_LEFT_RIGHT = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])


class Outline:
    """A convex body seen from above. Subclasses give `shape`, `area`, Feret diameters, `reach`, `inner`, `normals`.

    `reach` and `inner` are radii round the centroid of a circle that holds the outline and of one that lies in it; `normals` are
    the directions of its flat sides, (k, 2).
    """

    shape: str
    area: float
    feret_max: float
    feret_min: float
    reach: float
    inner: float
    normals: Array

    def _know(self, area: float, feret_max: float, feret_min: float, reach: float, inner: float, normals: Array) -> None:
        for name, value in zip(
            ("area", "feret_max", "feret_min", "reach", "inner", "normals"),
            (area, feret_max, feret_min, reach, inner, normals),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def support(self, directions: Array) -> Array:
        """Support function: how far the outline reaches in each unit direction; (n, 2) → (n,)."""
        raise NotImplementedError

    def profile(self, y: Array, x: Array) -> tuple[Array, Array]:
        """Signed depth and mean projected thickness (h, w) of the pixels at y (h, 1), x (1, w).

        The depth is ≥ 0 exactly where the pixel centre lies inside; outside, it is minus at most the true distance.
        """
        raise NotImplementedError

    @property
    def ecd(self) -> float:
        """Equivalent circular diameter √(4A/π)."""
        return math.sqrt(4 * self.area / math.pi)

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """How far it reaches up, down, left and right of the centroid."""
        up, down, left, right = self.support(_UP_DOWN_LEFT_RIGHT).tolist()
        return up, down, left, right


def _edge(depth: Array) -> tuple[Array, Array]:
    """Share of each pixel that is covered, and the mean depth of that share: edges without supersampling."""
    inside = np.maximum(depth, 0.5 * depth + 0.25)
    return np.minimum(np.maximum(depth + 0.5, 0), 1), np.maximum(inside, 0)


@dataclass(frozen=True)
class Ellipsoid(Outline):
    """Semi-axes a ≥ b in the picture, the long one turned by `angle` from x towards y, and `half_height` along the beam."""

    a: float
    b: float
    angle: float
    half_height: float
    shape: str = "ellipsoid"

    def __post_init__(self) -> None:
        area = math.pi * self.a * self.b
        self._know(area, 2 * self.a, 2 * self.b, self.a, self.b, _NO_SIDES)

    def support(self, directions: Array) -> Array:  # noqa: D102
        along, across = _turned(directions[:, 0], directions[:, 1], self.angle)
        reach: Array = np.hypot(self.a * along, self.b * across)
        return reach

    def profile(self, y: Array, x: Array) -> tuple[Array, Array]:  # noqa: D102
        along, across = _turned(y, x, self.angle)
        u2, v2 = (along / self.a) ** 2, (across / self.b) ** 2
        level = np.sqrt(u2 + v2 + 1e-18)  # 1 on the outline; the small term keeps the centre finite
        distance = level / np.sqrt(u2 / self.a**2 + v2 / self.b**2 + 1e-18 / self.b**2)
        depth = (1 - level) * distance  # first order: exact for a circle, and a lower bound outside since `level` is convex
        cover, inside = _edge(depth)
        return depth, cover * (2 * self.half_height) * np.sqrt(np.maximum(1 - (1 - inside / distance) ** 2, 0))


@dataclass(frozen=True)
class Capsule(Outline):
    """A cylinder of `radius` with round ends, lying flat, its axis `2 * half` long and turned by `angle`; a sphere when `half` is 0."""

    radius: float
    half: float
    angle: float
    shape: str

    def __post_init__(self) -> None:
        r, h = self.radius, self.half
        side = np.array([math.cos(self.angle), -math.sin(self.angle)])
        self._know(math.pi * r * r + 4 * r * h, 2 * (h + r), 2 * r, h + r, r, np.stack([side, -side]) if h else _NO_SIDES)

    def support(self, directions: Array) -> Array:  # noqa: D102
        along, _ = _turned(directions[:, 0], directions[:, 1], self.angle)
        return self.radius + self.half * np.abs(along)

    def profile(self, y: Array, x: Array) -> tuple[Array, Array]:  # noqa: D102
        along, across = _turned(y, x, self.angle)
        depth = self.radius - np.hypot(np.maximum(np.abs(along) - self.half, 0), across)
        cover, inside = _edge(depth)
        return depth, 2 * cover * np.sqrt(np.maximum(inside * (2 * self.radius - inside), 0))


@dataclass(frozen=True)
class Faceted(Outline):
    """A convex plate with corners `vertices` (k, 2) in order, of even `height` along the beam, bevelled over `bevel` px from its edges."""

    vertices: Array
    height: float
    bevel: float
    offsets: Array = field(init=False)  # distance of each side from the centroid
    shape: str = "faceted"

    def __post_init__(self) -> None:
        sides = self.vertices[_following(self.vertices)] - self.vertices
        normals = np.stack([sides[:, 1], -sides[:, 0]], 1) / np.hypot(sides[:, 0], sides[:, 1])[:, None]
        offsets = np.sum(normals * self.vertices, 1)
        normals *= np.sign(offsets)[:, None]
        offsets = np.abs(offsets)
        object.__setattr__(self, "offsets", offsets)
        across = normals @ self.vertices.T
        least_width = np.min(offsets - across.min(1))  # the least width of a polygon lies across one of its sides
        y, x = self.vertices.T
        spans = np.hypot(y[:, None] - y, x[:, None] - x)
        self._know(
            abs(_signed_area(self.vertices)),
            float(spans.max()),
            float(least_width),
            float(np.hypot(y, x).max()),
            float(offsets.min()),
            normals,
        )

    def support(self, directions: Array) -> Array:  # noqa: D102
        furthest: Array = np.max(directions @ self.vertices.T, 1)
        return furthest

    def profile(self, y: Array, x: Array) -> tuple[Array, Array]:  # noqa: D102
        rows = self.offsets[:, None] - self.normals[:, :1] * y.ravel()
        columns = self.normals[:, 1:] * x.ravel()
        depth: Array = np.min(rows[:, :, None] - columns[:, None, :], 0)
        cover, inside = _edge(depth)
        return depth, cover * self.height * np.minimum(inside / max(self.bevel, 1e-6), 1)


def _turned(y: Array, x: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along and across an axis turned by `angle` from x towards y."""
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _following(vertices: Array) -> npt.NDArray[np.intp]:
    return np.arange(1, len(vertices) + 1) % len(vertices)


def _signed_area(vertices: Array) -> float:
    """Shoelace formula."""
    following = vertices[_following(vertices)]
    return float(np.sum(vertices[:, 1] * following[:, 0] - vertices[:, 0] * following[:, 1])) / 2


def random_outline(shape: str, ecd: float, rng: np.random.Generator) -> Outline:
    """An outline of the named shape with random proportions and orientation and the given equivalent circular diameter."""
    angle = rng.uniform(0, math.pi)
    if shape == "sphere":
        return Capsule(ecd / 2, 0.0, 0.0, shape)
    if shape == "ellipsoid":
        stretch = math.sqrt(rng.uniform(1.15, 2.2))
        a, b = stretch * ecd / 2, ecd / 2 / stretch
        return Ellipsoid(a, b, angle, b * rng.uniform(0.8, 1.2))
    if shape == "rod":
        aspect = rng.uniform(2, 6)
        radius = ecd / 2 * math.sqrt(math.pi / (math.pi + 4 * (aspect - 1)))
        return Capsule(radius, radius * (aspect - 1), angle, shape)
    vertices = _random_polygon(rng) * ecd / 2
    inradius = ecd / 2.6
    return Faceted(vertices, ecd * rng.uniform(0.4, 0.9), inradius * max(0.0, rng.uniform(-0.2, 0.6)))


def _random_polygon(rng: np.random.Generator) -> Array:
    """Vertices of a convex polygon of area π about its centroid: square, hexagon, cut triangle or irregular."""
    kind, start = rng.integers(4), rng.uniform(0, 2 * math.pi)
    if kind == 0:
        angles = np.arange(4) * (math.pi / 2)
    elif kind == 1:
        angles = np.arange(6) * (math.pi / 3)
    elif kind == 2:
        cut = rng.uniform(0.1, 0.4)
        angles = np.sort(np.concatenate([np.arange(3) * (2 * math.pi / 3) + side * cut for side in (-1, 1)]))
    else:
        corners = int(rng.integers(4, 9))
        angles = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * (2 * math.pi / corners)
    # Points in order on an ellipse are always the corners of a convex polygon.
    y, x = np.sin(angles) * rng.uniform(0.75, 1.0) ** (kind == 3), np.cos(angles)
    vertices = np.stack(_turned(y, x, start)[::-1], 1)
    following = vertices[_following(vertices)]
    cross = vertices[:, 1] * following[:, 0] - vertices[:, 0] * following[:, 1]
    area = cross.sum() / 2
    centroid = np.sum((vertices + following) * cross[:, None], 0) / (6 * area)
    centred: Array = (vertices - centroid) * math.sqrt(math.pi / abs(area))
    return centred


def contact_distances(lower: Outline, upper: Outline, directions: Array) -> Array:
    """How far from the centre of `lower`, along unit `directions` (m, 2), the centre of `upper` lies when the two just touch; (m,).

    Two convex bodies are apart when some line separates them, so it is the least of (h_lower(n) + h_upper(−n)) / (n·direction).
    """
    normals = np.concatenate([_NORMALS, lower.normals, -upper.normals])
    facing = normals @ directions.T
    reach = lower.support(normals) + upper.support(-normals)
    nearest: Array = np.min(reach[:, None] / np.maximum(facing, 1e-3), 0)
    return nearest
