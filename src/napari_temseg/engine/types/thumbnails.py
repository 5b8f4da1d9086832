"""Small pictures of planes with the outlines of their particles, for reports and notebooks."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

NOTEBOOK = 480  # px, the longer side of a picture in a notebook
_ORANGE = np.array([230, 159, 0], np.uint8)  # orange of Okabe and Ito, seen on black and on white
_COLOURED = 60  # of 255 between the channels: an outline, also after JPEG


def thumbnail(plane: npt.NDArray[Any], labels: npt.NDArray[np.integer[Any]] | None = None, side: int = 720) -> npt.NDArray[np.uint8]:
    """A plane (Y, X) as uint8 (y, x, 3), no side above `side` px, contrast between the 0.5 and 99.5 percentile.

    `labels` (Y, X) are drawn as outlines.
    """
    step = max(1, -(-max(plane.shape) // side))
    small = np.nan_to_num(plane[::step, ::step].astype(np.float32)) if step == 1 else binned(plane, step)
    low, high = np.percentile(small, [0.5, 99.5])
    grey = (np.clip((small - low) / max(float(high - low), 1e-12), 0, 1) * 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    if labels is not None:
        from skimage.segmentation import find_boundaries

        seen = labels[step // 2 :: step, step // 2 :: step][: grey.shape[0], : grey.shape[1]]
        edges = find_boundaries(seen, mode="inner")
        picture[: seen.shape[0], : seen.shape[1]][edges] = _ORANGE
    return picture


def as_png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture (y, x) or (y, x, 3) as a PNG file."""
    return _encoded(picture, "PNG")


def as_jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture (y, x, 3) as a JPEG file of high quality, its colours as fine as its greys."""
    return _encoded(picture, "JPEG", quality=88, subsampling=0)


def taken_apart(picture: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The grey values (y, x) of an encoded `thumbnail`, and where its outlines are drawn."""
    from PIL import Image

    colours = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return colours.min(axis=-1), np.ptp(colours, axis=-1) > _COLOURED


def _encoded(picture: npt.NDArray[np.uint8], kind: str, **options: int) -> bytes:
    from PIL import Image  # which knows these two without importing all its formats

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def as_html(caption: str, picture: npt.NDArray[np.uint8]) -> str:
    """A picture (y, x, 3) above its caption, which is escaped, for a notebook."""
    return framed(caption, as_png(picture), "image/png")


def framed(caption: str, image: bytes, kind: str) -> str:
    """An image file of a MIME type above its caption, which is escaped, for a notebook."""
    source = f"data:{kind};base64,{base64.b64encode(image).decode()}"
    told = escape(caption)
    return f'<figure style="margin: 0"><img alt="{told}" src="{source}"><figcaption>{told}</figcaption></figure>'


def binned(plane: npt.NDArray[Any], step: int) -> npt.NDArray[np.float32]:
    """A plane (Y, X) `step` times as coarse, each pixel the mean of what lies in it (what is not finite as `nan_to_num` has it)."""
    height, width = (n // step * step for n in plane.shape)
    coarse = np.empty((height // step, width // step), np.float32)
    for row in range(len(coarse)):  # a large plane is never there as floats as a whole
        part = np.nan_to_num(plane[row * step : (row + 1) * step, :width].astype(np.float32), copy=False)
        coarse[row] = part.reshape(1, step, width // step, step).mean(axis=(1, 3))[0]
    return coarse
