"""Sentences on what a search left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_temseg.engine.types.results import BAND
from napari_temseg.engine.types.units import size_words

if TYPE_CHECKING:
    from napari_temseg.engine.types.confidence import Doubts
    from napari_temseg.engine.types.results import Prediction
    from napari_temseg.widgets.session.item import Item
    from napari_temseg.widgets.session.session import Session


def found_by_another(session: Session, item: Item) -> str:
    """The name of the model that found the particles of an image, "" where it is the one in use, or not known."""
    by = None if item.particles is None else item.particles.prediction or item.particles.origin
    name = "" if by is None else session.model_names.get(by.model_hash, "")
    return name if name != session.model_of(item) else ""


def of_both(item: Item) -> str:
    """ ": 280 small and 12 large" of particles of two sizes, else ""."""
    table = None if item.particles is None else item.particles.table
    if table is None or "population" not in table or (item.particles is not None and item.particles.settings.get("as_one")):
        return ""
    from napari_temseg.engine.types.populations import POPULATIONS  # scipy comes with it

    counts = table["population"].value_counts()
    return f": {' and '.join(f'{int(counts.get(name, 0))} {name}' for name in POPULATIONS)}"


def details(item: Item) -> str:
    """How a result came about, for whoever wants to know: certainty that was asked for, scales, lines of their own."""
    particles = item.particles
    if particles is None:
        return ""
    least = particles.settings.get("certainty")
    unsure = f"Regions left out: those less certain than {least:.2g}." if least and particles.uncertain else ""
    return "\n".join(filter(None, (unsure, _scale_sentence(item.prediction))))


def _scale_sentence(prediction: Prediction | None) -> str:
    """For particles of which size a picture was searched, or at which scales it was looked at, and why."""
    if prediction is None:
        return ""
    largest = max(prediction.working_scale)
    *others, last = (f"{scale:.2g}×" for scale in sorted(prediction.working_scale))
    scales = " and ".join(filter(None, [", ".join(others), last]))
    if prediction.size and prediction.pixel_ratio == 1:
        nanometres = prediction.micrograph.calibration.nanometres
        size = size_words(prediction.size, nanometres)
        if prediction.other is not None:
            both = f"Particles of about {size} and of about {size_words(prediction.other.size, nanometres)} were looked for"
            return f"{both}, of either from a third to three times that."
        low, high = (size_words(each, nanometres) for each in (prediction.size / BAND, prediction.size * BAND))
        ends = f"from about {low} to about {high}"
        return f"Particles of about {size} were looked for: those {ends}, beyond which some are found too, but not all."
    if prediction.pixel_ratio != 1:
        return f"Shown at {scales} its size: a pixel is {prediction.pixel_ratio:.2g} × as large as those that the model was trained at."
    why = "" if 0.8 < largest < 1.05 else f"{'Small' if largest > 1 else 'Large'} particles: "
    return f"{why}{'shown' if why else 'Shown'} to the model at {scales} its size."


def in_doubt(doubts: Doubts, total: int) -> list[str]:
    """What of `total` particles is in doubt, in parts of a sentence: a clear seam looks like two, a faint one may be."""
    clear, one = len(doubts.clear), len(doubts.one)
    faint = len(doubts.two) - clear
    parts = (
        [f"{clear} of {total} look{'s' if clear == 1 else ''} like two or more{f', {faint} more may be' if faint else ''}"] if clear else []
    )
    if faint and not clear:
        parts = [f"{faint} of {total} may be two or more"]
    return parts + ([f"{one} pair{'s' if one > 1 else ''} of pieces look{'s' if one == 1 else ''} like one"] if one else [])


def none_left(doubts: Doubts, known: Doubts) -> str:
    """That nothing is in doubt, or nothing but what was reviewed or excluded: `known` tells of that too."""
    seen = len(set(known.order) - set(doubts.order))
    if not seen:
        return "No particle looks like two, and no pieces like one."
    were = "1 that does was" if seen == 1 else f"{seen} that do were"
    return f"No other particle looks like two, and no other pieces like one; {were} reviewed or excluded."


def raised(doubts: Doubts, strength: float) -> str:
    """What comes apart when Splitting is raised to a strength."""
    meant, others = (sum(value <= strength for value in found) for found in (doubts.two.values(), doubts.others))
    too = f", and {others} that show{'s' if others == 1 else ''} no seam" if others else ""
    return f"Splitting is raised to {strength:.2f}: {meant} that may be two come{'s' if meant == 1 else ''} apart{too}."
