"""A micrograph in the viewer, and all that belongs to it; and which model is in use for which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels, Layer, Shapes
from qtpy.QtCore import QObject, Signal

from napari_temseg.engine.particles.modes import modes_of, vouched
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import Calibration, Micrograph
from napari_temseg.engine.types.results import BandEnds, Particles, Prediction
from napari_temseg.engine.types.units import length_words
from napari_temseg.engine.types.wording import ends_touched, one_size_alone, sizes_asked, two_heaps, unlike_training
from napari_temseg.widgets.canvas import layers, micrograph_layer, shapes_layers
from napari_temseg.widgets.canvas.roles import Role
from napari_temseg.widgets.session.history import History, Timeline

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_temseg.engine.measure.measurement import Measurement
    from napari_temseg.engine.model.segmenter import Segmenter
    from napari_temseg.engine.particles.carry_over import Unmatched
    from napari_temseg.engine.types.config import PredictConfig

SHIPPED = "particles"  # the model that ships


@dataclass(eq=False)
class Item:
    """A micrograph or stack in the viewer, and all that belongs to it.

    `made` holds the layers made for it by role, as long as they are in the viewer. `axes` is "" until the meaning of a
    stack's planes was said. `history` is what was corrected on its particles, `timeline` the order of all that was done to it.
    """

    layer: Image
    axes: str
    calibration: Calibration
    sample: str = ""
    made: dict[Role, Any] = field(default_factory=dict)
    prediction: Prediction | None = None
    particles: Particles | None = None
    measurement: Measurement | None = None
    found: Mapping[int, npt.NDArray[np.int32]] = field(default_factory=dict)  # planes that were corrected, as they were before
    restored: bool = False  # corrected at an earlier start: what was found is not known any more
    unmatched: Unmatched | None = None  # corrections by hand that do not match what was found, and wait for a word
    search: PredictConfig | None = None  # what is said of it for its search, such as the size that is meant; None where nothing is
    pixels: int = 0  # how often its pixels were replaced
    timeline: Timeline = field(default_factory=Timeline)
    history: History = field(init=False)
    fillings: History = field(init=False)  # of its annotation; strokes are in napari's own history of the layer
    reviewed: bool = False
    trains: bool | None = None  # whether its labels take part in training; None until somebody says so: where it is like the one in hand …
    trains_beside: Item | None = None  # … which was this one when it was said
    unpainted: bool = False  # whether its annotation holds nothing, as when all strokes were undone; as far as it was looked at
    teaches: str = "strokes"  # what training takes from it: "strokes", "particles" (corrected) or "truth" (a layer of instances)
    veiled: bool = False  # whether a live answer is on the screen in the place of its particles
    ignored: bool = False  # left out of “all images” and of pooled statistics

    def __post_init__(self) -> None:
        self.history, self.fillings = History(timeline=self.timeline), History(8, self.timeline)

    @property
    def name(self) -> str:
        """The name of its layer, unique in the viewer."""
        return str(self.layer.name)

    @property
    def annotation(self) -> Labels | None:
        """The layer being painted on."""
        return self.made.get(Role.ANNOTATION)

    @property
    def particles_layer(self) -> Labels | None:
        """The layer of separate particles."""
        return self.made.get(Role.PARTICLES)

    @property
    def left_out(self) -> Shapes | None:
        """The layer of areas where nobody shall look."""
        return self.made.get(Role.LEFT_OUT)

    @property
    def layers(self) -> list[Layer]:
        """The image and everything made for it."""
        return [self.layer, *self.made.values()]

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width in px."""
        return layers.frame(self.layer)

    @property
    def n_planes(self) -> int:
        """Number of planes, 1 for a single micrograph."""
        return layers.n_planes(self.layer)

    @property
    def asks_axes(self) -> bool:
        """Whether somebody has to say what the planes are."""
        return not self.axes

    def micrograph(self) -> Micrograph:
        """As the engine knows it; `TemsegError` when it is none, or when it is not known what its planes are."""
        data = micrograph_layer.pixels(self.layer)
        if self.asks_axes:
            raise TemsegError(f"{self.name}: say first whether its {self.n_planes} planes are fields of one sample, time or depth.")
        mask = None if self.left_out is None else shapes_layers.left_out_mask(self.left_out, self.frame)
        known = micrograph_layer.known_micrograph(self.layer)
        source = known.source if known else micrograph_layer.source_of(self.layer)
        return Micrograph(data, self.axes, self.calibration, None if mask is None else ~mask, source, self.sample)

    def found_particles(self) -> Particles:
        """Its particles; `TemsegError` when it has none."""
        if self.particles is None:
            raise TemsegError(f"{self.name}: there are no particles yet; find them first (step 2).")
        return self.particles

    @property
    def corrections(self) -> int:
        """Number of corrections by hand since the last search or split: what another one would replace."""
        return self.history.by_hand

    @property
    def status(self) -> str:
        """For people: where it stands."""
        if self.ignored:
            return "left out"
        if self.measurement is None:
            return "not searched yet" if self.particles is None else "found"
        if self.reviewed:
            return "reviewed"
        return "corrected" if self.corrections else "found"

    @property
    def asked(self) -> str:
        """A question where particles of more than one size could be meant and nobody said which, or that there is only one; else ""."""
        found = self.prediction.candidates if self.prediction is not None else ()
        scale = self.calibration.nanometres
        if self.prediction is not None and self.prediction.alone:
            return one_size_alone(self.name, self.prediction.size, scale)
        return sizes_asked(self.name, found, scale, "Say the size and find again") if found else ""

    @property
    def last_found(self) -> dict[int, int]:
        """The largest label of its search on each plane that was corrected: larger ones were drawn by hand."""
        return {plane: int(page.max(initial=0)) for plane, page in self.found.items()}

    @property
    def ends(self) -> BandEnds | None:
        """What lies near the ends of what was looked for, of particles that are vouched for; None where sizes were not limited."""
        ends = self.particles.band_ends if self.particles is not None else None
        if ends is None or self.measurement is None:
            return ends
        found, side = self.measurement, sqrt(prod(self.measurement.calibration.scale))
        (low, high), diameter = ends.near, vouched(found.table, self.last_found)[found.column("ecd")].to_numpy(float) / side
        near = int((diameter < low).sum()), int((diameter > high).sum())
        return replace(ends, near_smallest=near[0], near_largest=near[1], count=len(diameter))

    @property
    def touched(self) -> str:
        """A sentence where enough particles are as small or as large as what was looked for may be; else ""."""
        ends = self.ends
        return "" if ends is None else ends_touched(self.name, ends, self.calibration.nanometres, "Say another size")

    @property
    def two_heaps(self) -> str:
        """A sentence where what one search found is of two sizes; else ""."""
        modes = modes_of(self.measurement, self.last_found)
        if modes is None or self.measurement is None:
            return ""
        unit = self.measurement.length_unit
        lengths = length_words(modes.small, unit), length_words(modes.large, unit)
        return two_heaps(self.name, (modes.n_small, modes.n_large), lengths, "Look for each by itself")

    @property
    def unlike(self) -> str:
        """A sentence where the model found something in a picture that is unlike those it was trained on; else ""."""
        found = self.particles.unlike if self.particles is not None else {}
        if not found:
            return ""
        told = unlike_training(self.name, found.values(), self.n_planes)
        return f"{told}: check its particles, or paint a few strokes in Improve."

    @property
    def count(self) -> int | None:
        """Number of particles that count, None before the search."""
        if self.measurement is None:
            return None
        return int((self.measurement.table["excluded"] == "").sum())


