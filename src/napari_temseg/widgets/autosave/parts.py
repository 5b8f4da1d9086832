"""What is known of a picture, and the strokes on it: two parts of what is kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_temseg.engine.types.config import OF_ONE_PICTURE, PredictConfig
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.micrograph import AXES, Calibration
from napari_temseg.engine.types.units import length_words
from napari_temseg.engine.types.wording import several
from napari_temseg.widgets.autosave.store import About, Arrays, KeptPart, PictureFacts, Snapshot, read_arrays, readable
from napari_temseg.widgets.canvas import layers, shapes_layers
from napari_temseg.widgets.session.change import Change

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


class KeptFacts(KeptPart):
    """Pixel size, sample and meaning of planes, each None where nobody changed it, what is left out, and what is said for the search."""

    folder, earlier, key, what = "facts", ("work",), "known", "pixel size, sample and what is left out"
    changes = frozenset({Change.AXES, Change.CALIBRATION, Change.SAMPLE, Change.LEFT_OUT, Change.IGNORED, Change.SEARCH})

    @classmethod
    def of(cls, item: Item, opened: PictureFacts, session: Session) -> Snapshot:
        """As they are now; empty where nobody did anything since the picture was opened."""
        known, regions = PictureFacts.of(item), [] if item.left_out is None else shapes_layers.areas_of(item.left_out)
        search = _said(item.search)
        empty = known == opened and not (item.ignored or regions or search)
        about = {"opened": asdict(opened), "known": {} if empty else asdict(known), "ignored": item.ignored, "regions": regions}
        about["search"] = search
        return Snapshot(item.name, lambda: (about, {}), empty)

    def _take(self) -> list[str]:
        then, known = (_facts(self.about[when]) for when in ("opened", "known"))
        self.calibration = known.calibration if known.calibration != then.calibration else None
        self.sample = known.sample if known.sample != then.sample else None
        self.axes = known.axes if known.axes != then.axes else None
        self.ignored = bool(self.about["ignored"])
        self.search = _search(self.about.get("search", {}))
        self.regions = [shapes_layers.checked(kind, corners) for kind, corners in self.about["regions"]]
        told = [several(len(self.regions), "region")] if self.regions else []
        told += [f"pixel size {size_of(self.calibration)}"] if self.calibration is not None else []
        told += [f"sample {self.sample}"] if self.sample else []
        told += [f"planes as {AXES[self.axes]}"] if self.axes else []
        told += [_sought(self.search)] if self.search is not None else []
        return [*told, "image left out"] if self.ignored else told


def _said(search: PredictConfig | None) -> About:
    """What is said of a picture for its search, without what is so anyway."""
    if search is None:
        return {}
    fresh = PredictConfig()
    return {name: getattr(search, name) for name in OF_ONE_PICTURE if getattr(search, name) != getattr(fresh, name)}


def _search(said: About) -> PredictConfig | None:
    """Back from `_said`."""
    if not said:
        return None
    try:
        return PredictConfig.from_dict({name: tuple(value) if isinstance(value, list) else value for name, value in said.items()})
    except TemsegError as error:
        raise ValueError(str(error)) from error


def _sought(search: PredictConfig) -> str:
    """What is said for the search, for people."""
    sizes = ((search.typical_size, search.typical_nm), (search.other_size, search.other_nm))
    told = [
        length_words(px or 0.0, "px", 4) if nm is None else length_words(nm, "nm", 4)
        for px, nm in sizes
        if px is not None or nm is not None
    ]
    return f"typical size {' and '.join(told)}" if told else "settings of the search"


def _facts(facts: About) -> PictureFacts:
    axes = str(facts["axes"])
    if axes and axes not in AXES:
        raise ValueError(f"“{axes}”")
    return PictureFacts(Calibration(**facts["calibration"]), str(facts["sample"]), axes)


class KeptStrokes(KeptPart):
    """An annotation, with its classes by number."""

    folder, key, what = "annotations", "planes", "strokes"
    changes = frozenset({Change.ANNOTATION})

    @classmethod
    def of(cls, item: Item, opened: PictureFacts, session: Session) -> Snapshot | None:
        """As they are when they are written: the labels are the very ones that are painted on."""
        if item.annotation is None:
            return None
        labels, classes = layers.values(item.annotation), dict(sorted(session.classes.items()))

        def pack() -> tuple[About, Arrays]:
            planes = labels.reshape((-1, *labels.shape[-2:]))
            filled = [index for index, plane in enumerate(planes) if plane.any()]
            content = planes[filled] if len(filled) < len(planes) else planes.copy()  # painting goes on meanwhile
            return {"image": name, "classes": classes, "shape": labels.shape, "planes": filled}, {"labels": content}

        name = item.name
        return Snapshot(name, pack)

    def _take(self) -> list[str]:
        self.classes = {int(number): str(name) for number, name in self.about["classes"].items()}
        return [self.what] if self.about["planes"] else []

    def labels(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """The strokes (uint8, of the picture's shape); `TemsegError` when they cannot be read."""
        arrays, labels = read_arrays(self.path), np.zeros(shape, np.uint8)
        with readable(self.path):
            if tuple(self.about["shape"]) != shape:
                raise ValueError("it was drawn on a picture of another shape")
            labels.reshape((-1, *shape[-2:]))[np.asarray(self.about["planes"], int)] = arrays["labels"].astype(np.uint8, casting="safe")
        return labels


def size_of(calibration: Calibration) -> str:
    """A pixel size for people."""
    return "not known (px)" if calibration.pixel_size is None else length_words(calibration.scale[1], digits=4)
