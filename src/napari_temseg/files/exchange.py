"""For other programs: particles as COCO polygons, a network as ONNX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import find_contours

from napari_temseg.engine.types.errors import TemsegError
from napari_temseg.files.atomic import replacing, write_text

if TYPE_CHECKING:
    from napari_temseg.engine.model.segmenter import Segmenter


def coco(
    labels: npt.NDArray[np.integer[Any]], file_name: str, categories: dict[int, int] | None = None, names: dict[int, str] | None = None
) -> dict[str, Any]:
    """Particles (Y, X) as a COCO data set of one image (a stack (P, Y, X): one image a plane, `file_name` with “#plane”).

    `categories` gives each label's class number (default 2, “particle”), `names` the classes'. Polygons are the outline of the mask
    in COCO's coordinates, whose origin is the outer corner of the first pixel; `area` counts pixels. Holes, which a COCO polygon cannot
    hold, are left out.
    """
    if labels.dtype.kind not in "iu" or labels.ndim not in (2, 3):
        raise TemsegError(
            f"{file_name}: COCO export needs labels of whole numbers with two axes or three, not {labels.dtype} with {labels.ndim}."
        )
    names = names or {2: "particle"}
    planes = labels[None] if labels.ndim == 2 else labels
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, plane in enumerate(planes):
        title = file_name if labels.ndim == 2 else f"{file_name}#{index}"
        images.append({"id": index + 1, "file_name": title, "height": int(plane.shape[0]), "width": int(plane.shape[1])})
        for label, window in enumerate(ndimage.find_objects(plane), 1):
            if window is None:
                continue
            entry = _annotation(plane[window] == label, window[0].start, window[1].start)
            entry |= {"id": len(annotations) + 1, "image_id": index + 1, "particle": label, "category_id": (categories or {}).get(label, 2)}
            annotations.append(entry)
    classes = [{"id": number, "name": name, "supercategory": ""} for number, name in names.items()]
    return {"images": images, "annotations": annotations, "categories": classes}


def outlines_of(mask: npt.NDArray[np.bool_], top: int, left: int) -> list[npt.NDArray[np.float64]]:
    """The outlines (n, 2) of a mask placed at `top`, `left`, and of its holes, as x and y from the outer corner of the first pixel.

    They run half-way between the centres of pixels that belong to it and those that do not.
    """
    found = (contour[:-1] for contour in find_contours(np.pad(mask, 1).astype(np.float32), 0.5))
    return [np.column_stack([contour[:, 1] + left - 0.5, contour[:, 0] + top - 0.5]) for contour in found]


def _annotation(mask: npt.NDArray[np.bool_], top: int, left: int) -> dict[str, Any]:
    polygons = []
    for x, y in (outline.T for outline in outlines_of(mask, top, left)):
        # Outer outlines and holes run in opposite senses: the shoelace sum tells them apart.
        if float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) > 0:
            polygons.append(np.column_stack([x, y]).round(2).ravel().tolist())
    height, width = mask.shape
    return {"segmentation": polygons, "bbox": [left, top, width, height], "area": int(mask.sum()), "iscrowd": 0}


def write_coco(path: str | Path, labels: npt.NDArray[np.integer[Any]], file_name: str, **classes: Any) -> int:
    """Write `coco(labels, file_name, …)` as JSON and return the number of particles."""
    content = coco(labels, file_name, **classes)
    write_text(path, json.dumps(content))
    return len(content["annotations"])


def write_onnx(model: Segmenter, path: str | Path) -> None:
    """Write a network as ONNX: input `image` (B, 1, Y, X) float32, normalised, sides multiples of 32.

    Outputs: `probability` (B, K, Y, X) and one map (B, Y, X) in [0, 1] an auxiliary. Classes, normalisation and working scales go into
    the file's metadata. `TemsegError` without the `[export]` extra.
    """
    from napari_temseg.engine.model.exported import missing_exporters, onnx_of

    missing = missing_exporters()
    if missing:
        raise TemsegError(f'{path}: writing ONNX needs {" and ".join(missing)}; install them with: pip install "napari-temseg[export]".')
    import onnx

    try:
        proto = onnx_of(_exportable(model), 1, ["probability", *model.spec.auxiliary])
    except TemsegError as error:
        raise TemsegError(f"{path}: {error}") from error
    for key, value in model.metadata().items():
        onnx.helper.set_model_props(proto, {**{p.key: p.value for p in proto.metadata_props}, f"temseg.{key}": json.dumps(value)})
    with replacing(path) as temporary:
        onnx.save(proto, temporary)


def _exportable(model: Segmenter) -> Any:
    """The network with probabilities instead of logits, on the CPU in float32."""
    import copy

    import torch

    from napari_temseg.engine.model.network import class_logits

    class Exportable(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = copy.deepcopy(model.network).cpu().float().eval()

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            raw = self.network(image)
            maps = torch.sigmoid(raw[:, model.spec.n_classes - 1 :])
            return (torch.softmax(class_logits(raw, model.spec.n_classes), dim=1), *maps.unbind(1))

    return Exportable().eval()
