"""Descriptors of size and shape, a row a particle; they follow the definitions of ISO 9276-6 and ISO 21363.

The outline is the contour of the probability where a particle stands alone (see `shape.contour`), else the mask, pixel by pixel. On maps
of coverage the contour has (bias in %, of the mask in brackets, at 20 px): feret_max of discs +0.7 (+2.6), of squares −2.3 (−3.7);
feret_min of discs −0.5 (−1.7), of rods of 20 × 5 px +3.2 (+6.2); aspect ratio of discs −1.2 (−4.2); perimeter of discs +0.2, of squares
−1.6 (−2.7), of rods −3.0 (−2.7), scattering by 0.1 to 0.6 instead of 0.6 to 1.1;
inscribed_diameter of discs −1.1 (−3.1), of squares −0.4 (−1.1).

`visible_share` of simulated spheres and ellipsoids that overlap (16 to 60 px): told for half of those that touch or overlap, off by 0.6 %
in the median and 4 % in nine of ten; of rods and facets, whose free outline is no ellipse, for 2 %.

Of the mask: mean bias of digitised shapes at random places and angles, in % of the true value, with the
scatter of a single particle in brackets; sizes are diameters, major axes or sides:

- `area`, `ecd`: none (ecd 2.0 at 6 px, 0.3 at 20 px).
- `feret_max`: discs +8.7 (3.3), +5.0 (2.1), +2.5 (0.5), +0.5 at 6, 10, 20, 80 px; ellipses of axis ratio 0.6 +1.1 … +0.2; squares, whose
  corners get lost, −6.3 (3.6), −4.8, −3.0, −0.9; rods of 20 × 4, 40 × 8, 80 × 16 px −1.2, −1.0, −0.6.
- `feret_min`: discs −3.7 (3.0), −2.3 (1.3), −1.7, −0.7; ellipses +1.7 (8.4) … +0.1; squares +2.7 (3.6), +1.9, +0.8, +0.1; rods +6.5 (3.2),
  +2.5, +0.8.
- `feret_mean`: discs +3.2, +2.0, +1.0, +0.2; squares −5.8, −4.7, −3.0, −0.9; rods −4.6, −2.7, −1.5.
- `perimeter`: discs −0.3 (1.9), −0.2, −0.1, 0; rotated squares −5.9 … −0.6 (0.8), axis-parallel ones −9.8, −7.2, −3.7, −2.0.
- `solidity`: 1 for every digitised convex shape; an L of three squares of 5, 10, 20, 40 px reads +4.6, +2.7, +1.3, +0.7.

Ferets and solidity come from the convex hull of the pixel centres, widened evenly until its area is the number of pixels in it. Over those
shapes the root-mean-square bias of feret_max, feret_min and solidity was 3.0, 2.0 and 0 %; of the hull of pixel corners 5.0, 8.0 and
8.2 %, of pixel-edge midpoints 3.3, 5.1 and 4.0 %, of bare pixel centres 6.7, 8.6 and 21 %.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import binary_erosion
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_temseg.engine.measure.descriptors import (
    DESCRIPTORS,
    FLAGS,
    IDENTITY,
    UNSURE_BELOW,
    column_name,
    definitions,
    versions,
)
from napari_temseg.engine.measure.other_splits import OtherSplit
from napari_temseg.engine.measure.recovery.limit import RecoveredSize
from napari_temseg.engine.measure.shape.edges import MaskOutline, at_half_contrast, edge_shifts
from napari_temseg.engine.measure.shape.geometry import Foreground, contacts, largest_pieces
from napari_temseg.engine.measure.shape.neighbours import among_neighbours
from napari_temseg.engine.measure.shape.pixel_columns import between_pixels, boxes, moments, sizes
from napari_temseg.engine.measure.shape.shape_classes import morphology
from napari_temseg.engine.measure.shape.visible import visible_columns
from napari_temseg.engine.types.confidence import STANDING_OUT, STROKED
from napari_temseg.engine.types.config import HALF_CONTRAST, OUTLINE
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.label_images import check_planes
from napari_temseg.engine.types.large_arrays import PackedMask
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.populations import apart, are_told_apart, with_populations
from napari_temseg.engine.types.results import Particles
from napari_temseg.engine.types.units import to_nanometres

__all__ = [
    "Measurement",
    "column_name",
    "definitions",
    "describe",
    "flags_of",
    "measure",
    "rows_of",
    "tabulate",
    "with_flags",
]


@dataclass(frozen=True, eq=False)
class Measurement:
    """A row a particle, and what a distribution needs beside it.

    `table` has the columns of `definitions(length_unit)`, and in `attrs["definitions"]` the version of the definition of each; `frame` is
    (height, width) of a plane in px; `mask` is `valid` as it is kept, packed, or None, `valid_area` its size in px² a plane; `edge`
    declares where the outline of a particle lies. `model_hash` tells the model that found them; `other_splits` are the sizes that other
    settings of the splitting give, where somebody asked for them (`iter_other_splits`); `smallest` is the diameter in px below which
    particles were dropped; `convention` is where a particle ends, `OUTLINE` or `HALF_CONTRAST`; `grid` the grid or preparation of the
    sample; `recovered` tells of particles of known size put into it, if asked for (`iter_recovery`); `unlike`, `wider`,
    `doubted`, `faint`: as of `Particles`.
    """

    table: pd.DataFrame
    image: str
    sample: str
    frame: tuple[int, int]
    valid_area: int
    n_planes: int
    axes: str
    calibration: Calibration
    edge: str
    mask: PackedMask | None = None
    content_hash: str = ""
    model_hash: str = ""
    other_splits: tuple[OtherSplit, ...] = ()
    smallest: float = 0.0
    convention: str = OUTLINE
    grid: str = ""
    recovered: tuple[RecoveredSize, ...] = ()
    unlike: Mapping[int, str] = field(default_factory=dict)
    wider: bool = False
    doubted: float = 0.0
    faint: float = 0.0

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        rows = f"{len(self)} particle{'' if len(self) == 1 else 's'} × {len(self.table.columns)} columns"
        return f"<Measurement of {self.image}: {rows}, lengths in {self.length_unit} ({self.calibration.describe()})>"

    def _repr_html_(self) -> str:
        table = self.table.to_html(max_rows=10, max_cols=14, border=0, escape=True, float_format="{:.4g}".format)
        return f"<p>{escape(repr(self)[1:-1])}</p>{table}"

    @property
    def valid(self) -> npt.NDArray[np.bool_] | None:
        """Bool (Y, X) or None, as in the micrograph; unpacked each time it is asked for."""
        return None if self.mask is None else self.mask.array()

    @property
    def length_unit(self) -> str:
        """The unit of every length: "nm" or "px"."""
        return self.calibration.unit

    def column(self, name: str) -> str:
        """The column of a descriptor: "ecd" → "ecd_nm"; `TemsegError` when there is none."""
        found = name if name in self.table.columns else column_name(name, self.length_unit)
        if found not in self.table.columns:
            raise TemsegError(f"{self.image}: there is no column “{name}”; use one of {', '.join(DESCRIPTORS)}.")
        return found


def with_flags(
    measurement: Measurement, excluded: Mapping[int, str] | None = None, reviewed: Collection[int] = (), unreviewed: Collection[int] = ()
) -> Measurement:
    """A copy in which particles are left out or taken back, and marked as looked at or not; their sizes stay.

    `excluded`: reason by label, "" takes a particle back; the others are labels. `TemsegError` for labels that the table does not have.
    """
    table = measurement.table
    index = pd.Index(table["particle"])
    reasons, seen = table["excluded"].to_numpy(object, copy=True), table["reviewed"].to_numpy(bool, copy=True)
    for ids, column, values in (
        (list(excluded or ()), reasons, list((excluded or {}).values())),
        (list(reviewed), seen, True),
        (list(unreviewed), seen, False),
    ):
        place = index.get_indexer(pd.Index(ids, dtype=np.int64))
        if (place < 0).any():
            raise TemsegError(f"{measurement.image}: there is no particle {ids[place.argmin()]}; pick one that the table has.")
        column[place] = values
    flagged = {"excluded": pd.Series(reasons, table.index, "str"), "reviewed": pd.Series(seen, table.index)}
    return replace(measurement, table=table.assign(**flagged))


def flags_of(measurement: Measurement) -> tuple[dict[int, str], list[int]]:
    """The particles that a person left out, with the reasons, and those that were looked at; `with_flags` takes both."""
    table = measurement.table
    out = table[table["excluded"] != ""]
    excluded = dict(zip(out["particle"].astype(int).tolist(), out["excluded"].tolist(), strict=True))
    return excluded, table.loc[table["reviewed"], "particle"].astype(int).tolist()


def measure(
    particles: Particles | npt.NDArray[np.integer[Any]], *, pixel_size: float | tuple[float, float] | None = None, unit: str = "nm"
) -> Measurement:
    """Measure every particle.

    `particles` are `Particles`, or labels (Y, X) or (planes, Y, X) of any integer type: 0 is background, the rest need not be in sequence.
    `pixel_size`, a number or (y, x) in `unit`, replaces the calibration of the micrograph; without either, lengths are in px. Pixels
    need not be square. What labels alone do not tell (intensity, probability) is NaN.
    `TemsegError` for what is no label image, for a label on more than one plane and for a pixel size that is not positive.
    """
    typed = None if pixel_size is None else _calibration(pixel_size, unit)
    labels = particles.labels if isinstance(particles, Particles) else np.asarray(particles)
    source = particles.micrograph if isinstance(particles, Particles) else None
    name = source.name if source else "labels"
    _check(labels, name)
    calibration = typed or (source.calibration if source else Calibration())
    planes = labels.reshape((-1, *labels.shape[-2:]))
    parts = [describe(page, index, each, calibration.scale) for each, pages in apart(particles, planes) for index, page in enumerate(pages)]
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    order = np.lexsort((columns["particle"], columns["plane"]))
    columns = {key: column[order] for key, column in columns.items()}
    check_planes(planes, columns["particle"], name)
    valid = source.valid if source else None
    return Measurement(
        table=tabulate(columns, particles, name, calibration, (int(labels.shape[-2]), int(labels.shape[-1]))),
        image=name,
        sample=source.sample if source else "",
        frame=(int(labels.shape[-2]), int(labels.shape[-1])),
        valid_area=int(np.prod(labels.shape[-2:]) if valid is None else np.count_nonzero(valid)),
        n_planes=len(planes),
        axes=source.axes if source else "YX" if labels.ndim == 2 else "NYX",
        calibration=calibration,
        edge=_edge(particles),
        mask=None if valid is None else PackedMask.of(valid),
        content_hash=source.source.content_hash if source else "",
        model_hash=_model_hash(particles),
        smallest=float(particles.settings.get("min_diameter", 0.0)) if isinstance(particles, Particles) else 0.0,
        convention=_convention(particles),
        grid=source.grid if source else "",
        unlike=particles.unlike if isinstance(particles, Particles) else {},
        wider=isinstance(particles, Particles) and particles.wider,
        doubted=particles.doubted if isinstance(particles, Particles) else 0.0,
        faint=particles.faint if isinstance(particles, Particles) else 0.0,
    )


def _model_hash(particles: Any) -> str:
    by = (particles.prediction or particles.origin) if isinstance(particles, Particles) else None
    return "" if by is None else by.model_hash


def _calibration(pixel_size: float | tuple[float, float], unit: str) -> Calibration:
    sizes = np.broadcast_to(np.asarray(pixel_size, np.float64), 2) if np.size(pixel_size) in (1, 2) else None
    if sizes is None:
        raise TemsegError(f"A pixel size must be one number or two (y, x) in {unit}, not {pixel_size}.")
    return Calibration((to_nanometres(float(sizes[0]), unit), to_nanometres(float(sizes[1]), unit)), "typed")


def _convention(particles: Any) -> str:
    """Where a particle ends, `OUTLINE` or `HALF_CONTRAST`."""
    return str(particles.settings.get("edge", OUTLINE)) if isinstance(particles, Particles) else OUTLINE


def _edge(particles: Any) -> str:
    if _convention(particles) == HALF_CONTRAST:
        return "half-contrast edge of the picture, the outline where it shows none"
    if not isinstance(particles, Particles) or (particles.prediction is None and particles.origin is None):
        return "label mask"
    return f"mask of pixel centres at probability {particles.settings.get('threshold', 0.5):g}"


def _check(labels: npt.NDArray[Any], name: str) -> None:
    if labels.dtype == bool:
        raise TemsegError(f"{name}: a mask does not tell particles apart; label it first, with skimage.measure.label for instance.")
    if labels.dtype.kind not in "iu":
        raise TemsegError(f'{name}: labels must be whole numbers, not {labels.dtype}; convert them with .astype("int32").')
    if labels.ndim not in (2, 3) or 0 in labels.shape:
        raise TemsegError(f"{name}: labels must be (Y, X) or (planes, Y, X) and not empty, but have the shape {labels.shape}.")
    if labels.dtype.kind == "i" and labels.min() < 0:
        raise TemsegError(
            f"{name}: the labels hold the negative number {labels.min()}; use 0 for background and positive numbers for particles."
        )


def describe(
    plane: npt.NDArray[np.integer[Any]],
    index: int,
    particles: Any,
    scale: tuple[float, float],
    origin: tuple[int, int] = (0, 0),
    frame: tuple[int, ...] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Identity, descriptors and what the flags start from, for the particles of a plane (Y, X); keys are names without units.

    `plane` may be a window, from `origin` on, of plane `index` of the shape `frame`, if it holds its particles whole.
    Of a label in several pieces the largest is measured.
    """
    pixels = Foreground.of(plane, origin)
    largest, pieces = largest_pieces(plane, pixels)
    if largest is not plane:
        pixels = Foreground.of(largest, origin)
    columns: dict[str, npt.NDArray[Any]] = {"particle": pixels.ids, "plane": np.full(len(pixels), index), "pieces": pieces}
    told = particles.prediction if isinstance(particles, Particles) else None
    background, level = (None, 0.5) if told is None else (told.planes()[index, 0], float(particles.settings.get("threshold", 0.5)))
    columns |= between_pixels(sizes(pixels, scale), pixels, background, level, scale) | moments(pixels, scale) | boxes(pixels)
    source = particles.micrograph if isinstance(particles, Particles) else None
    whole = particles.planes()[index] if isinstance(particles, Particles) else plane
    outline = MaskOutline.of(pixels, whole)
    shifts = np.full(len(pixels), np.nan) if source is None else edge_shifts(pixels, source.plane(index), whole, outline)
    columns |= {"edge_shift": shifts * np.sqrt(scale[0] * scale[1]), "cut_share": 1 - outline.free_shares(pixels)}
    if _convention(particles) == HALF_CONTRAST:
        columns = at_half_contrast(columns, scale)
    columns |= _grey(pixels, source, index) | {"probability_mean": _probability(pixels, particles, index)}
    columns["stroked"] = _stroked(pixels, particles, index)
    columns["frame"] = _touches_frame(columns, pixels, frame or plane.shape, source.valid if source else None)
    columns |= visible_columns(pixels, whole, columns["ecd"], columns["cut_share"] > 0, columns["frame"])
    if not isinstance(particles, Particles):
        columns |= _neighbours(pixels)
    return columns


