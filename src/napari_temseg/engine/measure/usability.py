"""Whether a size distribution can be used as it is, why not, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.segmentation import NEAR_STEPS, Segmentation
from napari_temseg.engine.measure.weighted import quantile
from napari_temseg.engine.types.wording import FEWEST, four, some_of

Floats = npt.NDArray[np.float64]
MANY_CUT = 0.5  # share of particles cut from a neighbour that is worth a word
SHAPE_PREFIX = "shape: "  # of pieces that are shapes
DIFFERING = 1.1  # ratio of the D50 of two classes from which on one number for both says little
UNLIKE_COUNTS = 0.1  # share of particles from images unlike the model's training: one such image in twenty is like them after all
DOUBTED = (
    0.1  # share of particles that the model rather doubts from which on others, as faint, are missed (on catalysts 43 to 64 % of them)
)
FAR_APART = 2.0  # ratio of the medians of images whose counting gives no interval, from which one number for all of them means little
OPEN = 1.3  # ratio to D50 at the end of an interval beyond which a result is of little use
FEWEST_OF_BOTH = 30  # particles, fewer of which tell nothing
LEAST_OF_EITHER, LEAST_MODE_SHARE = 6, 0.12  # particles in either heap, and of all
MODES_APART = 1.6  # ratio of their medians
EXPLAINED = 0.8  # share of the variance of the logarithms that being of either heap explains: of a normal distribution it is 0.64
MODES_GAP = 0.65  # particles half-way between both medians, by ratio, over those about the median of the smaller heap
ABOUT = 0.13  # on the logarithm
_REMEDY = {
    "strength": "correct the splitting by eye, or teach the model with strokes along the borders of touching particles (step Improve)",
    "threshold": "teach the model where particles end with a few strokes along their edges (step Improve)",
    "certainty": "look at the particles that the model is unsure of: keep or exclude them by hand, or teach it with a few strokes",
}


class Usability(NamedTuple):
    """`why` is empty where a distribution can be used; each sentence of `steps` is something to do next. `mended` is why it could not be
    used without its audit."""

    usable: bool
    why: tuple[str, ...]
    steps: tuple[str, ...]
    mended: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """In a few words."""
        if not self.usable:
            return "not usable as it is"
        return "usable with the audit" if self.mended else "usable"


class Modes(NamedTuple):
    """Number and median of the smaller and of the larger ones, in the unit of the diameters."""

    n_small: int
    small: float
    n_large: int
    large: float


def two_modes(diameters: npt.NDArray[np.float64]) -> Modes | None:
    """Two heaps of diameters (n,), cut where their logarithms scatter least about either middle (Otsu 1979); None where there is one."""
    x = np.sort(np.log(diameters[np.isfinite(diameters) & (diameters > 0)]))
    n, least = len(x), max(LEAST_OF_EITHER, math.ceil(LEAST_MODE_SHARE * len(x)))
    if n < FEWEST_OF_BOTH or n < 2 * least or np.ptp(x) <= 0:
        return None
    cuts = np.arange(least, n - least + 1)
    low = np.cumsum(x)[cuts - 1]
    high = x.sum() - low
    between = low**2 / cuts + high**2 / (n - cuts) - x.sum() ** 2 / n
    cut = int(cuts[between.argmax()])
    one, other = float(np.median(x[:cut])), float(np.median(x[cut:]))

    def about(place: float) -> int:
        return int((np.abs(x - place) < ABOUT).sum())

    gap = about((one + other) / 2) <= MODES_GAP * min(about(one), about(other))
    explained = float(between.max()) >= EXPLAINED * n * float(x.var())
    if not (gap and explained and other - one >= math.log(MODES_APART)):
        return None
    return Modes(cut, math.exp(one), n - cut, math.exp(other))


class Unlike(NamedTuple):
    """Images unlike those that the model was trained on, in what they are, and the share of the particles that count which they hold and
    nobody has looked at. Of those of `wider` the search saw smaller particles, about as many, that it finds in part at most. `unsure` is
    the share of particles that count, and nobody has looked at, of which the model is less sure than even (see `pooling.unsure_share`)."""

    images: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    share: float = 0.0
    wider: tuple[str, ...] = ()
    unsure: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether they are too much of a result for what is known of the model to hold of it."""
        return self.share >= UNLIKE_COUNTS


