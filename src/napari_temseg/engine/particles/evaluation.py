"""How good a result is against a truth: foreground overlap, instances found, count and size errors.

Two instances match when their intersection over union (IoU) reaches a threshold, each at most once. With TP matched, FP
unmatched found and FN unmatched true instances:

- AP at t = TP / (TP + FP + FN) for IoU ≥ t, the definition of the cell and particle instance benchmarks (there are no
  confidences to integrate over, so it is not the average precision of object detection);
- panoptic quality PQ = SQ · RQ for IoU > 0.5, with SQ the mean IoU of the matches and RQ = TP / (TP + FP/2 + FN/2)
  (Kirillov et al. 2019, arXiv 1801.00868).

In a stack (P, Y, X) an instance is a label in a plane: numbers may be unique over the stack or start anew in each plane.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import UNLABELLED, Particles

FloatArray = npt.NDArray[np.float64]
MISSED, INVENTED, MERGED, SPLIT = 1, 2, 3, 4  # kinds of mistakes


@dataclass(frozen=True)
class Score:
    """One result against one truth. Quantities in [0, 1] are best at 1; errors are relative, signed, (found − true) / true.

    An empty result of an empty truth is perfect. An error is None where it has no meaning: a count error without true
    instances, a mean-diameter error without true or without found ones, a matched-diameter error without matches.
    """

    iou: float
    dice: float
    ap50: float
    ap75: float
    pq: float
    sq: float
    rq: float
    n_found: int
    n_true: int
    count_error: float | None
    mean_diameter_error: float | None
    matched_diameter_error: float | None

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {getattr(self, name.lower()):.3f}" for name in ("IoU", "Dice", "AP50", "AP75", "PQ"))
        error = "" if self.mean_diameter_error is None else f", mean diameter {self.mean_diameter_error:+.1%}"
        return f"<Score: {shares}, {self.n_found} found, {self.n_true} true{error}>"

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain values, for JSON and tables."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class ClassScore:
    """One class over the pixels that the truth labels: IoU, Dice, and how many pixels the truth gives it."""

    iou: float
    dice: float
    pixels: int


def evaluate(result: Particles | npt.NDArray[np.integer[Any]], truth: Particles | npt.NDArray[np.integer[Any]]) -> Score:
    """Score instances against true instances, both `Particles` or integer arrays (…, Y, X) of one shape, 0 background.

    Diameters are equivalent circular ones, √(4A/π). `TemsegError` when shapes differ or an array does not hold labels.
    """
    found, true = _instances(result, "result"), _instances(truth, "truth")
    if found.shape != true.shape:
        raise TemsegError(f"The result has shape {found.shape}, the truth {true.shape}; compare pictures of the same size.")
    overlap, found_area, true_area = _overlaps(found, true)
    both, n_found, n_true = float(overlap.data.sum()), len(found_area), len(true_area)
    either = float(found_area.sum() + true_area.sum()) - both
    iou = _pair_iou(overlap, found_area, true_area)

    sure = iou.data > 0.5  # at most one partner each, so no assignment is needed
    matches = int(sure.sum())
    sq = float(iou.data[sure].mean()) if matches else float(n_found == n_true == 0)
    rq = _ratio(matches, (n_found + n_true) / 2)
    found_diameter, true_diameter = np.sqrt(4 * found_area / np.pi), np.sqrt(4 * true_area / np.pi)
    pair_error = found_diameter[iou.row[sure]] / true_diameter[iou.col[sure]] - 1
    return Score(
        iou=_ratio(both, either),
        dice=_ratio(2 * both, either + both),
        ap50=_average_precision(iou, 0.5),
        ap75=_average_precision(iou, 0.75),
        pq=sq * rq,
        sq=sq,
        rq=rq,
        n_found=n_found,
        n_true=n_true,
        count_error=_error(n_found, n_true),
        mean_diameter_error=_error(_mean(found_diameter), _mean(true_diameter)) if n_found or not n_true else None,
        matched_diameter_error=float(pair_error.mean()) if matches else _error(n_found, n_true) if n_found == n_true == 0 else None,
    )


def diameter_errors(found: FloatArray, true: FloatArray) -> dict[str, float | int | None]:
    """Number, mean and median of two sets of diameters in one unit, and the relative errors of the first; None where there are none."""
    figures: dict[str, float | int | None] = {"n_found": len(found), "n_true": len(true), "count_error": _error(len(found), len(true))}
    for name, middle in (("mean", np.mean), ("d50", np.median)):
        sizes = [float(middle(values)) if len(values) else None for values in (found, true)]
        error = None if sizes[0] is None or sizes[1] is None else _error(sizes[0], sizes[1])
        figures |= {f"{name}_diameter_found": sizes[0], f"{name}_diameter_true": sizes[1], f"{name}_diameter_error": error}
    return figures


def mean_score(scores: Sequence[Score]) -> dict[str, float | int]:
    """Summary over pictures: means of the quality figures, sums of the counts, medians of the absolute errors.

    An undefined error (one side empty) counts as 1, so that finding nothing does not improve a median.
    """
    if not scores:
        raise TemsegError("There are no scores to average; evaluate at least one picture.")
    summary: dict[str, float | int] = {"images": len(scores)}
    for name in ("iou", "dice", "ap50", "ap75", "pq", "sq", "rq"):
        summary[name] = float(np.mean([getattr(score, name) for score in scores]))
    for name in ("n_found", "n_true"):
        summary[name] = sum(int(getattr(score, name)) for score in scores)
    for name in ("count_error", "mean_diameter_error", "matched_diameter_error"):
        errors = [getattr(score, name) for score in scores]
        summary[f"median_abs_{name}"] = float(np.median([1.0 if error is None else abs(error) for error in errors]))
    return summary


def mistakes(result: Particles | npt.NDArray[np.integer[Any]], truth: Particles | npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.uint8]:
    """Where and how a result is wrong, as numbers of the result's shape: MISSED, INVENTED, MERGED, SPLIT, 0 where it is right.

    Missed and invented are pixels that one of the two alone has, edges too. A found instance is merged when it holds most of two true
    ones or more, a true one is split when two found ones or more lie mostly in it: the pixels that both have tell so.
    """
    found, true = _instances(result, "result"), _instances(truth, "truth")
    if found.shape != true.shape:
        raise TemsegError(f"The result has shape {found.shape}, the truth {true.shape}; compare pictures of the same size.")
    overlap, found_area, true_area = _overlaps(found, true)
    holds, lies = overlap.data > 0.5 * true_area[overlap.col], overlap.data > 0.5 * found_area[overlap.row]
    merged = np.append(False, np.bincount(overlap.row[holds], minlength=len(found_area)) > 1)
    split = np.append(False, np.bincount(overlap.col[lies], minlength=len(true_area)) > 1)
    rows, columns = _consecutive(found), _consecutive(true)
    both = (rows > 0) & (columns > 0)
    kinds = np.select(
        [(rows == 0) & (columns > 0), (rows > 0) & (columns == 0), both & merged[rows], both & split[columns]],
        [MISSED, INVENTED, MERGED, SPLIT],
        0,
    )
    return kinds.astype(np.uint8).reshape(found.shape)


def class_scores(predicted: npt.NDArray[np.integer[Any]], truth: npt.NDArray[np.integer[Any]]) -> dict[int, ClassScore]:
    """IoU and Dice of each class that occurs, over the pixels that the truth labels (0 in the truth is not counted)."""
    found, true = _integers(predicted, "predicted classes"), _integers(truth, "true classes")
    if found.shape != true.shape:
        raise TemsegError(f"The predicted classes have shape {found.shape}, the true ones {true.shape}; compare pictures of the same size.")
    labelled = true != UNLABELLED
    found, true = found[labelled], true[labelled]
    scores = {}
    for number in np.union1d(np.unique(found), np.unique(true)):
        if number != UNLABELLED:
            predicted_here, true_here = found == number, true == number
            both, total = int((predicted_here & true_here).sum()), int(predicted_here.sum()) + int(true_here.sum())
            scores[int(number)] = ClassScore(both / (total - both), 2 * both / total, int(true_here.sum()))
    return scores


def _integers(labels: Any, name: str) -> npt.NDArray[np.integer[Any]]:
    array = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer):
        raise TemsegError(
            f"The {name} holds {array.dtype} values, not label numbers; give an integer array (of a mask: skimage.measure.label)."
        )
    if array.size and int(array.min()) < 0:
        raise TemsegError(f"The {name} holds negative numbers; labels are 0 for background and positive for particles.")
    return array


def _instances(labels: Any, name: str) -> npt.NDArray[np.integer[Any]]:
    array = _integers(labels.labels if isinstance(labels, Particles) else labels, name)
    if array.ndim < 2:
        raise TemsegError(f"The {name} has shape {array.shape}; give labels (Y, X) or a stack (P, Y, X).")
    return array


def _consecutive(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Renumber (…, Y, X) to 0, 1 … n, each (plane, label) apart, and flatten."""
    planes = []
    last = 0
    for plane in labels.reshape((-1, labels.shape[-2] * labels.shape[-1])):
        if int(plane.max(initial=0)) <= 4 * plane.size:  # a look-up table is far cheaper than sorting pixels
            present = np.bincount(plane.astype(np.int64), minlength=1) > 0
            present[0] = False
            index = plane.astype(np.int64)
        else:
            values, index = np.unique(plane, return_inverse=True)
            present = values > 0
        planes.append(np.where(present, last + np.cumsum(present), 0)[index])
        last += int(present.sum())
    return np.concatenate(planes) if planes else np.zeros(0, np.int64)


