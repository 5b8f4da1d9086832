"""Every column of a measurement and every statistic of a distribution, declared once: name, formula, unit, version of the definition.

Whoever changes what a number means raises its version: tables, summaries and kept work tell by it which definition they follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LENGTH_UNITS = ("nm", "µm", "mm", "px")  # of tables: what programs read is in nm or px
SMALL_DIAMETER = 20.0
BETWEEN_PIXELS, MASK = "contour", "mask"  # what lengths and perimeter are measured on
UNSURE_BELOW = 0.75  # mean foreground probability below which a particle is flagged
# Rules for the shape of a particle.
ROD = 0.6  # width over length of the rectangle of least area, below which a particle is a rod
ROUND = 0.85  # the same, from which on it may be a sphere
WITHOUT_HOLLOWS = 0.93  # solidity
FILLED = 0.85  # share of that rectangle that a facet fills: a disc fills π/4
TOO_FEW = 10.0  # px of equivalent diameter below which nothing is told
RULES = (
    f"rod: rect_width / rect_length below {ROD:g}; facet: fills {FILLED:.0%} of that rectangle or more; sphere: ratio from {ROUND:g} on; "
    f"each with solidity from {WITHOUT_HOLLOWS:g} on; else irregular; unclear below {TOO_FEW:g} px. From the projection alone"
)


class Definition(NamedTuple):
    """How a number is defined; `kind` is its unit, where "length" and "area" take that of the calibration, in the column's name too."""

    formula: str
    kind: str = ""
    version: int = 1