def medians_apart(values: Floats, weights: Floats, group: npt.NDArray[np.intp]) -> tuple[float, float] | None:
    """Smallest and largest of the medians of images; None where they are not far apart.

    `values` (n,), ascending, with their `weights` (n,); `group` (n,) tells the image of each.
    """
    here = [group == number for number in np.unique(group)]
    medians = [quantile(values[own], weights[own], 0.5) for own in here]
    return (min(medians), max(medians)) if medians and max(medians) > FAR_APART * min(medians) else None


def judge(
    n: int,
    unit: str,
    segmentation: Segmentation | None,
    pieces: Sequence[Mapping[str, Any]],
    samples: Sequence[str] = (),
    unlike: Unlike | None = None,
    audited: float | None = None,
    apart: tuple[float, float] | None = None,
    heaps: Modes | None = None,
) -> Usability:
    """Whether one can use a distribution of `n` particles; `pieces` as `SizeDistribution.pieces`, `samples` the names of those pooled.

    `apart` are the medians of images that differ too much for an interval, by `medians_apart`; `heaps` are two populations of diameters, by
    `two_modes`.
    `audited` is the half width, on the logarithm, of the D50 that an audit corrected: it stands for what the model cannot be trusted in.
    """
    why, steps = [], []
    if len(samples) > 1:
        why.append(f"{len(samples)} samples are pooled ({', '.join(samples)})")
        steps.append("state each sample by itself")
    elif apart is not None:
        why.append(f"one number for all these images means little: their medians go from {four(apart[0])} to {four(apart[1])} {unit}")
        steps.append("state each image by itself, or tell which sample each is of and state each sample by itself")
    if n < FEWEST:
        why.append(f"only {n} particle{'' if n == 1 else 's'} count{'s' if n == 1 else ''}; a D50 needs {FEWEST} at least")
        steps.append("measure more images of the sample")
    doubts, remedies = _doubts_of_model(unit, segmentation, pieces, unlike)
    if audited is not None and doubts:
        doubts, remedies, mended = [], [], doubts
        if audited > math.log(OPEN):
            doubts = [*mended, f"the audit leaves D50 open by a factor of {math.exp(audited):.2g}"]
            remedies, mended = ["judge more particles and search more fields in the audit"], []
    else:
        mended = []
    why, steps = why + doubts, steps + remedies
    if classes := _differing_classes(pieces):
        told = ", ".join(f"{piece['what'].removeprefix('class ')} {four(piece['d50'])} {unit}" for piece in classes)
        why.append(f"classes of different sizes are pooled (D50 of {told})")
        steps.append("state each class by itself")
    elif heaps is not None and len(samples) < 2 and apart is None:
        one, other = (f"{n} of about {four(size)} {unit}" for n, size in ((heaps.n_small, heaps.small), (heaps.n_large, heaps.large)))
        why.append(f"two populations are pooled, {one} and {other}, and one D50 says how many there are of either")
        steps.append("look for both sizes in step Find, and measure them as two populations; or exclude those that are not meant")
    shapes = [piece for piece in pieces if piece["what"].startswith(SHAPE_PREFIX)]
    if shapes:
        told = " and ".join(f"{piece['n']} {piece['what'].removeprefix(SHAPE_PREFIX)}s" for piece in shapes)
        why.append(f"{told} are pooled, and one equivalent diameter says little of both")
        steps.append("state rods by length and width (rect_length, rect_width) and spheres by diameter, apart by the column morphology")
    return Usability(not why, tuple(why), tuple(steps), tuple(mended))


def mixture(pieces: Sequence[Mapping[str, Any]], samples: Sequence[str], *, differing: bool) -> str:
    """Why particles are not of one distribution, in a few words; "" where nothing says so. `differing`: images have no common interval."""
    if len(samples) > 1:
        return "several samples are pooled"
    if differing:
        return "the images differ too much to be pooled"
    if _differing_classes(pieces):
        return "classes of different sizes are pooled"
    shapes = [piece["what"].removeprefix(SHAPE_PREFIX) for piece in pieces if piece["what"].startswith(SHAPE_PREFIX)]
    return f"{' and '.join(f'{shape}s' for shape in shapes)} are pooled" if shapes else ""


