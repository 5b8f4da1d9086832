"""From measurements to one size distribution: what counts, with which weight, and what a reader has to know of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_temseg.engine.measure.descriptors import DESCRIPTORS, SMALL_DIAMETER, column_name
from napari_temseg.engine.measure.distribution import SizeDistribution
from napari_temseg.engine.measure.edge_correction import seen_areas
from napari_temseg.engine.measure.intervals import ENOUGH_IMAGES
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.measure.recovery.limit import detection_limit
from napari_temseg.engine.measure.recovery.limit import pooled as pooled_sizes
from napari_temseg.engine.measure.samples.populations import of_population
from napari_temseg.engine.measure.segmentation import SegmentationCalibration, segmentation
from napari_temseg.engine.measure.usability import SHAPE_PREFIX, Unlike
from napari_temseg.engine.types.confidence import EVEN, STROKED
from napari_temseg.engine.types.config import OUTLINE
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import BY_LABELS
from napari_temseg.engine.types.wording import BY_LABELS_WHY, FEWEST, some_of

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
LENGTHS = tuple(name for name, each in DESCRIPTORS.items() if each.kind == "length" and name != "edge_shift")
FEW_IMAGES = 10
LABELS_NAMED = 8  # that a caution names one by one
TOLD = 0.5  # share of the particles whose edge in the picture must be told for the other convention to be
PARTS_BY_FLAG = {
    "cut": "standing alone",
    "occluded": "without those that others cover",
    "small": f"without those below {SMALL_DIAMETER:g} px",
}
ROUND_AND_LONG = ("rod", "sphere")  # of which one diameter for both says little
SHARE_OF_SHAPE = 0.2  # of the particles that are of either, for that to be so
CLASS_PREFIX = "class "  # of the parts that are classes
_DEPENDENT = {"TYX": "time", "ZYX": "depth"}


def size_distribution(
    measurements: Sequence[Measurement] | Measurement,
    column: str = "ecd",
    calibration: SegmentationCalibration | None = None,
    population: str = "",
) -> SizeDistribution:
    """Pool measurements into one distribution of `column`, any length without its unit: "ecd", "feret_min" …

    Particles that touch the frame or a left-out area are counted and left out, and the others are weighted for it (`frame_weights`); of
    these, the ones that a person excluded are left out as well, counted by reason. Every plane of a stack of fields is a picture of its
    own; a stack over time or depth is one. `calibration` is what outlines drawn by hand said of a model; it counts where the images
    are like those of the training and have other splittings. Where measurements are not all of that model it is the least that the
    segmentation leaves open. `population` ("small", "large")
    takes particles of one of two sizes.
    `TemsegError` for measurements in px beside others in nm, for columns that are no length, and for two populations at once.
    """
    pool = [of_population(each, population) for each in ([measurements] if isinstance(measurements, Measurement) else measurements)]
    if not pool:
        raise TemsegError("There is nothing to pool: measure at least one image first.")
    unit = _common_unit(pool)
    name = column.removesuffix(f"_{unit}")
    if name not in LENGTHS:
        raise TemsegError(f"A size distribution is made of a length, not of “{column}”; use one of {', '.join(LENGTHS)}.")
    values, boxes, groups, tables = [], [], [], []
    left_out: dict[str, list[float]] = {}
    n_images = 0
    for measurement in pool:
        fields = measurement.n_planes if measurement.axes == "NYX" else 1
        table = measurement.table
        edge, excluded = table["frame"].to_numpy(bool), table["excluded"]
        for reason, size in zip(np.where(edge, "at the edge", "excluded: " + excluded), table[measurement.column(name)], strict=True):
            if reason != "excluded: ":
                left_out.setdefault(reason, []).append(float(size))
        whole = table[~edge & (excluded == "")]
        tables.append(whole)
        values.append(whole[measurement.column(name)].to_numpy(np.float64))
        groups.append(n_images + (whole["plane"].to_numpy(np.intp) if fields > 1 else np.zeros(len(whole), np.intp)))
        corners = whole[["bbox_top_px", "bbox_left_px", "bbox_bottom_px", "bbox_right_px"]].to_numpy(np.float64)
        boxes.append((corners[:, 2:] - corners[:, :2]) * np.asarray(measurement.calibration.scale))
        n_images += fields
    x = np.concatenate(values)
    group, by_grid = _by_grid(pool, [len(each) for each in values], np.concatenate(groups))
    order = np.argsort(x, kind="stable")
    sides = [float(np.sqrt(np.prod(measurement.calibration.scale))) for measurement in pool]
    recovered = tuple(pooled_sizes([measurement.recovered for measurement in pool], sides))
    unlike = _unlike(pool, tables)
    known = None if unlike.counts else calibration
    holds = known is not None and all(_outlined_by(measurement, known) for measurement in pool)
    seen = seen_areas(pool, np.concatenate(boxes)) if len(x) else np.zeros(0)
    return SizeDistribution(
        column=name,
        unit=unit,
        values=x[order],
        weights=(len(x) / (1 / seen).sum() / seen)[order] if len(x) else np.zeros(0),
        group=group[order],
        by_grid=by_grid,
        n_images=n_images,
        images=tuple(measurement.image for measurement in pool),
        samples=tuple(sorted({measurement.sample for measurement in pool} - {""})),
        left_out={reason: len(each) for reason, each in left_out.items()},
        d50_left_out={reason: float(np.median(each)) for reason, each in left_out.items()},
        calibration_uncertainty=_shared_uncertainty(pool, [len(part) for part in values]),
        cautions=_cautions(pool, n_images),
        parts=_parts(tables, order),
        segmentation=segmentation(pool, known, _uncalibrated(pool), holds=holds),
        dependent=any(measurement.axes in _DEPENDENT for measurement in pool),
        lowest=max(m.smallest * side for m, side in zip(pool, sides, strict=True)) if name == "ecd" else 0.0,
        recovered=recovered,
        limit=detection_limit(recovered) if name == "ecd" else None,
        per_area=float((1 / seen).sum()),
        convention=" / ".join(sorted({measurement.convention for measurement in pool})),
        other_sizes=_by_other_edge(pool, name, x, tables)[order],
        population=population,
        unlike=unlike,
    )


def _unlike(pool: Sequence[Measurement], tables: Sequence[pd.DataFrame]) -> Unlike:
    """The images unlike the model's training that hold particles which count and nobody has looked at."""
    found: dict[str, list[str]] = {}
    n = 0
    for measurement, table in zip(pool, tables, strict=True):
        if not measurement.unlike:
            continue
        unseen = table["plane"][~table["reviewed"].to_numpy(bool)]
        here = unseen[unseen.isin([*measurement.unlike])]
        n += len(here)
        for plane in here.unique().tolist():
            found.setdefault(measurement.image, []).append(measurement.unlike[plane])
    reasons = dict.fromkeys(reason for each in found.values() for reason in each)
    wider = dict.fromkeys(m.image for m, table in zip(pool, tables, strict=True) if m.wider and not table["reviewed"].all())
    total = max(sum(map(len, tables)), 1)
    unsure = unsure_share(tables, [m.doubted for m in pool], [m.faint for m in pool])
    return Unlike(tuple(found), tuple(reasons), n / total, tuple(wider), unsure)