DESCRIPTORS: dict[str, Definition] = {
    "area": Definition("A: pixels of the particle × pixel area; holes left out", "area"),
    "ecd": Definition("equivalent circular diameter √(4A/π)", "length"),
    "feret_max": Definition("largest distance of parallel tangents", "length", version=2),
    "feret_min": Definition("smallest distance of parallel tangents", "length", version=2),
    "feret_mean": Definition("distance of parallel tangents, mean over all directions", "length", version=2),
    "aspect_ratio": Definition("width / length: feret_min / feret_max, at most 1 (ImageJ's is major / minor of the ellipse)", version=2),
    "rect_length": Definition("longer side of the rectangle of least area round it", "length", version=2),
    "rect_width": Definition("shorter side of that rectangle", "length", version=2),
    "rect_ratio": Definition("rect_width / rect_length", version=2),
    "inscribed_diameter": Definition("diameter of the largest circle inside the outline, at most feret_min", "length"),
    "perimeter": Definition(
        "P: length of the contour; on the mask Crofton, 8 directions from 16 px on, 4 below 8 px, between both; holes included",
        "length",
        version=3,
    ),
    "circularity": Definition("√(4πA/P²), ISO 9276-6; P is an estimate, so a disc may come out slightly above 1", version=3),
    "form_factor": Definition("4πA/P² (ImageJ: circularity)", version=3),
    "solidity": Definition("A / area of the convex hull"),
    "convexity": Definition("P of the convex hull / P, at most 1", version=2),
    "compactness": Definition("ecd / feret_max", version=2),
    "roundness": Definition("4A / (π feret_max²)", version=2),
    "extent": Definition("A / (feret_max · feret_min)", version=2),
    "ellipse_major": Definition("major axis of the ellipse of equal second moments", "length"),
    "ellipse_minor": Definition("minor axis of the ellipse of equal second moments", "length"),
    "orientation": Definition("angle of that major axis from the x axis, anticlockwise as seen, 0 to 180", "°"),
    "centroid_y_px": Definition("mean row of the pixels, 0 at the centre of the first", "px"),
    "centroid_x_px": Definition("mean column of the pixels, 0 at the centre of the first", "px"),
    "bbox_top_px": Definition("first row", "px"),
    "bbox_left_px": Definition("first column", "px"),
    "bbox_bottom_px": Definition("row after the last", "px"),
    "bbox_right_px": Definition("column after the last", "px"),
    "neighbour_distance": Definition("distance of the centroid to that of the nearest particle of the plane", "length"),
    "constituents": Definition("particles of its aggregate, itself included"),
    "cut_share": Definition("share of the outline that borders another particle"),
    "visible_share": Definition(
        "A / area of the ellipse that the free part of the outline describes, at most 1; 1 where no particle borders it; empty at the "
        "frame, where less than half of the outline is free, and where that part is no ellipse (off by more than 3 % of its radius)"
    ),
    "ecd_whole": Definition(
        "diameter of the circle of the area of the whole particle, what others cover included: ecd / √(visible_share)", "length"
    ),
    "edge_shift": Definition(
        "how far the half-contrast edge of the picture lies outside the outline (inside: negative), the mean over its free part: half-way "
        "between the grey levels 3 to 6 px to either side; empty where the picture tells no edge",
        "length",
    ),
    "pieces": Definition("pieces of the label (8 neighbours hang together); the largest is measured"),
    "intensity_mean": Definition("mean of the pixel values; pixels that are not finite left out", "grey level"),
    "intensity_sd": Definition("standard deviation of the pixel values", "grey level"),
    "probability_mean": Definition("mean foreground probability of the model"),
    "standing_out": Definition(
        "contrast with what is round it, or contrast over ecd where that is more, over that of the most certain tenth of the "
        "particles of its class; empty where too few can be compared, and of an edited particle"
    ),
    "confidence": Definition(
        "share of particles of such a mean probability that stand out so far that are right, by outlines drawn by hand; 1 of one that "
        "somebody stroked as a particle; empty where the model was never judged so",
        version=2,
    ),
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
    "standing_out": "contrast beside the most certain",
    "cut_share": "share of the outline beside others",
    "visible_share": "share that is seen",
    "ecd_whole": "equivalent circular diameter, hidden part included",
    "inscribed_diameter": "diameter of the inscribed circle",
    "edge_shift": "half-contrast edge beyond the outline",
}
IDENTITY = {
    "image": Definition("name of the micrograph"),
    "plane": Definition("index of the plane in its stack"),
    "particle": Definition("value in the label image"),
    "class": Definition("class of the particle"),
    "morphology": Definition(RULES),
    "estimator": Definition(
        "what Ferets, rectangle and perimeter are measured on: the contour of the probability; or the mask, where the particle touches "
        "others or the frame or was edited, and where the map is noisy or certain everywhere"
    ),
}
FLAGS = {
    "frame": Definition("at the edge of the picture or of an area that is left out"),
    "cut": Definition("bounded by another particle"),
    "small": Definition(f"ecd below {SMALL_DIAMETER:g} px"),
    "aggregate": Definition("shared by particles that touch"),
    "unsure": Definition(f"mean probability below {UNSURE_BELOW:g}"),
    "neighbour_censored": Definition("the frame is nearer than the nearest particle, so that one beyond it could be nearer"),
    "lossy": Definition("the picture was stored as JPEG, whose blocks blur and shift edges"),
    "excluded": Definition("why a person left it out of the distribution; empty where it counts"),
    "reviewed": Definition("a person has looked at it"),
}

# Columns of a table that holds particles of two sizes.
POPULATION = {
    "population": Definition("which of two sizes it is of, small or large: the one that its width is nearer to by ratio"),
    "carrier": Definition("the large particle that a small one lies on, at least half of it; 0: none"),
}