class ModelsInUse(NamedTuple):
    """Which model is in use for which picture: the one chosen for all, and of pictures with another that, by choice and by training."""

    chosen: str
    own: dict[Item, str]
    taught: dict[Item, str]


class SessionModels(QObject):
    """What a `Session` knows of models. The one that somebody chose is in use for every picture, but for those of which a newer one learnt
    and others of their sample: what was learnt of one specimen may be wrong on the next."""

    models_changed = Signal()  # others are there, or another is in use
    model_renamed = Signal(str, str)  # from, to

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.models: dict[str, Segmenter] = {}  # trained or loaded here, by name
        self.own: dict[str, Path] = {}  # trained at earlier starts: files, read by the job that needs them
        self.model_names: dict[str, str] = {}  # by hash, of those that found something here
        self.current: Item | None = None
        self.chosen = SHIPPED
        self._of: WeakKeyDictionary[Item, str] = WeakKeyDictionary()  # where it is another than what was chosen
        self._taught: WeakKeyDictionary[Item, str] = WeakKeyDictionary()

    @property
    def model(self) -> str:
        """Name of the model in use for the picture in hand."""
        return self.model_of(self.current)

    def model_of(self, item: Item | None) -> str:
        """Name of the model in use for a picture."""
        if item is None:
            return self.chosen
        alike = [name for other, name in self._taught.items() if item.sample and other.sample == item.sample]
        return self._of.get(item) or self._taught.get(item) or (alike[-1] if alike else self.chosen)

    def shown_name(self, name: str) -> str:
        """A model's name for people: of one that was chosen as a file, that of the file alone."""
        return name if name == SHIPPED or name in self.models or name in self.own else Path(name).stem

    @property
    def models_in_use(self) -> set[str]:
        """All that are in use for some picture."""
        return {self.chosen, *self._of.values(), *self._taught.values()}

    def add_model(self, name: str, model: Segmenter, taught_by: Iterable[Item] | None = None) -> str:
        """Keep a model, in use from now on for the pictures that taught it, or for all where None is said; returns the name it got."""
        unique, n = name, 2
        while unique in self.models or unique in self.own or unique == SHIPPED:
            unique, n = f"{name} {n}", n + 1
        self.models[unique] = model
        if taught_by is None:
            self._choose(unique)
        for item in taught_by or ():
            self._of.pop(item, None)
            self._taught.pop(item, None)  # the newest comes last
            self._taught[item] = unique
        self.models_changed.emit()
        return unique

    def rename_model(self, name: str, new: str) -> None:
        """Give a model of the user's own another name; `TemsegError` for an empty or a taken one."""
        new = new.strip()
        if not new or new == SHIPPED or new in self.models or new in self.own:
            raise TemsegError(f"A model cannot be called “{new}”: type a name that no other has.")
        self.models = {new if key == name else key: model for key, model in self.models.items()}
        self.own = {new if key == name else key: path for key, path in self.own.items()}
        # Also of what Live made of it: “particles+1, corrected by strokes (instant)”.
        called = {digest: key for digest, key in self.model_names.items() if key == name or key.startswith(f"{name}, ")}
        self.model_names |= {digest: f"{new}{key[len(name) :]}" for digest, key in called.items()}
        if new in self.models:
            self.models[new].name = new
        self._replace(name, new)
        self.model_renamed.emit(name, new)
        self.models_changed.emit()

    def remove_model(self, name: str) -> None:
        """Forget a model of the user's own; the shipped one is used where it was."""
        self.models = {key: model for key, model in self.models.items() if key != name}
        self.own = {key: path for key, path in self.own.items() if key != name}
        self._replace(name, SHIPPED)
        self.models_changed.emit()

    def _replace(self, name: str, new: str) -> None:
        self.chosen = new if self.chosen == name else self.chosen
        for used in (self._of, self._taught):
            for item in [item for item, each in used.items() if each == name]:
                used[item] = new

    def use_model(self, name: str) -> None:
        """Choose, for all pictures, among "particles", the models of this session and the user's own of earlier starts, or a file."""
        if {name} != self.models_in_use:
            self._choose(name)
            self.models_changed.emit()

    @property
    def in_use(self) -> ModelsInUse:
        """As it is now, to be brought back."""
        return ModelsInUse(self.chosen, dict(self._of), dict(self._taught))

    def bring_back(self, before: ModelsInUse) -> None:
        """Have models in use as they were before somebody chose one for all."""
        self.chosen = before.chosen
        for used, had in ((self._of, before.own), (self._taught, before.taught)):
            used.clear()
            used.update(had)
        self.models_changed.emit()

    def _choose(self, name: str) -> None:
        self.chosen = name
        self._of.clear()
        self._taught.clear()

    def use_model_for(self, item: Item, name: str) -> None:
        """The same, for one picture alone."""
        if name != self.model_of(item):
            self._of[item] = name
            self.models_changed.emit()

    def use_again(self, before: Mapping[Item, str]) -> None:
        """Use for pictures the models that they had before they taught another one; others of their sample follow them."""
        for item in before:
            self._of.pop(item, None)
            self._taught.pop(item, None)
        for item, name in before.items():
            if self.model_of(item) != name:
                self._taught[item] = name
        self.models_changed.emit()

    def segmenter(self, name: str = "") -> Any:
        """What the engine's `model=` takes: a model of this session, the file of one, or the name of a shipped one."""
        name = name or self.model
        return self.models.get(name) or str(self.own.get(name, name))
