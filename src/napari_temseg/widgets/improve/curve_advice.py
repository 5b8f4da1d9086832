"""Reads the curves of a training for the user: one sentence on where it goes, one on what the curves cannot tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from napari_temseg.engine.types.wording import percent
from napari_temseg.widgets.improve.not_kept import BETTER, is_of_not_kept

Point = Mapping[str, float]

LEAST_POINTS = 3  # points before anything is said of where the curves go
WAITED = 4  # points without a gain that make a plateau
RISEN = 1.15  # × the lowest validation loss: more is learning by heart
WELL, PARTLY = 0.8, 0.5  # IoU from which on what is found agrees with labels, or agrees in part
MOSTLY = 0.9  # share of the labelled pixels, from which one class makes the accuracy

BY_HEART = "It knows these labels by heart: look at other images, or label more."
_JUDGED = "Tried on labels that it was not shown (1 is perfect)"


def advise(
    points: Sequence[Point],
    facts: Mapping[str, float],
    names: Mapping[int, str] | None = None,
    *,
    fresh: bool = False,
    kept: bool | None = None,
    notes: Sequence[str] = (),
) -> str:
    """A few sentences, the outcome first, or "" while there is nothing to say.

    `points` and `facts` are those of `iter_train`, `names` the classes by number. `fresh`: there was no model to start from. `kept`:
    whether a training that ended made a model, None while it runs. `notes` are those of the model's record; why nothing was kept is not
    told here (see `not_kept`). Where too few labels are kept back to judge by, nothing is concluded from them.
    """
    judged = [point for point in points if math.isfinite(point.get("validation_iou", math.nan))]
    tells = bool(facts.get("telling", 1.0))
    course = ""
    if kept is None:
        course = _course(points, judged if tells else [])
    elif kept and tells:
        course = _result(judged, facts, fresh)
    others = [note_sentence(note) for note in notes if kept is not False or not is_of_not_kept(note)]
    # While it runs the caption of the curves says as much of what is kept back.
    caveat = "" if kept is None and judged_by_one(facts) else _caveat(points, judged, facts, names or {})
    return " ".join(filter(None, [course, *others, caveat]))


def verdict(points: Sequence[Point], made: str, facts: Mapping[str, float], *, fresh: bool = False) -> str:
    """What became of a training that made the model `made`, first of all."""
    judged = [point for point in points if math.isfinite(point.get("validation_iou", math.nan))]
    best = best_of(judged, fresh)
    if best is None or not facts.get("telling", 1.0):
        return f"“{made}” is in use now; too few labels to try it on: look at the outlines."
    if fresh:
        return f"“{made}” is in use now; what it finds {_agreement(best['validation_iou'])} labels that it was not shown."
    before, after = judged[0]["validation_iou"], best["validation_iou"]
    if after <= before + BETTER:
        return f"“{made}” is in use now: nearer to your strokes; labels that it was not shown agree no better."
    return f"Better: “{made}” is in use now, right on more of the labels that it was not shown."


def by_heart(points: Sequence[Point], facts: Mapping[str, float]) -> str:
    """That a model that was kept knows its labels by heart, where validation tells so; "" where not."""
    judged = [point for point in points if math.isfinite(point.get("validation_iou", math.nan))]
    best = best_of(judged)
    if best is None or not facts.get("telling", 1.0):
        return ""
    return BY_HEART if _by_heart([point for point in judged if point["step"] <= best["step"]]) else ""


def _agreement(iou: float) -> str:
    return "agrees with" if iou >= WELL else "agrees in part with" if iou >= PARTLY else "hardly agrees with"


def note_sentence(note: str) -> str:
    """A note of a training's record as a sentence."""
    return f"{note[:1].upper()}{note[1:]}."


def tuned_sentence(tuned: Sequence[Mapping[str, float]] | str) -> str:
    """What a search of learning rate and batch found; `tuned` is that of a model's record, the best first."""
    if isinstance(tuned, str) or not tuned:
        return f"{tuned[:1].upper()}{tuned[1:]}." if isinstance(tuned, str) and tuned else ""
    best, ious = tuned[0], sorted(trial["validation_iou"] for trial in tuned[1:])
    others = f", the others {ious[0]:.3f} to {ious[-1]:.3f}" if len(ious) > 1 else f", the other {ious[0]:.3f}" if ious else ""
    tried = f"Of {len(tuned)} settings tried" if ious else "Tried"
    found = f"{best['validation_iou']:.3f} after {best['step']:.0f} step{'s' if best['step'] != 1 else ''}{others}"
    return f"{tried}, learning rate {best['learning_rate']:g} with batch {best['batch']:.0f} did best (IoU {found})."


def tuned_table(tuned: Sequence[Mapping[str, float]] | str) -> str:
    """All that was tried, a line each, for a tooltip."""
    if isinstance(tuned, str) or not tuned:
        return ""
    lines = [f"{t['learning_rate']:g} · {t['batch']:.0f} · {t['step']:.0f} · {t['validation_iou']:.3f}" for t in tuned]
    return "\n".join(["learning rate · batch · steps · validation IoU", *lines])


