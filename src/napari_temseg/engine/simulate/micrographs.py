"""Simulated micrographs with exact truth: every particle is an analytic outline, drawn in its own small window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.simulate.imaging import bar_rows, burn_overlays, detected, expected_signal
from napari_temseg.engine.simulate.shapes import SHAPES, Array, Outline, contact_distances, random_outline
from napari_temseg.engine.types.config import SimulateConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph, Source
from napari_temseg.engine.types.results import BACKGROUND, FIRST_CLASS

_SMALLEST, _LARGEST = 4.0, 600.0
_GAP = 2.0  # px between particles that are placed apart
_TRIES = 36  # positions tried for a particle
_HOSTS = 5  # particles at which contact is tried
_PATIENCE = 60  # particles of a group in a row without a place after which the picture is full
_JAMMED = 0.5  # share of the area that discs dropped at random, apart from one another, can cover
_LEAST_VISIBLE = 0.4  # share of a particle that overlapping ones must leave to be seen
_EIGHT = np.linspace(0, 2 * np.pi, 8, endpoint=False)
_TURNS = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_RING = np.concatenate([[[0.0, 0.0]], np.stack([np.sin(_EIGHT), np.cos(_EIGHT)], 1)])


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated micrograph and the truth about it.

    `instances` int32 (Y, X): 0 background, 1…n the particles, a pixel belonging to the uppermost outline that holds its centre (also
    beneath a burnt-in scale bar or letter; a data bar lies under the picture and shows no particle). `classes` uint8 (Y, X): 1
    background, 2 particle. `overlays` bool (Y, X): True where data bar, scale bar or letter are burnt in. `table`, index
    `particle`: `shape`, centroid `y`, `x`, `area_px2`, `ecd_px`, `ecd_nm`, `feret_max_px`, `feret_min_px` of the whole analytic
    outline, even where the frame or another particle hides a part; `touches_frame`, `overlapped` (partly covered by another),
    `touching` (placed at most half a pixel from another, or with a pixel next to one of another).
    """

    micrograph: Micrograph
    instances: npt.NDArray[np.int32]
    classes: npt.NDArray[np.uint8]
    overlays: npt.NDArray[np.bool_]
    table: pd.DataFrame
    config: SimulateConfig

    def __repr__(self) -> str:
        return f"<Simulation: {len(self.table)} particles in {self.micrograph.extent}, {self.micrograph.calibration.describe()}>"


def simulate(config: SimulateConfig) -> Simulation:
    """Draw the micrograph that `config` describes; the same config gives the same picture.

    Fewer particles than `config.count` are drawn when the picture is full. `TemsegError` for a shape that does not exist.
    """
    if not config.shapes or not set(config.shapes) <= set(SHAPES):
        raise TemsegError(f"Shapes (shapes) must be one or more of {', '.join(SHAPES)}, not {', '.join(config.shapes) or 'none'}.")
    rng = np.random.default_rng(config.seed)
    scene = _Scene(config.height - bar_rows(config), config.width)
    _populate(scene, config, rng)
    below = ((0, bar_rows(config)), (0, 0))
    instances: npt.NDArray[np.int32] = np.pad(scene.labels, below)
    signal = expected_signal(np.pad(scene.thickness, below) / np.float32(config.diameter), config, rng)
    data = detected(signal, config, rng)
    overlays = burn_overlays(data, config, rng)
    size = (config.pixel_size, config.pixel_size)
    micrograph = Micrograph(data, "YX", Calibration(size, "simulated"), None, Source("simulated.tif"), "simulated")
    classes = np.where(instances > 0, FIRST_CLASS, BACKGROUND).astype(np.uint8)
    return Simulation(micrograph, instances, classes, overlays, _table(scene, config.pixel_size), config)


