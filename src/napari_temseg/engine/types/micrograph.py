"""What a picture is: pixels, the meaning of its axes, its calibration, where it may be looked at, where it came from."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.acquisition import Acquisition
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.units import to_nanometres, typed_factor, unit_for

FINEST_PIXEL, COARSEST_PIXEL = 1e-3, 1e4  # nm/px: 1 pm and 10 µm, between which pictures of electron microscopes lie
FINEST_SENSIBLE, COARSEST_SENSIBLE = 1e-4, 1e7  # nm/px: 0.1 pm and 1 cm; beyond, a number or a unit is wrong
AXES = {"YX": "one micrograph", "NYX": "fields of one sample", "TYX": "time", "ZYX": "depth of one specimen"}


@dataclass(frozen=True)
class Calibration:
    """Pixel size (y, x) in nm, or None when only pixels are known, with its origin and uncertainty.

    `reading_uncertainty` and `factor_uncertainty` are relative standard uncertainties; `factor` multiplies the pixel
    size and comes from measuring `standard` on `date`; along y it is `stretch` times what it is along x. Calibrations of one `row` of the
    laboratory's table share the error of their factor. `TemsegError` for a size that is not positive, or that no micrograph has.
    """

    pixel_size: tuple[float, float] | None = None
    origin: str = "none"
    reading_uncertainty: float = 0.0
    factor: float = 1.0
    factor_uncertainty: float = 0.0
    standard: str = ""
    date: str = ""
    stretch: float = 1.0
    row: str = ""

    def __post_init__(self) -> None:
        if self.pixel_size is not None:
            sizes = [float(s) for s in self.pixel_size]
            if len(sizes) != 2 or not all(math.isfinite(s) and s > 0 for s in sizes):
                raise TemsegError(f"A pixel size must be two positive numbers in nm (y, x), not {self.pixel_size}.")
            object.__setattr__(self, "pixel_size", (sizes[0], sizes[1]))
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise TemsegError(f"A calibration factor must be a positive number, not {self.factor}.")
        if not (math.isfinite(self.stretch) and self.stretch > 0):
            raise TemsegError(f"The ratio of two calibration factors must be a positive number, not {self.stretch}.")
        if self.pixel_size is not None:
            absurd = next((size for size in (*self.pixel_size, *self._in_nm) if not FINEST_SENSIBLE <= size <= COARSEST_SENSIBLE), None)
            if absurd is not None:
                factor = f" times the factor {self.factor:g}" if self.factor != 1 else ""
                told = f"{self.pixel_size[1]:.4g} nm{factor}"
                raise TemsegError(f"No micrograph has a pixel of {told} (it would lie between 0.1 pm and 1 cm): check number and unit.")

    @property
    def unit(self) -> str:
        """The unit of every length measured with it: "nm" or "px"."""
        return "px" if self.pixel_size is None else "nm"

    @property
    def scale(self) -> tuple[float, float]:
        """Length of a pixel (y, x) in `unit`, with the factor applied; (1, 1) when uncalibrated."""
        return self._in_nm

    @property
    def _in_nm(self) -> tuple[float, float]:
        if self.pixel_size is None:
            return (1.0, 1.0)
        along_y, along_x = self.factors
        return (self.pixel_size[0] * along_y, self.pixel_size[1] * along_x)

    @property
    def factors(self) -> tuple[float, float]:
        """What the pixel size is multiplied by along y and x; their geometric mean is `factor`."""
        return (self.factor * math.sqrt(self.stretch), self.factor / math.sqrt(self.stretch))

    @property
    def nanometres(self) -> float:
        """Side in nm of a square pixel of the same area, with the factor applied; 0 when uncalibrated."""
        return 0.0 if self.pixel_size is None else math.sqrt(math.prod(self._in_nm))

    @property
    def uncertainty(self) -> float:
        """Relative standard uncertainty of a length, reading and factor combined in quadrature."""
        return math.hypot(self.reading_uncertainty, self.factor_uncertainty)

    @property
    def doubt(self) -> str:
        """Why the pixel size is hardly one of an electron micrograph, a sentence without its end; "" where nothing is odd."""
        odd = self.pixel_size is not None and not all(FINEST_PIXEL <= size <= COARSEST_PIXEL for size in self._in_nm)
        return f"{self.describe().split(' · ')[0]} lies beyond what electron microscopes give (1 pm to 10 µm a pixel)" if odd else ""

    def describe(self) -> str:
        """For people: "0.676 nm/px · scale bar", or "not calibrated (px)"."""
        if self.pixel_size is None:
            return "not calibrated (px)"
        unit = unit_for(min(self._in_nm))
        y, x = (side / to_nanometres(1, unit) for side in self._in_nm)
        size = f"{x:.4g}" if math.isclose(x, y, rel_tol=1e-3) else f"{y:.4g} × {x:.4g}"
        return f"{size} {unit}/px · {self.origin}{self._of_row()}"

    def stated(self) -> str:
        """As `describe`, with the relative standard uncertainty of a length: "0.676 nm/px · scale bar ± 1.2 %"."""
        told = f" ± {100 * self.uncertainty:.2g} %" if self.reading_uncertainty or (self.factor_uncertainty and not self.row) else ""
        return self.describe() + told

    def _of_row(self) -> str:
        """The factors of the laboratory's table and where they come from, for people; "" where none was applied."""
        if not self.row:
            return ""
        y, x = self.factors
        factor = f"{x:.6g}" if math.isclose(x, y, rel_tol=1e-6) else f"{x:.6g} (x), {y:.6g} (y)"
        spread = f" ± {100 * self.factor_uncertainty:.2g} %" if self.factor_uncertainty else ""
        by = ", ".join(filter(None, (self.standard, self.date)))
        return f" × {factor}{spread}, calibration of {self.row}{f' ({by})' if by else ''}"

    @classmethod
    def typed(cls, text: str) -> Calibration:
        """Parse what a person types for one pixel: "0.21 nm", "2.1 Å", "0.50 ± 0.01 nm" (or +-), "px"; `TemsegError` if it is no length.

        What follows ± is the standard uncertainty, in the same unit.
        """
        if text.strip().lower() in {"px", "none", ""}:
            return cls()
        number = r"[0-9.]+(?:[eE][-+]?\d+)?"
        match = re.fullmatch(rf"\s*({number})\s*(?:(?:±|\+/?-)\s*({number})\s*)?([^\d\s/±+]+)\s*(?:/\s*px)?\s*", text)
        if not match:
            raise TemsegError(f'“{text}” is not a pixel size: write a number and a unit, such as "0.21 nm".')
        try:
            value, uncertain = float(match[1]), float(match[2] or 0)
        except ValueError as error:
            raise TemsegError(f'“{text}” is not a pixel size: write a number and a unit, such as "0.21 nm".') from error
        size = to_nanometres(value, match[3])
        if value and uncertain >= value:
            raise TemsegError(f"“{text}” is not a pixel size: its uncertainty is as large as the size, so nothing could be measured.")
        return cls((size, size), "typed", reading_uncertainty=uncertain / value if value else 0.0)

    def by_standard(self, factor: str, standard: str = "", date: str = "") -> Calibration:
        """With what people type of a standard: the factor ("1.02 ± 0.003"), its name and the date; each "" where nothing is said of it.

        `TemsegError` if it is no factor, and for a standard without one.
        """
        if not factor:
            if standard or date:
                raise TemsegError(f"“{standard or date}” says of no factor what standard it comes from: give the factor, 1 if it agrees.")
            return self
        value, uncertain = typed_factor(factor)
        return replace(self, factor=value, factor_uncertainty=uncertain, stretch=1.0, standard=standard, date=date, row="")


