"""Every column of a measurement, declared once: its name, formula and unit."""

from __future__ import annotations

SMALL_DIAMETER = 20.0

# Name → (formula, kind); "length" and "area" take the unit of the calibration, in the column's name too.
DESCRIPTORS: dict[str, tuple[str, str]] = {
    "area": ("A: pixels of the particle × pixel area; holes left out", "area"),
    "ecd": ("equivalent circular diameter √(4A/π)", "length"),
    "feret_max": ("largest distance of parallel tangents", "length"),
    "feret_min": ("smallest distance of parallel tangents", "length"),
    "feret_mean": ("distance of parallel tangents, mean over all directions", "length"),
    "aspect_ratio": ("width / length: feret_min / feret_max, at most 1 (ImageJ's is major / minor of the ellipse)", ""),
    "perimeter": ("P: Crofton, 4 directions; holes included", "length"),
    "circularity": ("√(4πA/P²), ISO 9276-6; P is an estimate, so a disc may come out slightly above 1", ""),
    "form_factor": ("4πA/P² (ImageJ: circularity)", ""),
    "solidity": ("A / area of the convex hull", ""),
    "compactness": ("ecd / feret_max", ""),
    "roundness": ("4A / (π feret_max²)", ""),
    "extent": ("A / (feret_max · feret_min)", ""),
    "ellipse_major": ("major axis of the ellipse of equal second moments", "length"),
    "ellipse_minor": ("minor axis of the ellipse of equal second moments", "length"),
    "orientation": ("angle of that major axis from the x axis, anticlockwise as seen, 0 to 180", "°"),
    "centroid_y_px": ("mean row of the pixels, 0 at the centre of the first", "px"),
    "centroid_x_px": ("mean column of the pixels, 0 at the centre of the first", "px"),
    "bbox_top_px": ("first row", "px"),
    "bbox_left_px": ("first column", "px"),
    "bbox_bottom_px": ("row after the last", "px"),
    "bbox_right_px": ("column after the last", "px"),
    "intensity_mean": ("mean of the pixel values; pixels that are not finite left out", "grey level"),
    "intensity_sd": ("standard deviation of the pixel values", "grey level"),
    "probability_mean": ("mean foreground probability of the model", ""),
}
_READABLE = {
    "ecd": "equivalent circular diameter",
    "feret_max": "largest Feret diameter",
    "feret_min": "smallest Feret diameter",
    "feret_mean": "mean Feret diameter",
    "ellipse_major": "major axis of ellipse",
    "ellipse_minor": "minor axis of ellipse",
    "intensity_mean": "mean grey level",
    "intensity_sd": "spread of grey level",
    "probability_mean": "mean probability",
}
IDENTITY = {
    "image": "name of the micrograph",
    "plane": "index of the plane in its stack",
    "particle": "value in the label image",
    "class": "class of the particle",
}
FLAGS = {
    "frame": "at the edge of the picture or of an area that is left out",
    "cut": "bounded by another particle",
    "small": f"ecd below {SMALL_DIAMETER:g} px",
    "aggregate": "shared by particles that touch",
    "lossy": "the picture was stored as JPEG, whose blocks blur and shift edges",
    "excluded": "why a person left it out of the distribution; empty where it counts",
    "reviewed": "a person has looked at it",
}


def readable(name: str) -> str:
    """The name of a descriptor for people: "ecd" → "equivalent circular diameter"."""
    return _READABLE.get(name, name.removesuffix("_px").replace("_", " "))


def column_name(name: str, unit: str) -> str:
    """The name of a descriptor's column when lengths are in `unit`: "area" → "area_nm2"."""
    kind = DESCRIPTORS.get(name, ("", ""))[1]
    return name + {"length": f"_{unit}", "area": f"_{unit}2"}.get(kind, "")


def definitions(unit: str) -> dict[str, tuple[str, str]]:
    """Formula and unit of every column of a table whose lengths are in `unit`, in the order of the columns."""
    units = {"length": unit, "area": f"{unit}²"}
    described = {column_name(name, unit): (formula, units.get(kind, kind)) for name, (formula, kind) in DESCRIPTORS.items()}
    return {name: (text, "") for name, text in IDENTITY.items()} | described | {name: (text, "") for name, text in FLAGS.items()}
