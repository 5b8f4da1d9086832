"""audit.html: a page, without network or program, on which an auditor measures particles blind and then judges their outlines."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined
from skimage.measure import find_contours

from napari_temseg.engine.measure.audit.sampling import AuditField, AuditParticle, AuditSample
from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.engine.types.thumbnails import as_png
from napari_temseg.files.atomic import json_text, write_text
from napari_temseg.files.audits import plain_sample, sample_digest
from napari_temseg.files.tables import mapped_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_temseg.engine.types.micrograph import Micrograph
    from napari_temseg.pipeline.run_result import RunItem

AROUND = 1.6  # diameters of a particle that its crop shows to either side
_LEAST_REACH = 24  # px
_TEMPLATES = Environment(
    loader=PackageLoader("napari_temseg.pipeline.audit", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def write_gallery(path: Path, items: Sequence[RunItem], sample: AuditSample, read: Callable[[Path], Micrograph]) -> None:
    """Write the page; pictures that cannot be read any more are left out of it."""
    crops: list[dict[str, Any]] = []
    of: dict[str, list[tuple[str, int, AuditParticle | AuditField]]] = {}
    for number, particle in enumerate(sample.particles):
        of.setdefault(particle.image, []).append(("particle", number, particle))
    for number, field in enumerate(sample.fields):
        of.setdefault(field.image, []).append(("field", number, field))
    for item in items:
        asked = of.get(item.name, [])
        if not asked:
            continue
        labels_file = next((file for file in item.files if file.name.endswith("_particles.tif")), None)
        try:
            picture = read(item.path)
            labels = None if labels_file is None else mapped_labels(labels_file).reshape((-1, *picture.frame))
        except TemsegError:
            continue
        if labels is not None:
            crops += [_crop(kind, number, each, picture, labels) for kind, number, each in asked]
    crops.sort(key=lambda crop: (crop["kind"] != "particle", crop["number"]))
    page = _TEMPLATES.get_template("gallery.template.html").render(
        crops=json.dumps(crops), digest=sample_digest(sample), particles=len(sample.particles), fields=len(sample.fields)
    )
    write_text(path, page + "\n")


def write_sample(path: Path, sample: AuditSample) -> None:
    """Write audit.json: what was drawn, which the answers refer to."""
    write_text(path, json_text(plain_sample(sample), indent=1) + "\n")


def _crop(kind: str, number: int, each: AuditParticle | AuditField, picture: Micrograph, labels: npt.NDArray[Any]) -> dict[str, Any]:
    """One question: a crop as PNG, where it lies, and outlines in its px (of the particle, or of all in a field)."""
    shown = question_crop(each, picture, labels)
    image = base64.b64encode(as_png(shown.grey)).decode()
    outlines = [outline.round(1).tolist() for outline in shown.outlines]
    where = {"top": shown.top, "left": shown.left, "size": list(shown.grey.shape), "centre": list(shown.centre)}
    return {"kind": kind, "number": number, **where, "outlines": outlines, "png": image}


class QuestionCrop(NamedTuple):
    """What is shown of a question: `grey` uint8 (height, width) from pixel (`top`, `left`) on; in its px the `centre` (y, x) of the
    particle, () of a field, and `outlines` (n, 2), of the particle or of all in the field."""

    grey: npt.NDArray[np.uint8]
    top: int
    left: int
    centre: tuple[float, ...]
    outlines: list[npt.NDArray[np.float64]]


def question_crop(each: AuditParticle | AuditField, picture: Micrograph, labels: npt.NDArray[Any]) -> QuestionCrop:
    """The part of a picture that a question is about; `labels` (planes, Y, X)."""
    height, width = picture.frame
    centre: tuple[float, ...] = ()
    if isinstance(each, AuditParticle):
        reach = int(max(AROUND * each.ecd, _LEAST_REACH))
        top, left = (max(int(at) - reach, 0) for at in (each.y, each.x))
        bottom, right = min(int(each.y) + reach + 1, height), min(int(each.x) + reach + 1, width)
        centre = (each.y - top, each.x - left)
    else:
        top, left, bottom, right = each.top, each.left, each.top + each.side, each.left + each.side
    here = labels[each.plane][top:bottom, left:right]
    wanted = [each.particle] if isinstance(each, AuditParticle) else np.unique(here[here > 0]).tolist()
    masks = [np.pad(here == label, 1).astype(float) for label in wanted]
    outlines = [contour - 1 for mask in masks for contour in find_contours(mask, 0.5)]
    return QuestionCrop(_stretched(picture.plane(each.plane)[top:bottom, left:right]), top, left, centre, outlines)


def _stretched(crop: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    values = np.nan_to_num(crop.astype(np.float32))
    low, high = np.percentile(values, (0.5, 99.5))
    return np.asarray(np.clip((values - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8))
