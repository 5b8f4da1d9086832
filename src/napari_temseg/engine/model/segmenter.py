"""A model: network, classes, normalisation, working scale and the history of how it came about."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.novelty import Familiarity
from napari_temseg.engine.types.confidence import Confidence
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.results import PARTICLE_CLASSES

if TYPE_CHECKING:
    import torch
    from torch import nn

Arrays = dict[str, npt.NDArray[Any]]
_NOT_BEARING = ("history", "name", "familiar", "confidence")  # what is known of a model but changes no prediction
SAME_SIZE = 0.02  # pixel sizes that differ by less are the same
_ROWS_OF = 2**20  # px of a large plane that are normalised together
MOST_MAGNIFICATION = 4.0  # × by which a difference of pixel size is made up for: beyond, pictures are too unlike for that alone

_RUNNING = ("running_mean", "running_var", "num_batches_tracked")  # statistics of a network, which are no weights
_building = Lock()

# The engine knows no file formats: files.models puts its writer here when it is imported.
writer: Callable[[Segmenter, Path], None] | None = None


@dataclass(frozen=True)
class Normalisation:
    """Input = (image clipped to two percentiles − mean) / SD of the valid pixels of a plane, so that hot pixels and bars do not set it."""

    low: float = 0.1
    high: float = 99.9

    def apply(
        self, plane: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None, name: str = "the image"
    ) -> npt.NDArray[np.float32]:
        """Normalise a plane (Y, X) of any real type to float32; what is not finite becomes the mean (0).

        A constant plane gives zeros. `TemsegError` when no pixel is finite and valid.
        """
        image = np.asarray(plane, dtype=np.float64 if plane.dtype.itemsize > 4 else np.float32)
        seen = np.isfinite(image)
        if valid is not None and bool((seen & valid).any()):
            seen &= valid
        if not seen.any():
            raise TemsegError(f"{name}: no pixel holds a finite number; open the file again or leave this image out.")
        values = image[seen]
        # Percentiles of a sample: of 16 million pixels every 16th says as much.
        low, high = np.percentile(values[:: max(1, values.size // 1_000_000)], [self.low, self.high])
        # In units of the largest value: whatever the picture's unit (pA, counts), squares neither overflow nor vanish.
        unit = float(max(abs(low), abs(high))) or 1.0
        values = np.clip(values, low, high) / unit
        mean, sd = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        with np.errstate(invalid="ignore"):
            result = (np.clip(image, low, high) / unit - mean) / (sd if sd > 1e-9 else 1.0)
        normalised: npt.NDArray[np.float32] = np.where(np.isfinite(image), result, 0.0).astype(np.float32)
        return normalised

    def fixed(self, plane: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None, name: str = "the image") -> FixedNormalisation:
        """What `apply` makes of a large plane (Y, X), for its parts: found a few rows at a time."""
        step = max(1, int(_ROWS_OF / plane.shape[1]))
        strips = [slice(top, top + step) for top in range(0, plane.shape[0], step)]
        use = valid if valid is not None and any(bool((np.isfinite(plane[rows]) & valid[rows]).any()) for rows in strips) else None

        def values(rows: slice) -> npt.NDArray[np.float64]:
            part = np.asarray(plane[rows], np.float64)
            seen = np.isfinite(part) if use is None else np.isfinite(part) & use[rows]
            return part[seen]

        counts = [values(rows).size for rows in strips]
        if not sum(counts):
            raise TemsegError(f"{name}: no pixel holds a finite number; open the file again or leave this image out.")
        thin = max(1, sum(counts) // 1_000_000)
        low, high = np.percentile(np.concatenate([values(rows)[::thin] for rows in strips]), [self.low, self.high])
        unit = float(max(abs(low), abs(high))) or 1.0
        sums = np.array([[part.sum(), (part * part).sum()] for rows in strips for part in [np.clip(values(rows), low, high) / unit]])
        mean, square = sums.sum(axis=0) / sum(counts)
        return FixedNormalisation(self.low, self.high, float(low), float(high), unit, float(mean), math.sqrt(max(square - mean**2, 0.0)))


@dataclass(frozen=True)
class FixedNormalisation(Normalisation):
    """One that was found for a whole plane, for each part of it: clipped to `lowest` and `highest`, in units of `unit`, less `mean`, over
    `sd`."""

    lowest: float = 0.0
    highest: float = 1.0
    unit: float = 1.0
    mean: float = 0.0
    sd: float = 1.0

    def apply(
        self, plane: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None, name: str = "the image"
    ) -> npt.NDArray[np.float32]:
        """The part (Y, X) as float32, a few rows at a time; what is not finite becomes the mean (0)."""
        result = np.empty(plane.shape, np.float32)
        step = max(1, int(_ROWS_OF / plane.shape[1]))
        for top in range(0, plane.shape[0], step):
            part = np.asarray(plane[top : top + step], np.float64)
            scaled = (np.clip(part, self.lowest, self.highest) / self.unit - self.mean) / (self.sd if self.sd > 1e-9 else 1.0)
            result[top : top + step] = np.where(np.isfinite(part), scaled, 0.0)
        return result


@dataclass(frozen=True)
class AsItIs(Normalisation):
    """For planes that are normalised already."""

    def apply(
        self, plane: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None, name: str = "the image"
    ) -> npt.NDArray[np.float32]:
        """The plane as float32."""
        return np.asarray(plane, np.float32)


class StoredWeights:
    """The tensors of a network by name, until it is built: what runs an exported network needs no torch."""

    def __init__(self, tensors: Arrays) -> None:
        self._tensors = tensors
        self._network: nn.Module | None = None
        self._said: dict[str, str] = {}

    def __getstate__(self) -> Arrays:
        return self.arrays()

    def __setstate__(self, tensors: Arrays) -> None:
        self._tensors, self._network, self._said = tensors, None, {}

    def once(self, key: str, say: Callable[[], str]) -> str:
        """What `say` says of the tensors, asked once as long as these cannot have changed: nobody has the network."""
        if self._network is not None:
            return say()
        if key not in self._said:
            self._said[key] = say()
        return self._said[key]

    def arrays(self) -> Arrays:
        """The tensors as they are now."""
        return self._tensors if self._network is None else arrays_of(self._network)

    def network(self, spec: NetworkSpec) -> nn.Module:
        """The network with them, built once; ValueError when they are not those of one like that."""
        with _building:
            if self._network is None:
                self._network, self._tensors = _built(spec, self._tensors), {}
            return self._network


def arrays_of(network: nn.Module) -> Arrays:
    """Every tensor of a network by name."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in network.state_dict().items()}