def tabulate(
    columns: dict[str, npt.NDArray[Any]], particles: Any, image: str, calibration: Calibration, frame: tuple[int, int]
) -> pd.DataFrame:
    """The table of a measurement from the columns of `describe`: flags from the particles' own table, nothing excluded or reviewed.

    What hangs on other particles (`among_neighbours`) is that among those of the table.
    """
    n, unit = len(columns["particle"]), calibration.unit
    columns = columns | _flags(particles, columns)
    columns |= {"morphology": morphology(columns), "unsure": np.asarray(columns["probability_mean"] < UNSURE_BELOW)}
    columns |= {name: np.zeros(n) for name in ("neighbour_distance", "constituents")} | {"neighbour_censored": np.zeros(n, bool)}
    source = particles.micrograph.source if isinstance(particles, Particles) else None
    columns |= {"image": np.full(n, image), "lossy": np.full(n, source is not None and source.lossy)}
    columns |= {"excluded": np.full(n, ""), "reviewed": np.zeros(n, bool)}
    table = pd.DataFrame({column_name(key, unit): columns[key] for key in (*IDENTITY, *DESCRIPTORS, *FLAGS)})
    if are_told_apart(particles):
        table = with_populations(table, particles)
    # Said outright, or tables without particles would have other types than those with.
    texts = [name for name in ("image", "class", "population", "excluded", "morphology", "estimator") if name in table]
    table = table.astype(dict.fromkeys(texts, "str"))
    table.attrs["definitions"] = versions()
    return among_neighbours(table, calibration, frame)