@dataclass(frozen=True)
class ShownCalibration(Calibration):
    """A calibration whose lengths are told in `shown` ("µm", "mm") in place of nm, as people read them; its pixel size stays in nm."""

    shown: str = "nm"

    @property
    def unit(self) -> str:
        """The unit of every length measured with it."""
        return "px" if self.pixel_size is None else self.shown

    @property
    def scale(self) -> tuple[float, float]:
        """Length of a pixel (y, x) in `unit`, with the factor applied; (1, 1) when uncalibrated."""
        y, x = self._in_nm
        part = 1.0 if self.pixel_size is None else to_nanometres(1, self.shown)
        return (y / part, x / part)


@dataclass(frozen=True)
class Source:
    """Where a micrograph came from: path, detector or series in the file, a hash of its content; `lossy` for pixels kept as JPEG."""

    path: str = ""
    series: str = ""
    content_hash: str = ""
    lossy: bool = False


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One picture or stack.

    `data` is a numpy or dask array of any real type, shape (Y, X) or (N, Y, X); `axes` one of "YX", "NYX" (fields of one
    sample), "TYX" (time), "ZYX" (depth); the meaning of a leading axis is said, never guessed. `valid` is bool (Y, X), False
    where nobody should look (data bars, labels), or None. `notes` are the sentences of whoever read it that people should know before they
    believe a number; `acquisition` is what the file tells of how it was taken; `grid` the grid or preparation of the sample.
    """

    data: Any
    axes: str = ""
    calibration: Calibration = field(default_factory=Calibration)
    valid: npt.NDArray[np.bool_] | None = None
    source: Source = field(default_factory=Source)
    sample: str = ""
    notes: tuple[str, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition)
    grid: str = ""

    def __post_init__(self) -> None:
        data = (
            self.data if hasattr(self.data, "ndim") and isinstance(getattr(self.data, "dtype", None), np.dtype) else np.asarray(self.data)
        )
        object.__setattr__(self, "data", data)
        name = self.source.path or "the image"
        if data.dtype.kind not in "buif":
            raise TemsegError(f"{name}: pixels of type {data.dtype} cannot be segmented; convert them to grey integers or floats.")
        if not self.axes and data.ndim == 2:
            object.__setattr__(self, "axes", "YX")
        if not self.axes:
            raise TemsegError(
                f"{name}: an array of shape {tuple(data.shape)} does not say what its first axis means; "
                'give axes="NYX" (fields), "TYX" (time) or "ZYX" (depth).'
            )
        if self.axes not in AXES or len(self.axes) != data.ndim:
            raise TemsegError(f"{name}: axes “{self.axes}” do not fit an array of shape {tuple(data.shape)}; use one of {', '.join(AXES)}.")
        if 0 in data.shape:
            raise TemsegError(f"{name}: the image is empty (shape {tuple(data.shape)}).")
        if self.valid is not None:
            # A 0/1 or 0/255 mask would otherwise index instead of selecting.
            valid = np.asarray(self.valid) != 0
            if valid.shape != tuple(data.shape[-2:]):
                raise TemsegError(f"{name}: the valid area has shape {valid.shape}, the image {tuple(data.shape[-2:])}; they must agree.")
            object.__setattr__(self, "valid", valid)

    @property
    def name(self) -> str:
        """File stem for tables and messages, or the sample, or "image"."""
        stem = re.split(r"[\\/]", self.source.path)[-1]
        return stem.rsplit(".", 1)[0] or self.sample or "image"

    def __repr__(self) -> str:
        left_out = "" if self.valid is None else f", {1 - float(np.mean(self.valid)):.1%} left out"
        return f"<Micrograph {self.name}: {self.extent}, {self.data.dtype}, {self.calibration.describe()}{left_out}>"

    def _repr_html_(self) -> str:
        from napari_temseg.engine.types.thumbnails import NOTEBOOK, as_html, thumbnail

        return as_html(repr(self)[1:-1], thumbnail(self.plane(0), side=NOTEBOOK))

    @property
    def extent(self) -> str:
        """Its shape for people: "512 × 768 px" (height × width), "12 planes (time) of 512 × 768 px"."""
        size = "{} × {} px".format(*self.frame)
        return size if self.axes == "YX" else f"{self.n_planes} plane{'' if self.n_planes == 1 else 's'} ({AXES[self.axes]}) of {size}"

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width of a plane in px."""
        return int(self.data.shape[-2]), int(self.data.shape[-1])

    @property
    def n_planes(self) -> int:
        """Number of planes: 1 for axes "YX"."""
        return 1 if self.axes == "YX" else int(self.data.shape[0])

    def plane(self, index: int = 0) -> npt.NDArray[Any]:
        """One plane as a numpy array (Y, X) of the stored type; only this plane is read from a lazy array."""
        return np.asarray(self.data if self.axes == "YX" else self.data[index])

    def at(self, index: int) -> Micrograph:
        """One plane as a micrograph of its own (axes "YX"): lazy data stays lazy, all else is kept. `TemsegError` for no such plane."""
        if not 0 <= index < self.n_planes:
            raise TemsegError(f"{self.name}: there is no plane {index}; its {self.n_planes} are numbered from 0.")
        return self if self.axes == "YX" else replace(self, data=self.data[index], axes="YX")

    def with_calibration(self, calibration: Calibration) -> Micrograph:
        """The same pixels under another calibration."""
        return replace(self, calibration=calibration)

    def content_hash(self) -> str:
        """SHA-256 of shape, type and pixels: annotations are keyed by it, so that a renamed file is still the same image."""
        if self.source.content_hash:
            return self.source.content_hash
        digest = hashlib.sha256(f"{tuple(self.data.shape)}{self.data.dtype}".encode())
        for index in range(self.n_planes):
            digest.update(np.ascontiguousarray(self.plane(index)).data)
        return digest.hexdigest()