def _built(spec: NetworkSpec, tensors: Arrays) -> nn.Module:
    import torch

    from napari_temseg.engine.model.network import build_network

    with torch.random.fork_rng(devices=[]):
        network = build_network(spec)
    expected = network.state_dict()
    if set(expected) != set(tensors) or any(tuple(expected[n].shape) != tensors[n].shape for n in expected):
        raise ValueError("its tensors are not those of the network it describes")
    network.load_state_dict({name: torch.from_numpy(np.array(array)).to(expected[name].dtype) for name, array in tensors.items()})
    return network.eval()


@dataclass(eq=False)
class Segmenter:
    """A network with everything needed to use it. `classes`: number → name, 1 is the background, without gaps."""

    weights: nn.Module | StoredWeights
    spec: NetworkSpec
    classes: dict[int, str] = field(default_factory=lambda: dict(PARTICLE_CLASSES))
    normalisation: Normalisation = field(default_factory=Normalisation)
    scales: tuple[float, ...] = (1.0,)
    name: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    fixed_scale: bool = False  # trained on somebody's pictures at these scales, and used at them
    pixel_size: float = 0.0  # nm: that of the pictures to which fixed scales belong; 0 when it is not known, or not the same for all
    familiar: Familiarity | None = None  # what pictures like those of its training look like
    confidence: Confidence | None = None  # how often it is right; None for one that was never judged by outlines
    unused: Segmenter | None = None  # of a training that kept this model: what it learnt all the same; it is not saved with it

    def __post_init__(self) -> None:
        if sorted(self.classes) != list(range(1, self.spec.n_classes + 1)):
            raise TemsegError(
                f"Model {self.name}: class numbers {sorted(self.classes)} must run from 1 (background) to {self.spec.n_classes}."
            )
        if not isinstance(self.weights, StoredWeights):
            self.weights.eval()

    @property
    def network(self) -> nn.Module:
        """The network; of a model that was read from a file it is built when it is first wanted."""
        return self.weights.network(self.spec) if isinstance(self.weights, StoredWeights) else self.weights

    def arrays(self) -> Arrays:
        """Every tensor by name, in the precision of the file as long as the network is not built."""
        return self.weights.arrays() if isinstance(self.weights, StoredWeights) else arrays_of(self.weights)

    def __repr__(self) -> str:
        weights = sum(array.size for name, array in self.arrays().items() if not name.endswith(_RUNNING))
        scales = ", ".join(f"{scale:.3g}" for scale in self.scales)
        what = f"U-Net on {self.spec.encoder}, {weights / 1e6:.1f} million weights, classes {', '.join(self.classes.values())}"
        return f"<Segmenter {self.name or 'without a name'}: {what}, working scale{'' if len(self.scales) == 1 else 's'} {scales}>"

    @classmethod
    def new(cls, spec: NetworkSpec, classes: dict[int, str], encoder_weights: str | None = None, seed: int = 0) -> Segmenter:
        """An untrained model; the same seed gives the same random weights and leaves torch's global generator alone."""
        import torch

        from napari_temseg.engine.model.network import build_network

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(build_network(spec, encoder_weights), spec, dict(classes))

    def copy(self) -> Segmenter:
        """Independent weights and history."""
        return replace(self, weights=copy.deepcopy(self.weights), classes=dict(self.classes), history=copy.deepcopy(self.history))

    @property
    def depth_taught(self) -> bool:
        """Whether it learnt how deep particles are: one made of strokes alone did not, one trained further keeps what it knew."""
        trained = list(filter(_learnt, self.history))
        return bool(trained[-1].get("depth_taught", True)) if trained else True

    @property
    def taught_size(self) -> float:
        """The width (px at the first working scale) of the particles that a new decoder was taught, 0 where there is none, or not known.

        It looks for these, whichever band of sizes the network answered for before.
        """
        known = [float(record["size"]) for record in filter(_learnt, self.history) if record.get("size")]
        return known[-1] if known and self.fixed_scale else 0.0

    @property
    def finds_scale(self) -> bool:
        """Whether its scales are moved to suit the particles of a picture: needs a learnt depth, by which particles are told apart."""
        moves = bool(self.spec.working_size) or len(self.scales) > 1
        return "distance" in self.spec.auxiliary[:1] and moves and not self.fixed_scale

    def suited(self, pixel_size: float) -> Segmenter:
        """The model with its fixed scales moved to a picture whose pixels are `pixel_size` nm (0: unknown), by the ratio at most 4 or 1/4.

        So the same particles are as large in its eyes as those it was trained on. Itself where nothing is known, or nothing to do.
        """
        ratio = pixel_size / self.pixel_size if self.fixed_scale and self.pixel_size > 0 and pixel_size > 0 else 1.0
        if math.isclose(ratio, 1.0, rel_tol=SAME_SIZE):
            return self
        factor = min(MOST_MAGNIFICATION, max(1 / MOST_MAGNIFICATION, ratio))
        return replace(self, scales=tuple(min(8.0, max(0.05, scale * factor)) for scale in self.scales), pixel_size=pixel_size)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every tensor by name, on the CPU, contiguous."""
        return {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}

    def metadata(self) -> dict[str, Any]:
        """All that is not a tensor, as JSON knows it; `from_parts` reads it back."""
        return {
            "network": self.spec.to_dict(),
            "classes": {str(number): name for number, name in self.classes.items()},
            "normalisation": {"low": self.normalisation.low, "high": self.normalisation.high},
            "scales": list(self.scales),
            "name": self.name,
            "history": self.history,
            # Of a trained model that does not say so, it is assumed (see `from_parts`).
            **({"fixed_scale": self.fixed_scale} if self.fixed_scale or any(map(_learnt, self.history)) else {}),
            **({"pixel_size": self.pixel_size} if self.pixel_size else {}),
            **({"familiar": self.familiar.to_dict()} if self.familiar else {}),
            **({"confidence": self.confidence.to_dict()} if self.confidence else {}),
        }

    @classmethod
    def from_parts(cls, metadata: dict[str, Any], tensors: Mapping[str, Any], *, built: bool = True) -> Segmenter:
        """Back from `metadata` and `tensors`; KeyError, TypeError, ValueError or TemsegError where they do not fit.

        Without `built` whether the tensors fit is told when the network is first wanted.
        """
        network = metadata["network"]
        channels = tuple(int(c) for c in network["decoder_channels"])
        auxiliary = tuple(str(a) for a in network["auxiliary"])
        working_size = float(network.get("working_size", 0.0))
        spec = NetworkSpec(str(network["encoder"]), channels, int(network["n_classes"]), auxiliary, working_size)
        sensible = len(channels) == 5 and all(1 <= c <= 2048 for c in channels) and 2 <= spec.n_classes <= 255 and len(auxiliary) <= 16
        if not sensible or not 0 <= working_size <= 1000:
            raise ValueError("the network it describes has no sensible size")
        scales = tuple(float(s) for s in metadata["scales"])
        if not scales or not all(0.05 <= s <= 8 for s in scales):
            raise ValueError("its working scales are out of range")
        weights = StoredWeights({name: np.asarray(tensor) for name, tensor in tensors.items()})
        if built:
            weights.network(spec)
        classes = {int(number): str(name) for number, name in metadata["classes"].items()}
        norm = Normalisation(float(metadata["normalisation"]["low"]), float(metadata["normalisation"]["high"]))
        if not 0 <= norm.low < norm.high <= 100:
            raise ValueError("its normalisation percentiles are out of range")
        history = list(metadata.get("history", []))
        fixed = bool(metadata.get("fixed_scale", any(map(_learnt, history))))
        pixel_size = float(metadata.get("pixel_size", 0.0))
        if not 0 <= pixel_size < math.inf:
            raise ValueError("its pixel size is out of range")
        familiar = Familiarity.from_dict(metadata["familiar"]) if "familiar" in metadata else None
        confidence = Confidence.from_dict(metadata["confidence"]) if "confidence" in metadata else None
        return cls(weights, spec, classes, norm, scales, str(metadata.get("name", "")), history, fixed, pixel_size, familiar, confidence)

    def content_hash(self) -> str:
        """SHA-256 of the tensors (as half precision) and all that bears on a prediction: the same model, saved again, has the same hash."""
        bearing = json.dumps({key: value for key, value in self.metadata().items() if key not in _NOT_BEARING}, sort_keys=True)
        digest = partial(self._digest, bearing)
        return self.weights.once(bearing, digest) if isinstance(self.weights, StoredWeights) else digest()

    def _digest(self, bearing: str) -> str:
        digest = hashlib.sha256(bearing.encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode())
            with np.errstate(over="ignore"):
                digest.update((array.astype(np.float16) if array.dtype.kind == "f" else array).tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write a `.temseg` file, whole or not at all."""
        if writer is None:
            raise TemsegError("No writer for .temseg files is loaded; import napari_temseg.files.models first.")
        writer(self, Path(path))


def _learnt(record: dict[str, Any]) -> bool:
    """Whether a record of a model's history tells of a training that changed it."""
    return record.get("kind") == "trained" and record.get("best_step", 0) > 0