# Of a distribution of sizes x with weights w (frame correction); lengths in the unit of the sizes.
DISTRIBUTION_STATISTICS: dict[str, Definition] = {
    "n": Definition("particles that count"),
    "n_images": Definition("independent pictures"),
    "n_left_out": Definition("particles that do not count, by reason"),
    "d50_left_out": Definition("their median size, by reason; of those at the edge, what is seen of them", "length"),
    "mean": Definition("Σwx / Σw", "length"),
    "sd": Definition("weighted standard deviation, n − 1", "length"),
    "geometric_mean": Definition("exp of the weighted mean of ln x", "length"),
    "gsd": Definition("exp of the weighted standard deviation of ln x"),
    "d32": Definition("Σwx³ / Σwx², spheres assumed (Sauter)", "length"),
    "d43": Definition("Σwx⁴ / Σwx³, spheres assumed", "length"),
    "n_eff": Definition("(Σw)² / Σw²"),
    "n_eff_volume": Definition("the same with weights wx³"),
    "share_below_100nm": Definition("share of the number below 100 nm"),
    "median": Definition("d50", "length"),
    **{f"d{share}": Definition(f"size below which lie {share} % of the number", "length") for share in (10, 50, 90)},
    **{f"ds{share}": Definition(f"size below which lie {share} % of the surface, spheres assumed", "length") for share in (10, 50, 90)},
    **{f"dv{share}": Definition(f"size below which lie {share} % of the volume, spheres assumed", "length") for share in (10, 50, 90)},
    "span": Definition("(d90 − d10) / d50"),
    "ds_span": Definition("(ds90 − ds10) / ds50"),
    "dv_span": Definition("(dv90 − dv10) / dv50"),
    **{
        f"{name}_interval": Definition(
            f"95 % interval of the {name} from counting, bootstrap on the logarithm; over images from three on, see interval_basis",
            "" if name == "gsd" else "length",
            version=2 if name in ("mean", "d50") else 1,
        )
        for name in ("mean", "gsd", "d10", "d50", "d90", "dv50", "d32", "d43")
    },
    **{
        f"{name}_interval_with_calibration": Definition(f"the interval of the {name} from counting and calibration", "length", version=2)
        for name in ("mean", "d50")
    },
    "intervals": Definition("95 % intervals of D50 by what they are about, with what each holds and lacks", "length"),
    "verdict": Definition("in a few words: usable, usable with the audit, not usable as it is"),
    "usable": Definition(
        "whether the distribution can be used: 20 particles, one sample, classes alike, no rods beside spheres, no wide drift with the "
        "splitting, at most a tenth of the particles in images unlike the model's training that nobody has reviewed; an audit mends the "
        "last two",
        version=3,
    ),
    "mended_by_audit": Definition("why it could not be used without the audit"),
    "audited": Definition("whether an audit tells of these particles"),
    "corrected": Definition("D50 as an audit corrects it, its 95 % interval and what that is about"),
    "why_not": Definition("why it cannot"),
    "next_steps": Definition("what to do then"),
    "pieces": Definition("number and D50 of all particles and of parts of them", "length"),
    "segmentation": Definition("sizes under other settings of the splitting, their drift, and what outlines drawn by hand said"),
    "more_for_5_percent": Definition("how many more images, or particles of one image, until counting leaves ±5 % of D50 open (95 %)"),
    "per_area": Definition("particles per area of the pictures, those at the edge made up for, in 1/unit²"),
    "cautions": Definition("what a reader has to know, a sentence each"),
    "budget": Definition("relative standard uncertainty of D50 by where it comes from; edge: rectangular between the two conventions"),
    "edge_convention": Definition("where a particle ends: at the outline, or at the half-contrast edge of the picture"),
    "detection": Definition("size from which on 9 of 10 particles put into the pictures are found, share below, recall and bias by size"),
    "other_edge": Definition("D50 where edges are drawn by the other convention (half contrast, outline) over D50, minus 1"),
    "calibration_relative_uncertainty": Definition("relative standard uncertainty that all sizes share"),
}


def readable(name: str) -> str:
    """The name of a descriptor for people: "ecd" → "equivalent circular diameter"."""
    return _READABLE.get(name, name.removesuffix("_px").replace("_", " "))


def column_name(name: str, unit: str) -> str:
    """The name of a descriptor's column when lengths are in `unit`: "area" → "area_nm2"."""
    kind = DESCRIPTORS[name].kind if name in DESCRIPTORS else ""
    return name + {"length": f"_{unit}", "area": f"_{unit}2"}.get(kind, "")


def definitions(unit: str) -> dict[str, Definition]:
    """Formula, unit and version of every column of a table whose lengths are in `unit`, in the order of the columns."""
    units = {"length": unit, "area": f"{unit}²"}
    described = {column_name(name, unit): each._replace(kind=units.get(each.kind, each.kind)) for name, each in DESCRIPTORS.items()}
    return IDENTITY | described | FLAGS


def versions() -> dict[str, int]:
    """Version of the definition of every descriptor and flag, by its name without a unit."""
    return {name: each.version for name, each in (DESCRIPTORS | FLAGS).items()}


def redefined(before: Mapping[str, int]) -> list[str]:
    """Descriptors and flags, for people, that were defined otherwise when their versions were `before`: name, version then and now.

    What `before` does not name counts as version 1: kept work did not tell at first.
    """
    return [f"{readable(name)} ({before.get(name, 1)} → {now})" for name, now in versions().items() if before.get(name, 1) != now]