def best_of(judged: Sequence[Point], fresh: bool = False) -> Point | None:
    """The point that training keeps, as its newest point says; a new network does not count before its first step.

    Where no point says so: highest IoU, of equals the lowest loss.
    """
    candidates = [point for point in judged if not (fresh and point["step"] == 0)]
    if candidates and "best_step" in candidates[-1]:
        return next((point for point in candidates if point["step"] == candidates[-1]["best_step"]), None)
    return max(candidates, key=lambda point: (round(point["validation_iou"], 4), -point["validation_loss"]), default=None)


def _result(judged: Sequence[Point], facts: Mapping[str, float], fresh: bool) -> str:
    best = best_of(judged, fresh)
    if best is None:
        return ""
    reached = f"{best['validation_iou']:.3f} at step {best['step']:.0f}"
    if fresh:
        return f"{_JUDGED}: IoU {reached}."
    untouched = judged[0]["validation_iou"]
    if best["validation_iou"] <= untouched + BETTER:
        why = "Kept, as your strokes say that the model before is wrong;" if facts.get("mistaken", 1.0) else "Kept as the later step;"
        return f"{why} labels that it was not shown agree no better (IoU {reached}, before {untouched:.3f})."
    return f"{_JUDGED}: IoU {reached}, before {untouched:.3f}."


def _course(points: Sequence[Point], judged: Sequence[Point]) -> str:
    if any(not math.isfinite(point.get("train_loss", math.nan)) for point in points if point["step"] > 0):
        return "The loss is no number any more: cancel, and set a lower learning rate (in the fold below)."
    losses = [point["train_loss"] for point in points if point["step"] > 0]
    if len(losses) >= WAITED and losses[-1] > 1.5 * losses[0]:
        return "The training loss rises: cancel, and set a lower learning rate (in the fold below)."
    if len(judged) < LEAST_POINTS:
        return ""
    since = _since_gain(judged)
    if since >= LEAST_POINTS and _by_heart(judged):
        return "It learns these labels by heart (validation loss rises while training loss falls): finish now, or label more."
    if since >= WAITED:
        return "It gets no better any more: finish now."
    return "Still getting better." if since == 0 else ""


def _since_gain(judged: Sequence[Point]) -> int:
    """Points since the validation IoU last rose by more than noise."""
    highest, gained = -math.inf, 0
    for index, point in enumerate(judged):
        if point["validation_iou"] > highest + BETTER:
            highest, gained = point["validation_iou"], index
    return len(judged) - 1 - gained


def _by_heart(judged: Sequence[Point]) -> bool:
    lowest = min(range(len(judged)), key=lambda index: judged[index]["validation_loss"])
    now, then = judged[-1], judged[lowest]
    before = then.get("train_loss", math.nan)
    falls = not math.isfinite(before) or now.get("train_loss", math.inf) < before
    return len(judged) - 1 - lowest >= LEAST_POINTS - 1 and now["validation_loss"] > RISEN * then["validation_loss"] and falls


def _caveat(points: Sequence[Point], judged: Sequence[Point], facts: Mapping[str, float], names: Mapping[int, str]) -> str:
    if not facts:
        return ""
    if not facts.get("validation_regions"):
        return (
            "No labels are kept back to try the model on, so the curves tell of those that it is shown only; "
            "strokes in two separate places for each class give something to judge by."
        )
    if number := judged_by_one(facts):
        which = names.get(number, f"class {number}")
        return f"Only one region of “{which}” is kept back to try the model on: that tells nothing, the outlines tell more."
    return _accuracy(judged or points, facts)


def judged_by_one(facts: Mapping[str, float]) -> int:
    """The class of which one region at most is kept back, so that the curves of validation tell nothing; 0 where each has more, or none
    of any is kept back."""
    if not facts.get("validation_regions") or facts.get("telling"):
        return 0
    classes = [int(name.removeprefix("pixels_")) for name, pixels in facts.items() if name.startswith("pixels_") and pixels]
    fewest = min(classes, key=lambda number: facts.get(f"validation_regions_{number}", math.inf), default=0)
    return fewest if facts.get(f"validation_regions_{fewest}", math.inf) <= 1 else 0


def _accuracy(points: Sequence[Point], facts: Mapping[str, float]) -> str:
    """A word on an accuracy that one class makes."""
    if not points or facts.get("background_share", 0.0) < MOSTLY:
        return ""
    part = "validation" if "validation_iou" in points[-1] else "train"
    accuracy, iou = (points[-1].get(f"{part}_{name}", math.nan) for name in ("accuracy", "iou"))
    if accuracy >= MOSTLY and iou < accuracy - 0.1:
        return f"Accuracy is high because {percent(facts['background_share'])} of the labelled pixels are background: look at the IoU."
    return ""
