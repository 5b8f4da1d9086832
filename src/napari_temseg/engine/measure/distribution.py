"""From measurements to a size distribution: pooling, frame correction, summary with intervals, fits, plot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from napari_temseg.engine.measure.descriptors import DESCRIPTORS
from napari_temseg.engine.measure.edge_correction import frame_weights
from napari_temseg.engine.measure.measurement import Measurement
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.wording import four

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
LENGTHS = tuple(name for name, each in DESCRIPTORS.items() if each.kind == "length")
FEW_IMAGES = 10
_REPLICATES = 400
_SCATTER = "none: the particles of the image differ too much for one"
_DEPENDENT = {"TYX": "time", "ZYX": "depth"}


@dataclass(frozen=True, eq=False)
class SizeDistribution:
    """The pooled sizes of one column.

    `values` (n,) in `unit`, ascending; `weights` (n,) the frame correction, summing to n; `group` (n,) which of the `n_images`
    independent pictures each particle is from; `left_out` reason → number; `calibration_uncertainty` the relative standard uncertainty
    that all sizes share, None where none is stated; `cautions` what a reader has to know.
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

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, images = len(self), f"{self.n_images} image{'' if self.n_images == 1 else 's'}"
        middle = self.quantile(0.5)
        told = "" if middle is None else f", D50 {four(middle)} {self.unit}"
        return f"<SizeDistribution of {self.column} in {self.unit}: {n} particle{'' if n == 1 else 's'} in {images}{told}>"

    def _repr_html_(self) -> str:
        from napari_temseg.engine.types.thumbnails import framed

        return framed(repr(self)[1:-1], self.to_svg(), "image/svg+xml")

    def quantile(self, share: float, *, power: int = 0) -> float | None:
        """The size below which `share` of the particles lie; with `power` 3, of their volume. None without particles."""
        return _quantile(self.values, self.weights * self.values**power, share) if len(self) else None

    def summary(self) -> dict[str, Any]:
        """Numbers, lengths in `unit`, None for what does not exist.

        `d…` are weighted by number, `dv…`, `d32` and `d43` take each particle for a sphere of its size. `span` is (d90 − d10) / d50 and
        `dv_span` the same by volume. `n_eff` is (Σw)²/Σw², the number of equally weighted particles that tell as much. The intervals
        are 95 % ones of counting (see `interval_basis`), `…_with_calibration` adds the uncertainty of the calibration in quadrature.
        """
        return {
            "column": self.column,
            "unit": self.unit,
            "n": len(self),
            "n_images": self.n_images,
            "n_left_out": dict(self.left_out),
            **self._moments(),
            **self._quantiles(),
            **self._intervals,
            "calibration_relative_uncertainty": self.calibration_uncertainty,
            "caution": " ".join([*self.cautions, *self._differing]) or None,
        }

    def _moments(self) -> dict[str, float | None]:
        names = ("mean", "sd", "geometric_mean", "gsd", "d32", "d43", "n_eff", "n_eff_volume", "share_below_100nm")
        figures: dict[str, float | None] = dict.fromkeys(names)
        if not len(self):
            return figures
        x, w = self.values, self.weights
        volume = w * x**3
        mean, sd = _mean_sd(x, w)
        log_mean, log_sd = _mean_sd(np.log(x), w)
        figures |= {
            "mean": mean,
            "sd": sd,
            "geometric_mean": float(np.exp(log_mean)),
            "gsd": None if log_sd is None else float(np.exp(log_sd)),
        }
        figures |= {"d32": float(volume.sum() / (w * x**2).sum()), "d43": float((volume * x).sum() / volume.sum())}
        figures |= {"n_eff": _effective(w), "n_eff_volume": _effective(volume)}
        if self.unit == "nm":
            figures["share_below_100nm"] = float(w[x < 100].sum() / w.sum())
        return figures

    def _quantiles(self) -> dict[str, float | None]:
        figures: dict[str, float | None] = {"median": self.quantile(0.5)}
        for name, power in (("d", 0), ("dv", 3)):
            low, middle, high = (self.quantile(share, power=power) for share in (0.1, 0.5, 0.9))
            figures |= {f"{name}10": low, f"{name}50": middle, f"{name}90": high}
            span = None if low is None or middle is None or high is None else (high - low) / middle
            figures["span" if power == 0 else "dv_span"] = span
        return figures

    @cached_property
    def _intervals(self) -> dict[str, Any]:
        names = ("mean_interval", "d50_interval", "mean_interval_with_calibration", "d50_interval_with_calibration")
        found: dict[str, Any] = dict.fromkeys(names)
        if len(self) < 2:
            return found | {"interval_basis": "none: an interval needs at least two particles"}
        pictures, group = np.unique(self.group, return_inverse=True)
        basis = f"bootstrap over {len(pictures)} images, t quantiles"
        if len(pictures) == 1:
            group = np.arange(len(self))
            basis = f"bootstrap over the {len(self)} particles of one image; how images differ is not in it"
        estimates = {"mean": _mean_sd(self.values, self.weights)[0], "d50": _quantile(self.values, self.weights, 0.5)}
        halves = _half_widths(self.values, self.weights, group)
        for (name, estimate), half in zip(estimates.items(), halves, strict=True):
            if half > estimate:  # an interval from nearly nothing to many times the size tells nobody anything
                basis = f"none: the {len(pictures)} images differ too much for one" if len(pictures) > 1 else _SCATTER
                continue
            found[f"{name}_interval"] = _around(estimate, half)
            if self.calibration_uncertainty is not None:
                both = float(np.hypot(half, stats.norm.ppf(0.975) * self.calibration_uncertainty * estimate))
                found[f"{name}_interval_with_calibration"] = _around(estimate, both)
        return found | {"interval_basis": basis}

    @property
    def _differing(self) -> list[str]:
        """A caution where no interval exists because the pictures differ."""
        if self.n_images < 2 or len(self) < 2 or None not in (self._intervals["mean_interval"], self._intervals["d50_interval"]):
            return []
        return ["The images differ so much that one distribution of all may mean little: look at each, or at one sample at a time."]

    @cached_property
    def fits(self) -> dict[str, dict[str, Any]]:
        """Normal and lognormal by weighted maximum likelihood: name → parameters, log-likelihood and AICc.

        The frame weights stand in the likelihood as if they were counts, for which AICc does not strictly hold: it ranks the two, no more.
        Empty with fewer than two different sizes.
        """
        if len(np.unique(self.values)) < 2:
            return {}
        x, w = self.values, self.weights
        logs = np.log(x)
        mean, sd = np.average(x, weights=w), np.sqrt(np.cov(x, aweights=w, ddof=0))
        mu, sigma = np.average(logs, weights=w), np.sqrt(np.cov(logs, aweights=w, ddof=0))
        if not (sd > 0 and sigma > 0):  # they differ by less than arithmetic can tell
            return {}
        normal = float((w * stats.norm.logpdf(x, mean, sd)).sum())
        lognormal = float((w * (stats.norm.logpdf(logs, mu, sigma) - logs)).sum())
        return {
            "normal": {"mean": float(mean), "sd": float(sd), **self._likelihood(normal)},
            "lognormal": {"median": float(np.exp(mu)), "gsd": float(np.exp(sigma)), **self._likelihood(lognormal)},
        }

    def _likelihood(self, value: float) -> dict[str, float | None]:
        n, k = len(self), 2
        aicc = 2 * k - 2 * value + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else None
        return {"log_likelihood": value, "aicc": aicc}

    def plot(self, ax: Axes | None = None) -> Figure:
        """Histogram with the lognormal fit and D50 with its interval, on `ax` or a figure of its own; returns the figure."""
        from napari_temseg.engine.measure.plots import draw

        summary = self.summary()
        return draw(
            self.values,
            self.weights,
            self.column,
            self.unit,
            self.n_images,
            self.fits.get("lognormal"),
            summary["d50"],
            summary["d50_interval"],
            ax,
        )

    def to_svg(self) -> bytes:
        """The plot as an SVG document; the same sizes give the same bytes."""
        from napari_temseg.engine.measure.plots import svg

        return svg(self.plot())

    def to_json(self) -> str:
        """Summary, fits and what they were made of, as JSON without NaN."""
        content = {"summary": self.summary(), "fits": self.fits, "images": list(self.images), "samples": list(self.samples)}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def size_distribution(measurements: Sequence[Measurement] | Measurement, column: str = "ecd") -> SizeDistribution:
    """Pool measurements into one distribution of `column`, any length without its unit: "ecd", "feret_min" …

    Particles that touch the frame or a left-out area are counted and left out, and the others are weighted for it (`frame_weights`); of
    these, the ones that a person excluded are left out as well, counted by reason. Every plane of a stack of fields is a picture of its
    own; a stack over time or depth is one. `TemsegError` for measurements in px beside others in nm, and for columns that are no length.
    """
    pool = [measurements] if isinstance(measurements, Measurement) else list(measurements)
    if not pool:
        raise TemsegError("There is nothing to pool: measure at least one image first.")
    unit = _common_unit(pool)
    name = column.removesuffix(f"_{unit}")
    if name not in LENGTHS:
        raise TemsegError(f"A size distribution is made of a length, not of “{column}”; use one of {', '.join(LENGTHS)}.")
    values, boxes, groups = [], [], []
    left_out: Counter[str] = Counter()
    n_images = 0
    for measurement in pool:
        fields = measurement.n_planes if measurement.axes == "NYX" else 1
        table = measurement.table
        whole = table[~table["frame"]]
        left_out["at the edge"] += len(table) - len(whole)
        left_out.update(f"excluded: {reason}" for reason in whole["excluded"] if reason)
        whole = whole[whole["excluded"] == ""]
        values.append(whole[measurement.column(name)].to_numpy(np.float64))
        groups.append(n_images + (whole["plane"].to_numpy(np.intp) if fields > 1 else np.zeros(len(whole), np.intp)))
        corners = whole[["bbox_top_px", "bbox_left_px", "bbox_bottom_px", "bbox_right_px"]].to_numpy(np.float64)
        boxes.append((corners[:, 2:] - corners[:, :2]) * np.asarray(measurement.calibration.scale))
        n_images += fields
    x = np.concatenate(values)
    order = np.argsort(x, kind="stable")
    return SizeDistribution(
        column=name,
        unit=unit,
        values=x[order],
        weights=frame_weights(pool, np.concatenate(boxes)[order]) if len(x) else np.zeros(0),
        group=np.concatenate(groups)[order],
        n_images=n_images,
        images=tuple(measurement.image for measurement in pool),
        samples=tuple(sorted({measurement.sample for measurement in pool} - {""})),
        left_out={reason: count for reason, count in left_out.items() if count},
        calibration_uncertainty=_shared_uncertainty(pool, [len(part) for part in values]),
        cautions=_cautions(pool, n_images),
    )


