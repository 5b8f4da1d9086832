"""Every parameter, declared once: form, command line, saved settings and documentation derive from these dataclasses.

Kept apart from the code that uses them, so that a window or `--help` can read them without loading torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.setting import Config, setting
from napari_temseg.engine.types.units import length_words

OUTLINE, HALF_CONTRAST = "outline", "half contrast"  # where a particle ends, by convention
BOTH = "both"  # typed in the place of a size: particles of two sizes are meant, which are found
LEAST_APART = 2.0  # ratio of two sizes from which on they can be those of two populations


@dataclass(frozen=True)
class SimulateConfig(Config):
    """A simulated micrograph with exact truth."""

    mode: str = setting(
        "bright field",
        "Contrast",
        "bright field: dark particles; HAADF: bright particles by projected thickness",
        choices=("bright field", "HAADF"),
    )
    height: int = setting(512, "Height", "Height of the picture", minimum=32, maximum=16384, unit="px")
    width: int = setting(512, "Width", "Width of the picture", minimum=32, maximum=16384, unit="px")
    count: int = setting(
        60, "Particles", "How many particles are asked for; fewer are drawn when they do not fit", minimum=0, maximum=200_000
    )
    diameter: float = setting(32.0, "Median diameter", "Median equivalent circular diameter", minimum=4.0, maximum=600.0, unit="px")
    spread: float = setting(
        1.25, "Spread", "Geometric standard deviation of the lognormal diameters (1: all equal)", minimum=1.0, maximum=3.0
    )
    shapes: tuple[str, ...] = setting(("sphere",), "Shapes", "Any of sphere, ellipsoid, faceted, rod, each equally likely")
    touching: float = setting(0.3, "Touching", "Share of the particles placed in contact with another", minimum=0.0, maximum=1.0)
    overlapping: float = setting(0.0, "Overlapping", "Share of the particles allowed to lie over another", minimum=0.0, maximum=1.0)
    contrast: float = setting(
        0.5, "Contrast", "How much a particle of the median size darkens (or brightens) the support", minimum=0.02, maximum=1.0
    )
    support: float = setting(0.03, "Support grain", "Amplitude of the granular support", minimum=0.0, maximum=0.5)
    unevenness: float = setting(0.15, "Uneven illumination", "Amplitude of slow brightness changes", minimum=0.0, maximum=1.0)
    dose: float = setting(200.0, "Dose", "Electrons a pixel; less is noisier", minimum=1.0, maximum=1e6, unit="e/px")
    blur: float = setting(0.7, "Blur", "Gaussian blur of the picture before noise", minimum=0.0, maximum=10.0, unit="px")
    defocus: float = setting(
        0.3, "Defocus fringes", "Strength of bright and dark fringes round edges (bright field)", minimum=0.0, maximum=1.0
    )
    data_bar: bool = setting(False, "Data bar", "A dark band with text under the picture, as microscopes write it")
    scale_bar: bool = setting(False, "Scale bar", "A burnt-in scale bar with its value")
    panel_letter: bool = setting(False, "Panel letter", "A letter in a corner, as in figures")
    pixel_size: float = setting(0.5, "Pixel size", "Pixel size written into the calibration", minimum=1e-4, maximum=1e6, unit="nm")
    seed: int = setting(0, "Seed", "The same seed gives the same picture", minimum=0)


_TYPICAL = "Typical particle diameter, to choose the working scale by; empty: found from the picture itself"


def _typical_size(title: str = "Typical size", help: str = _TYPICAL, said_by: str = "") -> Any:
    return setting(None, title, help, minimum=2.0, maximum=10000.0, unit="px", of_picture=True, said_by=said_by)


def _typical_nm(title: str = "Typical size") -> Any:
    return setting(
        None,
        title,
        "The same as a length, for pictures that are calibrated",
        minimum=1e-3,
        maximum=1e9,
        unit="nm",
        of_picture=True,
        said_by="typical_size",
    )


@dataclass(frozen=True)
class PredictConfig(Config):
    """How a model is run over a picture."""

    typical_size: float | None = _typical_size(
        help=f"{_TYPICAL}; two, as 12nm,300nm, or “both” to be found: two populations, each searched and measured by itself"
    )
    typical_nm: float | None = _typical_nm()
    polarity: str = setting(
        "auto",
        "Polarity",
        "Whether particles are brighter or darker than what is round them; auto: found from the picture; both: some are, some are not",
        choices=("auto", "bright", "dark", "both"),
        of_picture=True,
    )
    scales: tuple[float, ...] | None = setting(
        None,
        "Working scales",
        "Scales at which the picture is looked at and averaged; empty: chosen by the typical size",
        advanced=True,
        of_picture=True,
    )
    tile: int = setting(
        1024,
        "Tile",
        "Side of a tile; larger is slower to start and closer to the untiled result",
        minimum=128,
        maximum=8192,
        unit="px",
        advanced=True,
    )
    overlap: int = setting(256, "Overlap", "Overlap of neighbouring tiles, blended", minimum=0, maximum=2048, unit="px", advanced=True)
    device: str = setting(
        "auto", "Device", "Where it runs; auto takes the fastest there is", choices=("auto", "cpu", "cuda", "mps"), advanced=True
    )
    precision: str = setting(
        "auto", "Precision", "auto: bfloat16 where the machine has it; float32: always exact", choices=("auto", "float32"), advanced=True
    )
    backend: str = setting(
        "auto",
        "Backend",
        "What runs the network on the processor; auto: the fastest that is installed, which the first run measures",
        choices=("auto", "torch", "openvino", "onnxruntime"),
        advanced=True,
    )
    exact_size: bool = setting(
        False,
        "Exact size",
        "Take the typical size just as it is told; else it moves to that of what is found near it: a careless drag changes nothing",
        advanced=True,
        of_picture=True,
    )
    other_size: float | None = _typical_size(
        "Typical size of a second population", "Particles of two sizes far apart are meant: the other one", said_by="typical_size"
    )
    other_nm: float | None = _typical_nm("Typical size of a second population")
    both: bool = setting(
        False,
        "Both sizes",
        "Where particles of two sizes far apart are seen, both are meant: each is looked for, and measured as a population of its own",
        of_picture=True,
        said_by="typical_size",
    )

    def typical_in(self, pixel_size: float) -> float | None:
        """The typical size in px of a picture whose pixels are `pixel_size` nm (0: not known); `TemsegError` for a length without one."""
        return _in_px(self.typical_size, self.typical_nm, pixel_size)

    def other_in(self, pixel_size: float) -> float | None:
        """The size of the second population in px, as `typical_in`."""
        return _in_px(self.other_size, self.other_nm, pixel_size)

    def for_size(self, size: float) -> Self:
        """The same for particles of one size (px) alone."""
        return replace(self, typical_size=size, typical_nm=None, other_size=None, other_nm=None, both=False)

    def sizes_in(self, pixel_size: float) -> tuple[float, ...]:
        """The sizes that are told, in px, ascending: none, one, or those of two populations; `TemsegError` for what cannot be meant."""
        first, second = self.typical_in(pixel_size), self.other_in(pixel_size)
        if (second is not None and first is None) or (self.both and first is not None and second is None):
            raise TemsegError("Of two populations, one size alone says too little: give both sizes, or none and have both found.")
        told = sorted(size for size in (first, second) if size is not None)
        if len(told) == 2 and told[1] < LEAST_APART * told[0]:
            unit, (small, large) = "px", told
            if self.typical_nm is not None and self.other_nm is not None:  # as they were told
                unit, (small, large) = "nm", sorted((self.typical_nm, self.other_nm))
            sizes = " and ".join(length_words(each, unit, 4) for each in (small, large))
            raise TemsegError(
                f"Sizes of {sizes} are no two populations: one search finds both, as it looks for sizes from a "
                f"third to three times the one that is told; give one of them, or two that are {LEAST_APART:g} times apart."
            )
        return tuple(told)


# The settings that are said of one picture, such as the size that is meant in it.
OF_ONE_PICTURE = tuple(entry.name for entry in fields(PredictConfig) if entry.metadata.get("of_picture"))


def size_fields(sizes: Sequence[tuple[float | None, float | None]] = (), *, both: bool = False) -> dict[str, Any]:
    """The fields of a `PredictConfig` that say the size: none, one or two, each in px or in nm (the other None), or `both` to be found."""
    (px, nm), (other_px, other_nm) = (*sizes, *[(None, None)] * 2)[:2]
    return {"typical_size": px, "typical_nm": nm, "other_size": other_px, "other_nm": other_nm, "both": both}


def _in_px(size: float | None, nanometres: float | None, pixel_size: float) -> float | None:
    if nanometres is None:
        return size
    if not pixel_size:
        raise TemsegError(
            f"A typical size of {length_words(nanometres, digits=4)} says nothing of a picture without a pixel size: give it in px."
        )
    return nanometres / pixel_size


@dataclass(frozen=True)
class SplitConfig(Config):
    """How a prediction becomes separate particles."""

    strength: float = setting(0.5, "Splitting", "0 leaves touching particles together, 1 splits at every dent", minimum=0.0, maximum=1.0)
    smoothing: float = setting(
        1.0, "Smoothing", "Gaussian smoothing of the landscape; more gives fewer splits", minimum=0.0, maximum=20.0, unit="px"
    )
    threshold: float = setting(
        0.5, "Threshold", "Foreground probability from which a pixel belongs to a particle", minimum=0.01, maximum=0.99, advanced=True
    )
    min_diameter: float = setting(
        4.0,
        "Smallest particle",
        "Particles of a smaller equivalent circular diameter are dropped",
        minimum=0.0,
        maximum=10_000.0,
        unit="px",
    )
    certainty: float | None = setting(
        None,
        "Certainty",
        "Particles the model is less sure of, as a whole, are dropped; 0 keeps every one; empty: as suits the model",
        minimum=0.0,
        maximum=1.0,
    )
    fill_holes: bool = setting(True, "Fill holes", "Fill holes inside particles")
    as_one: bool = setting(
        False,
        "One wide distribution",
        "Where two sizes were looked for: their particles are of one distribution that is wider than a search, not of two populations",
    )
    exclude_frame: bool = setting(False, "Leave out those at the edge", "Drop particles cut by the edge of the picture")
    edge: str = setting(
        OUTLINE,
        "Edge",
        "Where a particle ends, for its sizes: at the outline, or where the picture is half-way between its grey levels and those round it",
        choices=(OUTLINE, HALF_CONTRAST),
        advanced=True,
    )
    auxiliary: bool = setting(True, "Learnt distance", "Use the model's own distance map where it has one", advanced=True)


@dataclass(frozen=True)
class TrainConfig(Config):
    """How a model is trained from annotations."""

    max_seconds: float = setting(
        60.0,
        "Time budget",
        "Training ends after this time, making ready and the last checks included, and keeps the best; eight steps are taken in any case",
        minimum=0.1,
        maximum=1e6,
        unit="s",
    )
    max_steps: int = setting(
        2000, "Steps", "Training stops after this many steps at the latest", minimum=1, maximum=10_000_000, advanced=True
    )
    epochs: int | None = setting(
        None,
        "Epochs",
        "Training stops after this many epochs at the latest; an epoch is as many crops as cover the labelled planes once",
        minimum=1,
        maximum=1_000_000,
        advanced=True,
    )
    patience: int = setting(
        8, "Patience", "Evaluations without a better validation score before training winds down", minimum=1, maximum=10_000, advanced=True
    )
    encoder: str = setting(
        "mobilenet_v2", "Encoder", "Encoder of a new U-Net (with base “none”): any name segmentation-models-pytorch knows", advanced=True
    )
    encoder_weights: str | None = setting(
        None,
        "Encoder weights",
        "Of a new U-Net: particles (the shipped model's), imagenet (downloaded), a .safetensors or .temseg file; empty: random",
        advanced=True,
    )
    unfreeze: bool = setting(
        False,
        "Unfreeze the encoder",
        "Train the encoder too, in the second half of the budget, or almost from the start where the task is new; wants many labels",
        advanced=True,
    )
    loss: str = setting(
        "auto",
        "Loss",
        "Loss on labelled pixels; auto: cross-entropy, with Dice for a new decoder",
        choices=("auto", "cross-entropy", "focal", "dice", "cross-entropy+dice", "focal+dice"),
        advanced=True,
    )
    hold: float = setting(
        2.5,
        "Hold",
        "Weight of staying with the starting model where nobody labelled; 0 lets it forget",
        minimum=0.0,
        maximum=100.0,
        advanced=True,
    )
    learning_rate: float | None = setting(
        None,
        "Learning rate",
        "Peak of the cosine schedule; empty: 2e-3, and for an unfrozen encoder 3e-4, or 1e-3 below a new decoder",
        minimum=1e-7,
        maximum=1.0,
        advanced=True,
    )
    weight_decay: float = setting(1e-2, "Weight decay", "AdamW weight decay", minimum=0.0, maximum=1.0, advanced=True)
    batch: int = setting(4, "Batch", "Crops a step; halved when memory does not suffice", minimum=1, maximum=256, advanced=True)
    crop: int = setting(256, "Crop", "Side of a training crop", minimum=64, maximum=2048, unit="px", advanced=True)
    validation: float = setting(
        0.2, "Validation part", "Share of the labels held out to judge the model", minimum=0.0, maximum=0.5, advanced=True
    )
    typical_size: float | None = _typical_size()
    typical_nm: float | None = _typical_nm()
    evaluate_every: int = setting(
        10, "Evaluate every", "Steps between two points of the curves", minimum=1, maximum=100_000, unit="steps", advanced=True
    )
    flips: bool = setting(True, "Flips and turns", "Augment with flips and quarter turns", advanced=True)
    scaling: float = setting(
        0.25, "Scaling", "Augment with random scale, as a share (0.25: ÷1.25 to ×1.25)", minimum=0.0, maximum=3.0, advanced=True
    )
    elastic: float = setting(
        2.0, "Elastic", "Augment with elastic displacement of this amplitude", minimum=0.0, maximum=30.0, unit="px", advanced=True
    )
    brightness: float = setting(
        0.2, "Brightness", "Augment with brightness offsets, in standard deviations", minimum=0.0, maximum=3.0, advanced=True
    )
    contrast: float = setting(0.2, "Contrast", "Augment with contrast gain, as a share", minimum=0.0, maximum=3.0, advanced=True)
    gamma: float = setting(0.2, "Gamma", "Augment with gamma, as a share", minimum=0.0, maximum=3.0, advanced=True)
    noise: float = setting(0.1, "Noise", "Augment with Gaussian noise, in standard deviations", minimum=0.0, maximum=3.0, advanced=True)
    device: str = setting(
        "auto", "Device", "Where it runs; auto takes the fastest there is", choices=("auto", "cpu", "cuda", "mps"), advanced=True
    )
    precision: str = setting(
        "auto", "Precision", "auto: bfloat16 where the machine has it; float32: always", choices=("auto", "float32"), advanced=True
    )
    seed: int = setting(0, "Seed", "The same seed and the same machine give the same model", minimum=0, advanced=True)


@dataclass(frozen=True)
class DraftConfig(Config):
    """Draft labels by a random forest on multi-scale features."""

    trees: int = setting(50, "Trees", "Trees of the random forest", minimum=1, maximum=1000, advanced=True)
    depth: int = setting(10, "Depth", "Depth of a tree", minimum=1, maximum=100, advanced=True)
    sigma_max: float = setting(
        16.0, "Largest scale", "Largest Gaussian scale of the features", minimum=1.0, maximum=128.0, unit="px", advanced=True
    )
    confidence: float = setting(0.5, "Confidence", "Pixels below this probability stay unlabelled", minimum=0.0, maximum=1.0)
    seed: int = setting(0, "Seed", "The same seed gives the same draft", minimum=0, advanced=True)