class _Scene:
    """The particles placed so far, their labels and the thickness they add up to."""

    def __init__(self, height: int, width: int) -> None:
        self.labels = np.zeros((height, width), np.int32)
        self.thickness = np.zeros((height, width), np.float32)
        self.outlines: list[Outline] = []
        self.centres: list[tuple[float, float]] = []
        self.pixels: list[int] = []  # in the frame, hidden or not
        self.visible: list[int] = []
        self.joined: set[int] = set()  # indices of particles put in contact with, or over, one another

    def window(self, outline: Outline, centre: tuple[float, float], margin: float) -> tuple[slice, slice]:
        """The pixels an outline can reach, cut to the frame."""
        up, down, left, right = outline.box
        (y, x), (height, width) = centre, self.labels.shape
        rows = slice(max(0, math.ceil(y - up - margin)), min(height, math.floor(y + down + margin) + 1))
        return rows, slice(max(0, math.ceil(x - left - margin)), min(width, math.floor(x + right + margin) + 1))

    def free(self, outline: Outline, centres: Array) -> npt.NDArray[np.bool_]:
        """True for those of the centres (n, 2) where nine points well inside the outline meet no particle: a quick sieve."""
        points = np.rint(centres[:, None] + 0.9 * outline.inner * _RING).astype(np.intp)
        limit = np.array(self.labels.shape) - 1
        clipped = np.minimum(np.maximum(points, 0), limit)
        hit = (self.labels[clipped[..., 0], clipped[..., 1]] > 0) & (points == clipped).all(-1)
        clear: npt.NDArray[np.bool_] = ~hit.any(1)
        return clear

    def place(self, outline: Outline, centre: tuple[float, float], strength: float, *, gap: float = 0.0, over: bool = False) -> bool:
        """Draw an outline if it shows in the frame and keeps `gap` px from the others or, `over` them, hides none too far."""
        window = self.window(outline, centre, gap + 1)
        labels = self.labels[window]
        if labels.size == 0:
            return False
        y = np.arange(window[0].start, window[0].stop)[:, None] - centre[0]
        x = np.arange(window[1].start, window[1].stop)[None, :] - centre[1]
        depth, thickness = outline.profile(y, x)
        mask = depth >= 0
        pixels = int(np.count_nonzero(mask))
        if pixels == 0 or not (self._may_cover(labels[mask]) if over else not labels[depth >= -gap].any()):
            return False
        self.outlines.append(outline)
        self.centres.append(centre)
        self.pixels.append(pixels)
        self.visible.append(pixels)
        labels[mask] = len(self.outlines)
        self.thickness[window] += (strength * thickness).astype(np.float32)
        return True

    def _may_cover(self, covered: npt.NDArray[np.int32]) -> bool:
        """Whether enough of every covered particle stays visible; if so, notes what is hidden."""
        ids, hidden = np.unique(covered[covered > 0], return_counts=True)
        left = {int(i) - 1: self.visible[i - 1] - int(n) for i, n in zip(ids, hidden, strict=True)}
        if any(n < _LEAST_VISIBLE * self.pixels[i] for i, n in left.items()):
            return False
        for i, n in left.items():
            self.visible[i] = n
        return True


def _populate(scene: _Scene, config: SimulateConfig, rng: np.random.Generator) -> None:
    """Place the particles: those apart from large to small, then those in contact, then those over others, until nothing fits."""
    height, width = scene.labels.shape
    sizes = _diameters(config, (height, width), rng)
    filled = np.cumsum(math.pi / 4 * sizes**2 / ((height + sizes) * (width + sizes)))
    sizes = sizes[: np.searchsorted(filled, 1 + config.overlapping) + 1]  # more cannot fit; none is preferred for its size
    kinds = rng.integers(len(config.shapes), size=sizes.size)
    outlines = [random_outline(config.shapes[kind], size, rng) for kind, size in zip(kinds, sizes.tolist(), strict=True)]
    over = rng.permutation(sizes.size) < round(config.overlapping * sizes.size)
    contact = (rng.permutation(sizes.size) < round(config.touching * sizes.size)) & ~over
    apart = np.flatnonzero(~over & ~contact)
    apart = apart[: np.searchsorted(np.cumsum(np.diff(filled[: sizes.size], prepend=0)[apart]), _JAMMED) + 1]
    for group, how in ((apart[np.argsort(-sizes[apart])], "apart"), (np.flatnonzero(contact), "contact"), (np.flatnonzero(over), "over")):
        failures = 0
        for outline in (outlines[i] for i in group):
            strength = _strength(outline, config, rng)
            placed = how != "apart" and bool(scene.outlines) and _place_joined(scene, outline, strength, how == "over", rng)
            placed = placed or _place_apart(scene, outline, strength, rng)
            failures = 0 if placed else failures + 1
            if failures >= _PATIENCE:
                break


