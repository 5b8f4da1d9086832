"""The tune parts on which the network of one band is judged, and the score of each: boxes by centres, outlines by overlap."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
import tifffile

from band_samples import CATALYSTS, POWDER_TUNE, components
from emps import data_folder, entries
from napari_temseg.engine.particles.evaluation import _overlaps, _pair_iou, evaluate

Labels = npt.NDArray[np.int32]
BAR = 704  # first row of the data bar of tio2_sem
LEAST = 6  # px of a component that counts there
Boxes = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """A picture, what is meant in it (instances, or boxes: centre y, x, height, width in px), and the size that is told."""

    group: str
    name: str
    image: npt.NDArray[np.uint8]
    truth: Labels | Boxes
    size: float
    polarity: int
    until: int | None = None  # rows from here on are no picture

    @property
    def boxed(self) -> bool:
        return self.truth.ndim == 2 and self.truth.shape[1] == 4 and self.truth.dtype == np.float64


def diameters(labels: Labels) -> npt.NDArray[np.float64]:
    """Equivalent circular diameters of the labels that occur."""
    areas = np.bincount(labels.ravel())[1:]
    return np.sqrt(4 / math.pi * areas[areas > 0])


def of_instances(group: str, name: str, image: npt.NDArray[np.uint8], truth: Labels, polarity: int, until: int | None = None) -> Case:
    return Case(group, name, image, truth, float(np.median(diameters(truth))), polarity, until)


def catalysts() -> list[Case]:
    folder, found = data_folder() / "supported_catalysts", []
    for path in sorted((folder / "images").glob("*.jpg")):
        if not path.stem.startswith(CATALYSTS):
            image = iio.imread(path, mode="L")
            shares = np.loadtxt(folder / "labels" / f"{path.stem}.txt", ndmin=2)[:, [2, 1, 4, 3]]
            boxes = shares * np.tile(image.shape, 2)
            boxes = boxes[boxes[:, 2:].min(1) > 0]
            found.append(Case("catalysts", path.stem, image, boxes, float(np.median(np.sqrt(boxes[:, 2] * boxes[:, 3]))), 1))
    return found


def emps(part: str = "tune") -> list[Case]:
    signs = {"dark_on_bright": -1, "bright_on_dark": 1}
    return [of_instances("emps", e.name, e.image, e.instances, signs.get(e.row["contrast"], 0)) for e in entries(part)]


def tio2() -> list[Case]:
    folder, found = data_folder() / "tio2_sem", []
    for path in sorted((folder / "sem").glob("*.tif")):
        truth = components(tifffile.imread(folder / "masks" / path.name) > 127, LEAST)
        truth[BAR:] = 0
        found.append(of_instances("tio2", path.stem, tifffile.imread(path), truth, 0, BAR))
    return found


def powder() -> list[Case]:
    folder, found = data_folder() / "powder_sem", []
    for kind in ("particle", "satellite"):
        for path in sorted((folder / f"instances_{kind}").glob("*.png")):
            name = path.name.split("_", 1)[1]
            if name.startswith(POWDER_TUNE):
                found.append(
                    of_instances(f"powder {kind}", name[:16], iio.imread(folder / "images" / name), iio.imread(path).astype(np.int32), 0)
                )
    return found


def superalloy() -> list[Case]:
    folder, found = data_folder() / "superalloy_sem", []
    for path in sorted((folder / "classes").glob("*.png"))[15:]:
        classes = iio.imread(path)
        for value, word, least in ((100, "large", 30), (200, "small", 6)):
            truth = components(classes == value, least)
            if truth.any():
                found.append(of_instances(f"superalloy {word}", path.stem, iio.imread(folder / "images" / path.name), truth, -1))
    return found


SETS = {"catalysts": catalysts, "emps": emps, "tio2": tio2, "powder": powder, "superalloy": superalloy}


def score(case: Case, labels: Labels) -> dict[str, float]:
    """Figures of one picture; recall and precision come as counts, so that they can be pooled."""
    if case.until is not None:
        in_bar = float(labels[case.until + 2 :].any())
        labels = np.where(np.arange(labels.shape[0])[:, None] < case.until, labels, 0)
    if case.boxed:
        return box_score(np.asarray(case.truth, float), labels)
    truth = np.asarray(case.truth, np.int32)
    if case.group == "tio2":
        labels = components_least(labels)
    figures = evaluate(labels, truth)
    iou = _pair_iou(*_overlaps(labels, truth))
    hits = int((iou.data > 0.5).sum())
    found, true = diameters(labels), diameters(truth)
    d50 = float(np.median(found) / np.median(true) - 1) if len(found) and len(true) else -1.0
    error = -1.0 if figures.mean_diameter_error is None else figures.mean_diameter_error
    out: dict[str, float] = {"IoU": figures.iou, "AP50": figures.ap50, "PQ": figures.pq, "diameter": error, "D50": d50}
    out |= {"hits": hits, "found": figures.n_found, "true": figures.n_true}
    if figures.matched_diameter_error is not None:
        out["bias"] = figures.matched_diameter_error
    if case.until is not None:
        out["in bar"] = in_bar
    return out


def components_least(labels: Labels) -> Labels:
    keep = np.bincount(labels.ravel()) >= LEAST
    return np.where(keep[labels], labels, 0).astype(np.int32)


def box_score(boxes: Boxes, labels: Labels) -> dict[str, float]:
    """Hits by centre (inside the box, side ratio 0.4 to 1.4, one to one) and by box overlap of 0.5."""
    centred, ratio, edges, side = in_boxes(boxes, labels)
    half = boxes[:, 2:] / 2
    low = np.maximum(edges[:, None, :2], (boxes[:, :2] - half)[None])
    high = np.minimum(edges[:, None, 2:], (boxes[:, :2] + half)[None])
    shared = np.maximum(high - low, 0).prod(-1)
    union = (side**2)[:, None] + (boxes[:, 2] * boxes[:, 3])[None] - shared
    matched = {"hits": centred, "box hits": shared / union >= 0.5}
    out = {name: float(_pairs(table)) for name, table in matched.items()}
    return {
        **out,
        "found": float(len(edges)),
        "true": float(len(boxes)),
        "ratio": float(np.median(ratio[centred])) if centred.any() else 0.0,
    }


def in_boxes(
    boxes: Boxes, labels: Labels
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Which labels lie in which boxes by centre and size (n, m), the ratios of their sides; edges (n, 4) and side (n,) of the labels."""
    places = [where for where in ndimage.find_objects(labels) if where is not None]
    edges = np.array([[a.start, b.start, a.stop, b.stop] for a, b in places], float).reshape(-1, 4)
    numbers = np.unique(labels[labels > 0])
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(-1, 2) + 0.5
    half = boxes[:, 2:] / 2
    inside = (np.abs(centres[:, None] - boxes[None, :, :2]) <= half[None]).all(-1)
    side = np.sqrt((edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1]))
    ratio = side[:, None] / np.sqrt(boxes[:, 2] * boxes[:, 3])[None]
    return inside & (ratio >= 0.4) & (ratio <= 1.4), ratio, edges, side