def _grey(pixels: Foreground, source: Micrograph | None, index: int) -> dict[str, npt.NDArray[Any]]:
    if source is None:
        nothing = np.full(len(pixels), np.nan)
        return {"intensity_mean": nothing, "intensity_sd": nothing}
    values = source.plane(index)[pixels.y, pixels.x].astype(np.float64)
    finite = np.isfinite(values)
    count = pixels.total(finite)
    with np.errstate(invalid="ignore", divide="ignore"):  # a particle without a finite pixel has no intensity
        mean = pixels.total(np.where(finite, values, 0)) / count
        deviation = np.where(finite, values - mean[pixels.code], 0)
        return {"intensity_mean": mean, "intensity_sd": np.sqrt(pixels.total(deviation**2) / count)}


def _probability(pixels: Foreground, particles: Any, index: int) -> npt.NDArray[np.float64]:
    if not isinstance(particles, Particles) or particles.prediction is None:
        return np.full(len(pixels), np.nan)
    background = particles.prediction.planes()[index, 0]
    return 1 - pixels.total(background[pixels.y, pixels.x].astype(np.float64)) / pixels.total()


def _stroked(pixels: Foreground, particles: Any, index: int) -> npt.NDArray[np.bool_]:
    """Which particles somebody stroked as such."""
    drawn = particles.prediction.vouched if isinstance(particles, Particles) and particles.prediction is not None else None
    if drawn is None:
        return np.zeros(len(pixels), bool)
    return np.asarray(pixels.total(drawn.reshape((-1, *drawn.shape[-2:]))[index][pixels.y, pixels.x]) > 0)