def _diameters(config: SimulateConfig, frame: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Lognormal diameters, cut at 4 and 600 px and 4 deviations, as a frame on a wide support meets them.

    A particle whose centre falls anywhere with equal chance meets a frame H × W with a chance ∝ (H + d)(W + d): the large ones more often.
    """
    largest = min(_LARGEST, config.diameter * config.spread**4)
    chosen = np.empty(0)
    while chosen.size < config.count:
        sizes = config.diameter * config.spread ** rng.standard_normal(2 * config.count + 16)
        sizes = sizes[(sizes >= _SMALLEST) & (sizes <= largest)]
        chance = (frame[0] + sizes) * (frame[1] + sizes) / ((frame[0] + largest) * (frame[1] + largest))
        chosen = np.concatenate([chosen, sizes[rng.random(sizes.size) < chance]])
    return chosen[: config.count]


def _strength(outline: Outline, config: SimulateConfig, rng: np.random.Generator) -> float:
    """Scattering against the mean: little spread in HAADF; in bright field some crystals stand near a Bragg condition and are darker."""
    if config.mode == "HAADF":
        return float(rng.normal(1, 0.04))
    crystalline = 0.15 if outline.shape == "sphere" else 0.4
    return float(rng.uniform(1.2, 2.2) if rng.random() < crystalline else rng.uniform(0.75, 1.1))


def _place_apart(scene: _Scene, outline: Outline, strength: float, rng: np.random.Generator) -> bool:
    height, width = scene.labels.shape
    low, high = np.full(2, -0.5 - outline.reach), np.array([height, width]) - 0.5 + outline.reach
    centres = rng.uniform(low, high, (_TRIES, 2))
    clear = centres[scene.free(outline, centres)]
    return any(scene.place(outline, (y, x), strength, gap=_GAP) for y, x in clear[: _TRIES // 3].tolist())


def _place_joined(scene: _Scene, outline: Outline, strength: float, over: bool, rng: np.random.Generator) -> bool:
    """Place in contact with a random particle (at most half a pixel away), half the time close to a third one, or partly over it."""
    for _ in range(_HOSTS):
        host = int(rng.integers(len(scene.outlines)))
        turns = rng.uniform(0, 2 * math.pi) + _TURNS
        directions = np.stack([np.sin(turns), np.cos(turns)], 1)
        distances = contact_distances(scene.outlines[host], outline, directions)
        distances = distances * rng.uniform(0.45, 0.95, len(turns)) if over else distances + rng.uniform(0, 0.5, len(turns))
        centres = scene.centres[host] + distances[:, None] * directions
        order = np.arange(len(turns))
        if not over:
            clear = scene.free(outline, centres)
            if rng.random() < 0.5:  # where the next direction is blocked there is a neighbour: aggregates grow compact
                order = np.argsort(~(clear & (np.roll(~clear, 1) | np.roll(~clear, -1))), kind="stable")
            order = order[clear[order]]
        if any(scene.place(outline, (y, x), strength, over=over) for y, x in centres[order[:6]].tolist()):
            scene.joined |= {host, len(scene.outlines) - 1}
            return True
    return False


def _table(scene: _Scene, pixel_size: float) -> pd.DataFrame:
    """The truth, one row a particle."""
    outlines, labels = scene.outlines, scene.labels
    ids = np.arange(1, len(outlines) + 1)
    centres = np.array(scene.centres).reshape(-1, 2)
    ecd = np.array([o.ecd for o in outlines], float)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    columns = {
        "shape": np.array([o.shape for o in outlines], object),
        "y": centres[:, 0],
        "x": centres[:, 1],
        "area_px2": np.array([o.area for o in outlines], float),
        "ecd_px": ecd,
        "ecd_nm": ecd * pixel_size,
        "feret_max_px": np.array([o.feret_max for o in outlines], float),
        "feret_min_px": np.array([o.feret_min for o in outlines], float),
        "touches_frame": np.isin(ids, border),
        "overlapped": np.array(scene.visible, int) < np.array(scene.pixels, int),
        "touching": np.isin(ids - 1, list(scene.joined)) | np.isin(ids, _bordering(labels)),
    }
    return pd.DataFrame(columns, index=pd.Index(ids, name="particle"))


def _bordering(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Labels with a pixel next to one of another label, diagonals included."""
    upright = (labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])
    diagonal = (labels[1:, 1:], labels[:-1, :-1]), (labels[1:, :-1], labels[:-1, 1:])
    found = []
    for one, other in upright + diagonal:
        meet = (one != other) & (one > 0) & (other > 0)
        found += [one[meet], other[meet]]
    return np.unique(np.concatenate(found))


def randomised(rng: np.random.Generator, height: int = 384, width: int = 384) -> SimulateConfig:
    """A random configuration for training: both contrasts, all shapes, sizes, crowding, noise and burnt-in marks.

    Noise and grain are held where a person would still see most particles: what nobody sees teaches nothing.
    """

    def log_uniform(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(max(low, high))))

    diameter = log_uniform(5, max(6.0, min(200.0, 0.45 * min(height, width))))
    spread = 1 + min(float(rng.exponential(0.2)), 0.9)
    mean_area = math.pi / 4 * diameter**2 * math.exp(2 * math.log(spread) ** 2)
    most = max(20, round(250 * height * width / 384**2))  # many tiny particles cost time and teach little more
    contrast = log_uniform(0.12, 0.97)
    kinds = rng.choice(SHAPES, int(rng.choice([1, 1, 2, 4])), replace=False)
    return SimulateConfig(
        mode="HAADF" if rng.random() < 0.4 else "bright field",
        height=height,
        width=width,
        count=int(np.clip(round(rng.uniform(0.02, 0.5) * height * width / mean_area), 3, most)),
        diameter=diameter,
        spread=spread,
        shapes=tuple(kinds.tolist()),
        touching=float(rng.uniform(0, 0.9)),
        overlapping=float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0,
        contrast=contrast,
        support=float(rng.uniform(0, min(0.15, 0.4 * contrast))),
        unevenness=float(rng.uniform(0, 0.5) * rng.random()),
        dose=log_uniform(max(5.0, (1.5 / contrast) ** 2 * max(1.0, 15 / diameter)), 1000),
        blur=float(rng.uniform(0, min(2.0, 0.12 * diameter))),
        defocus=float(rng.uniform(0, 1.0)),
        data_bar=bool(rng.random() < 0.1),
        scale_bar=bool(rng.random() < 0.25),
        panel_letter=bool(rng.random() < 0.15),
        pixel_size=log_uniform(0.02, 20),
        seed=int(rng.integers(2**31)),
    )