def _pairs(allowed: npt.NDArray[np.bool_]) -> int:
    if not allowed.any():
        return 0
    return int((maximum_bipartite_matching(csr_array(allowed), perm_type="column") >= 0).sum())


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Pooled recall, precision and F1 and the median F1 of a picture; means of IoU, AP50, PQ; medians and 90th percentiles of errors."""
    total = {key: sum(row[key] for row in rows) for key in ("hits", "found", "true")}
    each = [2 * row["hits"] / max(row["found"] + row["true"], 1) for row in rows]
    out: dict[str, Any] = {
        "n": len(rows),
        "recall": total["hits"] / max(total["true"], 1),
        "precision": total["hits"] / max(total["found"], 1),
    }
    out |= {"F1": 2 * total["hits"] / max(total["found"] + total["true"], 1), "mean F1": float(np.mean(each))}
    if "box hits" in rows[0]:
        out["box F1"] = 2 * sum(row["box hits"] for row in rows) / max(total["found"] + total["true"], 1)
        out["side ratio"] = float(np.median([row["ratio"] for row in rows]))
    else:
        out |= {key: float(np.mean([row[key] for row in rows])) for key in ("IoU", "AP50", "PQ")}
        for key in ("diameter", "D50"):
            errors = np.abs([row[key] for row in rows])
            out[f"|{key}|"], out[f"|{key}| p90"] = float(np.median(errors)), float(np.percentile(errors, 90))
        out["bias"] = float(np.median([row.get("bias", 0.0) for row in rows]))
    return out