def _overlaps(found: npt.NDArray[np.integer[Any]], true: npt.NDArray[np.integer[Any]]) -> tuple[sparse.coo_array, FloatArray, FloatArray]:
    """Pixels shared by each found (row) and true (column) instance, and the areas of both."""
    rows, columns = _consecutive(found), _consecutive(true)
    found_area, true_area = np.bincount(rows, minlength=1)[1:], np.bincount(columns, minlength=1)[1:]
    shared = (rows > 0) & (columns > 0)
    rows, columns = rows[shared] - 1, columns[shared] - 1
    table = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(found_area), len(true_area)))
    table.sum_duplicates()
    return table, found_area.astype(np.float64), true_area.astype(np.float64)


def _pair_iou(overlap: sparse.coo_array, found_area: FloatArray, true_area: FloatArray) -> sparse.coo_array:
    union = found_area[overlap.row] + true_area[overlap.col] - overlap.data
    return sparse.coo_array((overlap.data / union, (overlap.row, overlap.col)), shape=overlap.shape)


def _average_precision(iou: sparse.coo_array, threshold: float) -> float:
    """TP / (TP + FP + FN), TP by the largest one-to-one matching of pairs at or above the threshold."""
    good = iou.data >= threshold
    n_found, n_true = iou.shape
    matches = 0
    if good.any():
        graph = sparse.csr_array((np.ones(int(good.sum())), (iou.row[good], iou.col[good])), shape=iou.shape)
        matches = int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())
    return _ratio(matches, n_found + n_true - matches)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 1.0


def _error(found: float, true: float) -> float | None:
    if true:
        return float((found - true) / true)
    return None if found else 0.0


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else 0.0