def unsure_share(tables: Sequence[pd.DataFrame], doubted: Sequence[float] = (), faint: Sequence[float] = ()) -> float:
    """Share of the particles of tables that the model rather doubts and nobody has looked at.

    Where tables come of strokes on a search that `doubted` such a share, it is no less of those that nobody stroked or looked at: a stroke
    makes others that look alike surer, or takes them away, but what was too faint to be found is so still. For the same reason those
    count that a higher certainty than the usual left out, `faint` of each table, as far as nobody has looked at the others.
    """
    nothing = [0.0] * len(tables)
    unsure, total = 0.0, 0.0
    for table, before, left_out in zip(tables, doubted or nothing, faint or nothing, strict=True):
        total += len(table)
        if "confidence" in table:
            unseen = table["confidence"][~table["reviewed"].astype(bool)]
            more = left_out * len(unseen) / len(table) if len(table) else left_out
            # The share before speaks of those that are left out too: they are not added to it.
            unsure += max(float((unseen < EVEN).sum()) + more, before * (float((unseen != STROKED).sum()) + more))
            total += more
    return unsure / max(total, 1)


def _uncalibrated(pool: Sequence[Measurement]) -> str:
    """Why nothing that is known of one model holds of these images, where that is what they are; else ""."""
    if all(measurement.model_hash == BY_LABELS for measurement in pool):
        return BY_LABELS_WHY
    if len({measurement.model_hash for measurement in pool}) > 1:
        return "these images were not all found by one model, so what is known of one does not hold of all"
    if any(measurement.convention != OUTLINE for measurement in pool):
        return "edges are drawn at half contrast here, and it is the model's outlines that were compared with those drawn by hand"
    return ""


