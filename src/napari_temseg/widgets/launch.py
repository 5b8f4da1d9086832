"""`temseg gui`: napari with micrographs as calibrated layers."""

from __future__ import annotations

from collections.abc import Sequence

from napari_temseg.engine.errors import TemsegError
from napari_temseg.engine.micrograph import Micrograph

_REMEDY = "install PyQt6 into this environment, or this package with its extra [qt]"


def launch(images: Sequence[Micrograph]) -> None:
    """Open napari with one image layer a micrograph and stay until it is closed; `TemsegError` when no window can be opened."""
    try:
        import napari
        import qtpy  # noqa: F401  raises here, and clearly, when there is no Qt binding
    except ImportError as error:
        raise TemsegError(f"The window needs napari and a Qt binding ({error}); {_REMEDY}.") from error
    except RuntimeError as error:  # qtpy's own QtBindingsNotFoundError on some versions
        raise TemsegError(f"The window needs a Qt binding ({error}); {_REMEDY}.") from error
    viewer = napari.Viewer()
    for image in images:
        scale, unit = image.calibration.scale, image.calibration.unit
        leading = image.data.ndim - 2
        viewer.add_image(
            image.data,
            name=image.name,
            scale=(*(1.0,) * leading, *scale),
            units=(*("pixel",) * leading, *("pixel" if unit == "px" else unit,) * 2),
        )
    napari.run()