def _differing_classes(pieces: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Classes of many particles each, where one number for all says little; else none."""
    classes = [piece for piece in pieces if piece["what"].startswith("class ") and piece["n"] >= FEWEST]
    sizes = [piece["d50"] for piece in classes]
    return classes if len(classes) > 1 and max(sizes) > DIFFERING * min(sizes) else []


def _doubts_of_model(
    unit: str, segmentation: Segmentation | None, pieces: Sequence[Mapping[str, Any]], unlike: Unlike | None
) -> tuple[list[str], list[str]]:
    """Why the model cannot be trusted in these images, and what to do next."""
    why, steps = [], []
    if unlike is not None and unlike.counts:
        some = some_of(unlike.images)
        are = "is" if len(unlike.images) == 1 else "are"
        why.append(
            f"{some} {are} unlike the images the model was trained on ({', '.join(unlike.reasons)}), and what is known of its errors does "
            "not hold there"
        )
        steps += [
            "audit 100 of the particles and 20 fields, or look at every particle of these images and mark it as reviewed",
            "or train the model on a few strokes in such an image (step Improve)",
        ]
    if unlike is not None and unlike.wider:
        why.append(f"{some_of(unlike.wider)}: smaller particles, about as many, seem to be there, which one search finds in part at most")
        steps.append("look for both sizes as one wide distribution (Find offers it), or say the size where the larger ones alone are meant")
    if unlike is not None and unlike.unsure >= DOUBTED:
        why.append(
            f"the model doubts {100 * unlike.unsure:.0f} % of the particles: where so many are at the limit of what it sees, half of all "
            "may be missed"
        )
        steps += [
            "say whether all are brighter or darker than what is round them (polarity; in Find “they are”): fainter ones are found then",
            "look for particles that were missed: add them by hand or paint them (step Improve), then mark the image as reviewed; or make "
            "an audit",
        ]
    if segmentation is not None and segmentation.refused:
        setting = max(segmentation.drift, key=lambda name: segmentation.drift[name])
        why.append(_moved(setting, segmentation, unit, _piece(pieces, "all")) + _cut(pieces))
        steps += [_REMEDY[setting], *_alone(pieces, unit)]
    return why, steps


def _moved(setting: str, segmentation: Segmentation, unit: str, shown: Mapping[str, Any] | None) -> str:
    """How far D50 goes with a setting: its value a step to either side. Those know no changes by hand, which is told where D50 `shown` has
    some."""
    found = segmentation.splits["as found"]["d50"]
    near = [f"{setting} {step}" for step in NEAR_STEPS]
    ends = [(segmentation.splits[key]["d50"], segmentation.splits[key]["value"], key) for key in near if key in segmentation.splits]
    known = sorted((d50, value if value is not None else math.nan, key) for d50, value, key in ends if d50 is not None)
    if not known or found is None:
        return f"nothing is left at another {setting}"
    low, high = known[0], known[-1]

    def at(end: tuple[float, float, str]) -> str:
        where = f"{setting} {end[1]:.2g}" if math.isfinite(end[1]) else end[2]
        return f"{four(end[0])} {unit} ({where})"

    what = {"strength": "on how touching particles are split", "threshold": "on where particles end"}
    hangs = what.get(setting, "on which particles are kept")
    same = shown is None or shown["d50"] is None or math.isclose(shown["d50"], found, rel_tol=1e-2)  # both sizes of a wide powder overlap
    as_found = "" if same else ", without changes by hand,"
    return f"the result hangs {hangs}: D50 (equivalent diameter){as_found} is {four(found)} {unit}, but {at(low)} or {at(high)}"


def _cut(pieces: Sequence[Mapping[str, Any]]) -> str:
    everything, alone = _piece(pieces, "all"), _piece(pieces, "standing alone")
    if everything is None or alone is None or not everything["n"]:
        return ""
    share = 1 - alone["n"] / everything["n"]
    return f"; {100 * share:.0f} % of the particles are cut from a neighbour" if share >= MANY_CUT else ""


def _alone(pieces: Sequence[Mapping[str, Any]], unit: str) -> list[str]:
    alone = _piece(pieces, "standing alone")
    if alone is None or alone["d50"] is None:
        return []
    return [f"compare with the {alone['n']} that stand alone: {four(alone['d50'])} {unit} (they may be others than those in contact)"]


def _piece(pieces: Sequence[Mapping[str, Any]], what: str) -> Mapping[str, Any] | None:
    return next((piece for piece in pieces if piece["what"] == what), None)