def grey(array: npt.NDArray[Any], name: str = "the image") -> npt.NDArray[Any]:
    """Reduce (…, Y, X, 3 or 4) to (…, Y, X) when the colour channels are equal; `TemsegError` when they are not."""
    red, green, blue = (array[..., channel].astype(np.float32) for channel in range(3))
    spread = np.maximum(np.abs(red - green), np.abs(red - blue))
    # JPEG rounds grey to channels a few levels apart; real colour (annotations, false colour) is far more than that.
    top = 255.0 if array.dtype == np.uint8 else max(float(red.max()), 1e-12)
    if float(np.mean(spread > 0.03 * top)) > 0.001:
        raise TemsegError(f"{name}: the image is in colour; convert it to grey first (in ImageJ: Image ▸ Type ▸ 8-bit).")
    reduced: npt.NDArray[Any] = array[..., 1]
    return reduced


def as_micrograph(image: Any, axes: str = "") -> Micrograph:
    """A `Micrograph` as it is, or one made of a plain array (Y, X), grey colour (Y, X, 3 or 4), or a stack with `axes` given."""
    if isinstance(image, Micrograph):
        return image
    if isinstance(image, (str, bytes)):
        raise TemsegError(f"“{image!s}” is a path, not an image: read it first with temseg.read.")
    array = image if hasattr(image, "ndim") and isinstance(getattr(image, "dtype", None), np.dtype) else np.asarray(image)
    if not axes and array.ndim == 3 and array.shape[-1] in (3, 4) and array.shape[0] > 4:
        array = grey(np.asarray(array))
    return Micrograph(array, axes)