def _touches_frame(
    box: dict[str, npt.NDArray[Any]], pixels: Foreground, shape: tuple[int, ...], valid: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    touches = (box["bbox_top_px"] == 0) | (box["bbox_left_px"] == 0)
    touches |= (box["bbox_bottom_px"] == shape[0]) | (box["bbox_right_px"] == shape[1])
    if valid is not None and len(pixels):
        # A pixel more on each side, as far as there is one: what lies beyond the picture leaves nothing out.
        top, left = (max(int(box[f"bbox_{side}_px"].min()) - 1, 0) for side in ("top", "left"))
        bottom, right = (int(box[f"bbox_{side}_px"].max()) + 1 for side in ("bottom", "right"))
        beside = ~binary_erosion(valid[top:bottom, left:right], border_value=1)
        touches |= pixels.total(beside[pixels.y - top, pixels.x - left]) > 0
    return np.asarray(touches)


def _neighbours(pixels: Foreground) -> dict[str, npt.NDArray[Any]]:
    """Whether another label is next to each (8-connected), and the smallest label of those that hang together."""
    one, other = np.searchsorted(pixels.ids, contacts(pixels.padded.reshape(-1, pixels.stride))).T
    n = len(pixels)
    group = connected_components(coo_array((np.ones(len(one), bool), (one, other)), shape=(n, n)), directed=False)[1]
    # Codes ascend with the labels, so the first of a group is its smallest.
    first = np.unique(group, return_index=True)[1]
    cut = np.zeros(n, bool)
    cut[one] = cut[other] = True
    return {"cut": cut, "aggregate": pixels.ids[first[group]]}


def _flags(particles: Any, columns: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Class, frame, cut, aggregate, and how sure it is, of each particle, from the particles' own table where there is one."""
    ids, unknown = columns["particle"], np.full(len(columns["particle"]), np.nan)
    if not isinstance(particles, Particles):
        return {"class": np.full(len(ids), "particle"), STANDING_OUT: unknown, "confidence": unknown}
    rows = rows_of(particles, ids)
    flags = {key: rows[key].to_numpy() for key in ("class", "cut", "aggregate")}
    flags[STANDING_OUT] = rows[STANDING_OUT].to_numpy(np.float64) if STANDING_OUT in rows else unknown
    curve = None if particles.prediction is None else particles.prediction.confidence
    sure = unknown if curve is None else curve.of(columns["probability_mean"], flags[STANDING_OUT])
    flags["confidence"] = sure if curve is None else np.where(columns["stroked"], STROKED, sure)
    return flags | {"frame": columns["frame"] | rows["frame"].to_numpy(bool)}


def rows_of(particles: Particles, ids: npt.NDArray[np.integer[Any]]) -> pd.DataFrame:
    """The rows of these labels in the particles' own table, in their order; `TemsegError` names one that has none."""
    place = particles.table.index.get_indexer(pd.Index(ids))
    if (place < 0).any():
        raise TemsegError(
            f"{particles.micrograph.name}: label {ids[place < 0][0]} has no row in the table of its particles; split the prediction again."
        )
    return particles.table.iloc[place]
