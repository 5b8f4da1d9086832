"""From measurements to a size distribution: pooling, frame correction, summary with intervals, fits, plot."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.measure.fits import ShownFit, fitted, shown_fit
from napari_temseg.engine.measure.intervals import NORMAL, TOO_DIFFERENT, Counting, counting
from napari_temseg.engine.measure.named_intervals import audited_interval, named_intervals
from napari_temseg.engine.measure.other_splits import AS_FOUND
from napari_temseg.engine.measure.recovery.limit import RecoveredSize
from napari_temseg.engine.measure.segmentation import Segmentation
from napari_temseg.engine.measure.usability import Modes, Unlike, Usability, judge, medians_apart, mixture, two_modes
from napari_temseg.engine.measure.weighted import STATISTICS, moments, quantile, quantiles
from napari_temseg.engine.types.config import OUTLINE
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import to_nanometres
from napari_temseg.engine.types.wording import FEWEST, four, rounded, shown_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_temseg.engine.measure.plots import Drawing

Floats = npt.NDArray[np.float64]
_FACE = 1.32  # area of an atom in the surface of a face-centred cubic metal, over the power 2/3 of its volume
BELOW_LIMIT = 0.05  # share of the particles below the detection limit that is worth a word


@dataclass(frozen=True, eq=False)
class SizeDistribution:
    """The pooled sizes of one column.

    `values` (n,) in `unit`, ascending; `weights` (n,) the frame correction, summing to n; `group` (n,) which of the `n_images`
    independent pictures each particle is from; `left_out` reason → number, `d50_left_out` their plain median. `calibration_uncertainty`
    is the relative standard uncertainty that all sizes share, None where none is stated; `cautions` what a reader has to know. `parts`
    are names of parts of the particles with a bool (n,) each; `segmentation` how sizes hang on the splitting, None where nobody tried;
    `dependent` where particles may be seen several times (planes over time or depth); `lowest` the size below which particles were
    dropped, so that fits begin there. `per_area` is the number of particles per area of the pictures, edge correction included, in
    1/unit².
    `convention` is where particles end, `OUTLINE` or `HALF_CONTRAST` (or both, joined by " / "), `other_sizes` (n,) are `values` with
    edges drawn by the other convention, None or NaN where nobody knows. `by_grid`: `group` tells grids instead of pictures.
    `limit` is the size from which on particles are found, by `recovered`, those of known size that were put into pictures: infinite where
    none is, None where nobody tried. `population` is that of two sizes which these are of, "" where there is one. `unlike` tells of images
    unlike the model's training; `audit` is what an audit says of these sizes (`audit.carrying.outcomes`), None without one.
    """

    column: str
    unit: str
    values: Floats
    weights: Floats
    group: npt.NDArray[np.intp]
    n_images: int
    images: tuple[str, ...]
    samples: tuple[str, ...]
    left_out: dict[str, int]
    calibration_uncertainty: float | None
    cautions: tuple[str, ...] = ()
    parts: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    segmentation: Segmentation | None = None
    dependent: bool = False
    lowest: float = 0.0
    per_area: float | None = None
    convention: str = OUTLINE
    by_grid: bool = False
    limit: float | None = None
    recovered: tuple[RecoveredSize, ...] = ()
    other_sizes: Floats | None = None
    d50_left_out: Mapping[str, float] = field(default_factory=dict)
    population: str = ""
    unlike: Unlike = field(default_factory=Unlike)
    audit: Mapping[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, images = len(self), f"{self.n_images} image{'' if self.n_images == 1 else 's'}"
        middle = self.quantile(0.5)
        told = "" if middle is None else f", D50 {four(middle)} {self.unit}"
        which = f"{self.population} " if self.population else ""
        return f"<SizeDistribution of {self.column} in {self.unit}: {n} {which}particle{'' if n == 1 else 's'} in {images}{told}>"

    def _repr_html_(self) -> str:
        from napari_temseg.engine.types.thumbnails import framed

        return framed(repr(self)[1:-1], self.to_svg(), "image/svg+xml")

    def quantile(self, share: float, *, power: int = 0) -> float | None:
        """The size below which `share` of the particles lie; with `power` 3, of their volume. None without particles."""
        return quantile(self.values, self.weights * self.values**power, share) if len(self) else None

    def summary(self) -> dict[str, Any]:
        """Numbers, lengths in `unit`, None for what does not exist.

        `d…` are weighted by number, `dv…`, `d32` and `d43` take each particle for a sphere of its size. `span` is (d90 − d10) / d50 and
        `dv_span` the same by volume. `n_eff` is (Σw)²/Σw², the number of equally weighted particles that tell as much. The intervals
        are 95 % ones of counting (see `interval_basis`), `…_with_calibration` adds the uncertainty of the calibration in quadrature.
        """
        return {
            "column": self.column,
            "unit": self.unit,
            **({"population": self.population} if self.population else {}),
            "n": len(self),
            "n_images": self.n_images,
            "n_left_out": dict(self.left_out),
            "d50_left_out": dict(self.d50_left_out),
            **self._estimates,
            **self._intervals,
            "intervals": self.named_intervals,
            "corrected": self.corrected,
            "audited": self.audit is not None,
            "verdict": self.usability.headline,
            "usable": self.usability.usable,
            "why_not": list(self.usability.why),
            "next_steps": list(self.usability.steps),
            "mended_by_audit": list(self.usability.mended),
            "pieces": self.pieces,
            "segmentation": None if self.segmentation is None else self.segmentation.plain(),
            "budget": self.budget,
            "edge_convention": self.convention,
            "other_edge": self.other_edge,
            "detection": self.detection,
            "more_for_5_percent": self.more_for(0.05),
            "per_area": self.per_area,
            "calibration_relative_uncertainty": self.calibration_uncertainty,
            "cautions": (cautions := [*self.cautions, *self._differing, *self._undetected]),
            "caution": " ".join(cautions) or None,
        }

    @cached_property
    def _estimates(self) -> dict[str, float | None]:
        return moments(self.values, self.weights, self.unit) | quantiles(self.values, self.weights)

    @cached_property
    def counted(self) -> Counting:
        """What counting leaves open."""
        return counting(self.values, self.weights, self.group, dependent=self.dependent, by_grid=self.by_grid)

    @cached_property
    def _intervals(self) -> dict[str, Any]:
        estimates = self._estimates
        calibration = NORMAL * (self.calibration_uncertainty or 0.0)
        found: dict[str, Any] = {}
        for name in STATISTICS:
            found[f"{name}_interval"] = self.counted.around(name, estimates[name])
            if name in ("mean", "d50"):
                stated = self.calibration_uncertainty is not None
                both = self.counted.around(name, estimates[name], calibration) if stated else None
                found[f"{name}_interval_with_calibration"] = both
        return found | {"interval_basis": self.counted.basis}

    @property
    def named_intervals(self) -> dict[str, dict[str, Any]]:
        """The 95 % intervals of D50 by what they are about; see `named_intervals.named_intervals`."""
        told = (self.quantile(0.5), self.unit, self.n_images, self.counted, self.segmentation, self.calibration_uncertainty, self._edge)
        return named_intervals(*told, unlike=self.unlike.counts)

    @property
    def corrected(self) -> dict[str, Any] | None:
        """The "d50" that the audit corrects, its 95 % "interval" and what that is "about"; None where none corrects it."""
        whole = None if self.audit is None else self.audit["corrected"]
        if self.audit is None or whole is None or not whole["d50"]:
            return None
        return {"d50": self.audit["corrected_d50"], "interval": whole["d50"], "about": whole["name"]}

    def audited(self, corrected: float, audit: Sequence[float]) -> tuple[str, dict[str, Any]]:
        """Name and interval of a D50 that an audit corrected, whose own interval is `audit`."""
        return audited_interval(corrected, audit, self.counted, self.unit, self.calibration_uncertainty)

    @property
    def budget(self) -> dict[str, float | None]:
        """Relative standard uncertainty of D50 by where it comes from, None where nobody knows it.

        That of an audited D50 holds the audit in place of segmentation and edge, which the auditor saw.
        """
        half = None if self.segmentation is None else self.segmentation.half
        counted = self.counted.half.get("d50")
        shared = {"counting": None if counted is None else counted / NORMAL, "calibration": self.calibration_uncertainty}
        if self.corrected is not None and self.audit is not None:
            low, high = self.audit["corrected_d50_interval"]
            return {"counting": shared["counting"], "audit": math.log(high / low) / 2 / NORMAL, "calibration": shared["calibration"]}
        return {
            "counting": shared["counting"],
            "segmentation": None if half is None or not np.isfinite(half) else half / NORMAL,
            "calibration": self.calibration_uncertainty,
            "edge": self._edge,
        }

    @property
    def other_edge(self) -> float | None:
        """What D50 would change by, as a share of it, where edges are drawn by the other convention; None where nobody knows."""
        found = self.quantile(0.5)
        if found is None or self.other_sizes is None or not np.isfinite(self.other_sizes).all():
            return None
        order = np.argsort(self.other_sizes, kind="stable")
        return quantile(self.other_sizes[order], self.weights[order], 0.5) / found - 1

    @property
    def _edge(self) -> float | None:
        """Relative standard uncertainty from where edges are drawn: rectangular between the two conventions."""
        return None if self.other_edge is None else abs(self.other_edge) / math.sqrt(12)

    def more_for(self, share: float) -> dict[str, Any] | None:
        """How many more pictures, or particles of this picture, bring what counting leaves open of D50 (95 %) down to ± `share` of it."""
        more = self.counted.more_for("d50", share)
        of = ("grids" if self.by_grid else "images") if self.counted.of_specimen else "particles"
        return None if more is None else {"more": more, "of": of, "share": share}

    def specific_surface(self, density: float) -> float | None:
        """Surface per mass in m²/g of spheres of these sizes, from D[3,2] and a density in g/cm³; None where lengths are in px."""
        if not (np.isfinite(density) and density > 0):
            raise TemsegError(f"A density must be a positive number in g/cm³, not {density}.")
        d32 = self._estimates["d32"]
        return None if d32 is None or self.unit == "px" else 6000 / (density * to_nanometres(d32, self.unit))

    def dispersion(self, density: float, molar_mass: float) -> float | None:
        """Share of the atoms of a face-centred cubic metal that lie at the surface, at most 1; None where lengths are in px.

        6 (v/a) / D[3,2] for spheres: v = M / (ρ N_A) is the volume of an atom, a = 1.32 v^(2/3) its area in a surface of (111), (100) and
        (110) in equal shares, 0.081 nm² for platinum (Bergeret and Gallezot, Handbook of Heterogeneous Catalysis). `density` ρ in g/cm³,
        `molar_mass` M in g/mol.
        """
        if not (np.isfinite(molar_mass) and molar_mass > 0):
            raise TemsegError(f"A molar mass must be a positive number in g/mol, not {molar_mass}.")
        d32 = None if self.specific_surface(density) is None else self._estimates["d32"]
        side = np.cbrt(molar_mass / (density * 602.214))  # of the cube that an atom has, nm
        return None if d32 is None else min(float(6 * side / _FACE / to_nanometres(d32, self.unit)), 1.0)

    @property
    def pieces(self) -> list[dict[str, Any]]:
        """D50 and number of all particles and of parts of them, side by side: leaving particles out selects by size, and here one sees it.

        "standing alone" are those that touch no other: neither cut from a neighbour nor in an aggregate. Those the model is unsure of are
        known of what was found alone: where that was corrected since, it is told beside them.
        """
        found: list[dict[str, Any]] = [{"what": "all", "n": len(self), "d50": self.quantile(0.5)}]
        for what, kept in self.parts.items():
            x, w = self.values[kept], self.weights[kept]
            found.append({"what": what, "n": len(x), "d50": quantile(x, w, 0.5) if len(x) else None})
        dropped = None if self.segmentation is None else self.segmentation.splits.get("certainty none")
        if self.segmentation is not None and dropped is not None:
            before, what = self.segmentation.splits[AS_FOUND], "with those the model is unsure of"
            if before["n"] != len(self) or not math.isclose(before["d50"] or 0.0, found[0]["d50"] or 0.0, rel_tol=1e-2):
                what = f"as found, {what}"
                found.append({"what": "as found, without changes by hand", "n": int(before["n"] or 0), "d50": before["d50"]})
            found.append({"what": what, "n": int(dropped["n"] or 0), "d50": dropped["d50"]})
        return found

    @cached_property
    def usability(self) -> Usability:
        """Whether it can be used as it is, why not, and the next steps."""
        ends = None if self.corrected is None else self.corrected["interval"]
        audited = None if ends is None else math.log(ends[1] / ends[0]) / 2
        return judge(len(self), self.unit, self.segmentation, self.pieces, self.samples, self.unlike, audited, self._apart, self._heaps)

    @property
    def _heaps(self) -> Modes | None:
        """Two populations of equivalent diameters that are pooled."""
        return two_modes(self.values) if self.column.startswith("ecd") and not self.population else None

    @property
    def _apart(self) -> tuple[float, float] | None:
        """Medians of images that differ too much for an interval and are far apart."""
        return medians_apart(self.values, self.weights, self.group) if self._differ else None

    @property
    def _differ(self) -> bool:
        """Whether images differ too much for an interval."""
        return self.n_images > 1 and len(self) > 1 and self.counted.basis.startswith(TOO_DIFFERENT)

    @property
    def _differing(self) -> list[str]:
        """A caution where no interval exists because the pictures differ, unless the verdict says so."""
        if not self._differ or (self._apart is not None and len(self.samples) < 2):
            return []
        return ["The images differ so much that one distribution of all may mean little: look at each, or at one sample at a time."]

    @property
    def _undetected(self) -> list[str]:
        """A caution where many particles may be missing below the detection limit."""
        found = self.detection
        if found is None:
            return []
        if found["limit"] is None:
            return ["Particles of known size that were put into the images were often missed, whatever their size: many may be missing."]
        if found["share_below"] < BELOW_LIMIT:
            return []
        told = f"{100 * found['share_below']:.0f} % of the particles are smaller than {rounded(found['limit'], found['limit'])} {self.unit}"
        return [f"{told}, below which fewer than nine of ten are found: D10, the mean and the number are uncertain to that side."]

    @property
    def _from(self) -> float:
        """The size from which on particles are looked for and found, where curves begin."""
        return max(self.lowest, self.limit if self.limit is not None and math.isfinite(self.limit) else 0.0)

    @property
    def detection(self) -> dict[str, Any] | None:
        """The detection limit (None: no size is found often enough), the share of particles below it, and recall and bias by size."""
        if self.limit is None:
            return None
        finite = math.isfinite(self.limit)
        below = float(self.weights[self.values < self.limit].sum() / max(self.weights.sum(), 1e-300)) if len(self) else 0.0
        return {"limit": self.limit if finite else None, "share_below": below, "sizes": [row.plain() for row in self.recovered]}

    @cached_property
    def fits(self) -> dict[str, dict[str, Any]]:
        """Normal, lognormal, Weibull and (from 50 particles on) two lognormals by weighted likelihood, from the detection limit on.

        Name → parameters with 95 % intervals, log-likelihood, AICc, and whether the fit is adequate; see `fits`. The frame weights stand in
        the likelihood as if they were counts, for which AICc does not strictly hold. Empty with fewer than two different sizes.
        """
        return fitted(self.values, self.weights, self.group, self._from)

    @cached_property
    def shown_fit(self) -> ShownFit:
        """The curve that is drawn in a report and in the window, and why none is: inadequate ones, few particles, not to be pooled."""
        return shown_fit(self.fits, self.values, self.weights, self._from, mixture(self.pieces, self.samples, differing=self._differ))

    @property
    def best_fit(self) -> str | None:
        """The name of the fit that is drawn; see `shown_fit`."""
        return getattr(self.shown_fit.curve, "name", None)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Histogram with the best adequate fit and D50 with its interval, on `ax` or a figure of its own; returns the figure.

        Where an audit corrects D50 it is that, beside the one found. Of several samples bars alone: neither curve nor D50 is of any.
        """
        from napari_temseg.engine.measure.plots import draw

        pooled = len(self.samples) > 1
        few = len(self) < FEWEST or pooled
        ends, name = shown_interval(self.named_intervals, self._intervals["d50_interval"])
        shown = (ends, name) if ends and not few else None
        d50 = None if few else self.quantile(0.5)
        sizes = (self.values, self.weights, self.column, self.unit, self.n_images)
        return draw(*sizes, self.shown_fit.curve, d50, shown, ax, self.limit, self.corrected if self.column == "ecd" else None)

    def plot_quantiles(self, ax: Axes | None = None) -> Figure:
        """Sizes over the quantiles of the fit that is drawn, or of the likeliest where none is adequate: a straight line where it holds."""
        from napari_temseg.engine.measure.plots import draw_quantiles

        return draw_quantiles(self.values, self.weights, self.unit, self.shown_fit.likeliest, ax)

    def to_svg(self) -> bytes:
        """The plot as an SVG document; the same sizes give the same bytes."""
        return self._drawing.svg

    def to_pdf(self) -> bytes:
        """The same plot as a PDF document, its letters as letters."""
        return self._drawing.pdf

    @cached_property
    def _drawing(self) -> Drawing:
        from napari_temseg.engine.measure.plots import Drawing

        return Drawing(self.plot)

    def to_json(self) -> str:
        """Summary, fits and what they were made of, as JSON without NaN."""
        content = {
            "summary": self.summary(),
            "fits": self.fits,
            "best_fit": self.best_fit,
            "images": list(self.images),
            "samples": list(self.samples),
        }
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