def _outlined_by(measurement: Measurement, calibration: SegmentationCalibration) -> bool:
    """Whether what outlines drawn by hand said of a model holds of a measurement."""
    return measurement.model_hash == calibration.model_hash and measurement.convention == OUTLINE


def _by_other_edge(pool: Sequence[Measurement], name: str, x: Floats, tables: Sequence[pd.DataFrame]) -> Floats:
    """The sizes with edges drawn by the other convention; NaN where too few pictures tell, and for what is no diameter.

    A particle whose edge the picture does not tell is taken to be as the others are.
    """
    column, nothing = column_name("edge_shift", pool[0].length_unit), np.full(len(x), np.nan)
    mixed = len({measurement.convention for measurement in pool}) > 1
    if mixed or name in ("perimeter", "neighbour_distance") or not all(column in table for table in tables):
        return nothing
    shift = np.concatenate([table[column].to_numpy(np.float64) * (1 - table["cut_share"].to_numpy(np.float64)) for table in tables])
    told = np.isfinite(shift)
    if told.sum() < max(1, TOLD * len(x)):
        return nothing
    sign = np.concatenate([np.full(len(t), 1 if m.convention == OUTLINE else -1) for m, t in zip(pool, tables, strict=True)])
    return np.asarray(np.maximum(x + 2 * sign * np.where(told, shift, np.median(shift[told])), 0.1 * x))


def _by_grid(pool: Sequence[Measurement], counts: Sequence[int], group: Indices) -> tuple[Indices, bool]:
    """The grid of each particle in place of its picture, where all grids are told and there are enough: their pictures hang together."""
    names = [(measurement.sample, measurement.grid) for measurement in pool]
    known = sorted(set(names))
    if not all(grid for _, grid in names) or len(known) < ENOUGH_IMAGES:
        return group, False
    return np.repeat([known.index(name) for name in names], counts).astype(np.intp), True


def _parts(tables: Sequence[pd.DataFrame], order: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[np.bool_]]:
    """Parts of the particles, in the order of the sizes, that say something: neither none of them nor all."""
    found = {}
    for flag, what in PARTS_BY_FLAG.items():
        flagged = np.concatenate([table[flag].to_numpy(bool) if flag in table else np.zeros(len(table), bool) for table in tables])[order]
        if flagged.any():
            found[what] = ~flagged
    classes = np.concatenate([table["class"].to_numpy(str) if "class" in table else np.zeros(len(table), str) for table in tables])[order]
    found |= _shapes(tables, order)
    named = np.unique(classes)
    return found | ({f"{CLASS_PREFIX}{name}": classes == name for name in named.tolist()} if len(named) > 1 else {})