def _common_unit(pool: list[Measurement]) -> str:
    by_unit = {measurement.length_unit: measurement.image for measurement in pool}
    if len(by_unit) > 1:
        bare, calibrated = by_unit["px"], by_unit["nm"]
        raise TemsegError(f"{bare} is measured in px, {calibrated} in nm: they cannot be pooled; give {bare} a pixel size or leave it out.")
    return next(iter(by_unit))


def _shared_uncertainty(pool: list[Measurement], counts: list[int]) -> float | None:
    """Calibration errors are the same for all particles of an image, and taken as the same for all images: they add up linearly."""
    uncertainty = [measurement.calibration.uncertainty for measurement in pool]
    if not any(uncertainty):
        return None
    return float(np.average(uncertainty, weights=counts if any(counts) else None))


def _cautions(pool: list[Measurement], n_images: int) -> tuple[str, ...]:
    found = []
    for axes, meaning in _DEPENDENT.items():
        if any(measurement.axes == axes for measurement in pool):
            found.append(
                f"Planes of a stack over {meaning} show the same particles again: n counts them each time, and they are no new evidence."
            )
    if n_images < FEW_IMAGES:
        found.append(f"Only {n_images} image{'s' if n_images > 1 else ''}: the intervals say little of how images differ.")
    return tuple(found)


def _effective(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())


def _mean_sd(x: Floats, w: Floats) -> tuple[float, float | None]:
    """Weighted mean and standard deviation, unbiased for weights that say how much, not how often; no deviation of one value."""
    total = w.sum()
    mean = (w * x).sum() / total
    rest = total - (w**2).sum() / total
    return float(mean), float(np.sqrt((w * (x - mean) ** 2).sum() / rest)) if len(x) > 1 else None


def _quantile(x: Floats, w: Floats, share: float) -> float:
    """Weighted quantile of ascending values, each standing at the middle of its weight, linear in between."""
    cumulated = np.cumsum(w)
    return float(np.interp(share * cumulated[-1], cumulated - w / 2, x))


def _around(estimate: float, half: float) -> list[float]:
    """An interval of a positive length from its half width, laid out on the logarithm so that it never reaches below zero."""
    factor = float(np.exp(half / estimate))
    return [estimate / factor, estimate * factor]


def _half_widths(x: Floats, w: Floats, group: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Half widths of the 95 % intervals of mean and median: bootstrap error over groups times Student's t for their number.

    Percentiles of the bootstrap itself would cover far less than 95 % for a few groups.
    """
    rng = np.random.default_rng(0)
    n = int(group.max()) + 1
    draws = np.empty((_REPLICATES, 2))
    for draw in draws:
        drawn = w * np.bincount(rng.integers(n, size=n), minlength=n)[group]
        draw[:] = (drawn * x).sum() / drawn.sum(), _quantile(x, drawn, 0.5)
    half = stats.t.ppf(0.975, n - 1) * draws.std(axis=0) * np.sqrt(n / (n - 1))
    return float(half[0]), float(half[1])