def _shapes(tables: Sequence[pd.DataFrame], order: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[np.bool_]]:
    """Rods and spheres, where many are of either."""
    if not all("morphology" in table for table in tables):
        return {}
    shapes = np.concatenate([table["morphology"].to_numpy(str) for table in tables])[order]
    found = {f"{SHAPE_PREFIX}{name}": shapes == name for name in ROUND_AND_LONG}
    return found if all(each.sum() >= max(FEWEST, SHARE_OF_SHAPE * len(shapes)) for each in found.values()) else {}


def _common_unit(pool: list[Measurement]) -> str:
    by_unit: dict[str, list[str]] = {}
    for measurement in pool:
        by_unit.setdefault(measurement.length_unit, []).append(measurement.image)
    if len(by_unit) > 1:
        bare = list(dict.fromkeys(by_unit.pop("px", ())))
        calibrated = list(dict.fromkeys(image for images in by_unit.values() for image in images))
        one = len(bare) == 1
        raise TemsegError(
            f"{some_of(bare)} {'is' if one else 'are'} measured in px, {some_of(calibrated)} in nm: they cannot be pooled; "
            f"give {bare[0] if one else 'those in px'} a pixel size or leave {'it' if one else 'them'} out."
        )
    return next(iter(by_unit))


def _shared_uncertainty(pool: list[Measurement], counts: list[int]) -> float | None:
    """Relative standard uncertainty of a pooled length, None where nobody stated that of some picture.

    Errors of one row of the laboratory's table, or else of one magnification, told by the pixel size, are the same and add up linearly;
    those of several are independent.
    """
    shares = np.asarray(counts, float) / sum(counts) if any(counts) else np.full(len(pool), 1 / len(pool))
    if not all(m.calibration.uncertainty for m, share in zip(pool, shares, strict=True) if share):
        return None
    shared: dict[object, float] = {}
    for measurement, share in zip(pool, shares, strict=True):
        calibration = measurement.calibration
        source = calibration.row or calibration.scale
        shared[source] = shared.get(source, 0.0) + float(share) * calibration.uncertainty
    return float(np.sqrt(sum(each**2 for each in shared.values())))


def _cautions(pool: list[Measurement], n_images: int) -> tuple[str, ...]:
    found = []
    for axes, meaning in _DEPENDENT.items():
        if any(measurement.axes == axes for measurement in pool):
            found.append(
                f"Planes of a stack over {meaning} show the same particles again: n counts them each time, and they are no new evidence."
            )
    if n_images < FEW_IMAGES:
        found.append(f"Only {n_images} image{'s' if n_images > 1 else ''}: the intervals say little of how images differ.")
    return (*found, *_partly_calibrated(pool), *filter(None, map(in_pieces, pool)))


def _partly_calibrated(pool: list[Measurement]) -> tuple[str, ...]:
    """A caution where some of the images that hold particles state the uncertainty of their pixel size, and others do not."""
    there = [m for m in pool if m.calibration.pixel_size is not None and len(m)]
    silent = [m.image for m in there if not m.calibration.uncertainty]
    if not silent or len(silent) == len(there):
        return ()
    one = len(silent) == 1
    return (
        f"{some_of(silent)}: the uncertainty of the pixel size is not stated, so that of the other images is not in the intervals either; "
        f'say {"it" if one else "them"} by a standard (Calibrate…), or as --pixel-size "0.21 ± 0.002 nm".',
    )


def in_pieces(measurement: Measurement) -> str:
    """A sentence on the labels of a measurement that are in several pieces, of which the largest is measured; "" where none is."""
    table = measurement.table
    broken = table["particle"][table["pieces"] > 1].tolist() if "pieces" in table else []
    if not broken:
        return ""
    which = f"label{'s' if len(broken) > 1 else ''} {some_of(list(map(str, broken)), LABELS_NAMED)}"
    return f"{measurement.image}: {which} in several pieces, as by stray pixels; the largest piece is measured, look whether that is meant."
