"""Numbers and places in words, the same wherever people read them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from napari_temseg.engine.types.units import size_words

if TYPE_CHECKING:
    from napari_temseg.engine.types.results import BandEnds, SizeCandidate

TABLES = ("csv", "semicolons", "xlsx")  # how a run writes its table
WHY_APART = (
    "Small and large particles are two populations, each with a D50 of its own; none of both together is given, as it would tell how many "
    "there are of either, not how large they are"
)
LOADING = "loading the model (longest at the first time)"
FEWEST = 20  # particles below which no D50 is stated
BEYOND_BAND = "{} on particles far larger or smaller than what is looked for taught nothing: say both sizes in step 2 to find those too"
STAYS = "the model stays as it was"  # how a training that was for nothing tells why
OTHER_THINGS = "the new model finds other things there"  # than the one before, on an image that taught it nothing
TIME_SUFFICED = "the time sufficed for {} of the {} steps that these labels are worth"
FINISHED_AFTER = "finished by hand after {} of the {} steps that these labels are worth"
ENOUGH_SECONDS = "about {} s would do"  # … for all of them
COUNTING_ALONE = "counting alone, 95 %"
SEGMENTATION = "segmentation"  # part of an interval
SEGMENTED_AT_LEAST = "segmentation (at least as much as with the shipped model)"  # the same where nobody has compared the model
BY_LABELS_WHY = "the particles are outlined by labels, and no model was compared with outlines drawn by hand"
NOT_IN_IT = "how particles are outlined and split is not in it"


def four(value: float) -> str:
    """Four significant digits: "8.470", "35.21", "2052", never with an exponent for what a micrograph holds."""
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:#.4g}".rstrip(".") if abs(value) >= 1e-3 or value == 0 else f"{value:.2e}"


def several(number: int, what: str) -> str:
    """A number of things: "1 particle", "12 particles"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first of a list of names, at most `most`, and how many more: "a.tif, b.tif, c.tif and 12 more"."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def shortened(text: str, most: int) -> str:
    """A text that loses its middle where it has more than so many letters."""
    return text if len(text) <= most else f"{text[: (most - 1) // 2]}…{text[-(most // 2) :]}"


def percent(share: float, digits: int = 0) -> str:
    """A share as it is written in print: "43 %"."""
    return f"{100 * share:.{digits}f} %"


def more_words(more: int, of: str) -> str:
    """How many more of what is named in the plural: "1 more image", "12 more images"."""
    return f"{more} more {of.removesuffix('s') if more == 1 else of}"


def signed(value: float, digits: int) -> str:
    """A number with its sign, a true minus: "+1.2", "−0.8"; what rounds to nothing has none."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text if any(digit in text for digit in "123456789") else text[1:]


def rounded(value: float, half: float | None) -> str:
    """A value with as many digits as its half width allows (two of the half width's, five at most); four where there is none."""
    if half is None or not half > 0 or not value:
        return four(value)
    digits = min(1 - math.floor(math.log10(half)), 4 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):.{max(digits, 0)}f}"


def half_width(summary: Mapping[str, Any]) -> float | None:
    """Half of the widest interval that D50 has, in its unit: what allows how many digits a length is told with."""
    ends = [each["d50"] for each in summary["intervals"].values() if each["d50"]] or [summary.get("d50_interval")]
    return max(((each[1] - each[0]) / 2 for each in ends if each), default=None)


def few_words(summary: Mapping[str, Any]) -> str:
    """That so few particles have no D50, in its place; "" for enough, and for none."""
    n = summary.get("n") or 0
    return f"n = {n} (without those at the edge or excluded) is too few: a D50 needs {FEWEST}" if 0 < n < FEWEST else ""


def curve_words(name: str, fit: Mapping[str, Any]) -> str:
    """A fitted curve in a legend: "lognormal fit, its GSD 1.532", "normal fit", "two lognormals"; the particles have a GSD of their own."""
    told = f"{name} fit".replace("lognormals fit", "lognormals")
    return f"{told}, its GSD {four(fit['gsd'])}" if name == "lognormal" else told


def height_words(*, by_volume: bool, populations: bool = False, samples: bool = False, weighted: bool = False, brief: bool = False) -> str:
    """What the height of bars is, in the window (`brief`) and in its saved plot.

    `weighted`: particles count for more or less than one, as the edge of the picture leaves out large ones more often.
    """
    if samples or populations:
        return "share (%)" if brief else "share of each sample (%)" if samples else "share of each (%)"
    if by_volume:
        return "volume (%)"
    return "count" if not weighted else "count (weighted)" if brief else "count, weighted for the edge"


def d50_words(summary: Mapping[str, Any], *, waiting: bool = False) -> str:
    """A D50 with its unit and its interval, with as many digits as that allows: "221 nm (this specimen, 95 %: 168 to 292)".

    Where an audit corrects it: "202 nm (corrected by the audit; these particles, 95 %: 180 to 227; found: 240)". `waiting`: what the
    segmentation leaves open is being worked out.
    """
    d50, interval, name = shown_median(summary)
    half = half_width(summary) if summary.get("corrected") is None else None if interval is None else (interval[1] - interval[0]) / 2
    told = f"{rounded(summary['d50'] if d50 is None else d50, half)} {summary['unit']}"
    if interval is None:
        return told
    more = [f"{name}: {ends_words(interval, half)}"]
    if summary.get("corrected"):
        more.append(f"found: {rounded(summary['d50'], half)}")
    elif waiting:
        more.append("segmentation: being worked out")
    elif name == COUNTING_ALONE:
        more.append(_not_told(summary))
    return f"{told} ({'; '.join(more)})"


def shown_median(summary: Mapping[str, Any]) -> tuple[float | None, Sequence[float] | None, str]:
    """The D50 that is shown, its interval, and what that is about: as an audit corrects it, else as found."""
    if better := summary.get("corrected"):
        return better["d50"], better["interval"], f"corrected by the audit; {better['about']}, 95 %"
    interval, name = shown_interval(summary.get("intervals", {}), summary.get("d50_interval"))
    return summary.get("d50"), interval, name


def shown_interval(named: Mapping[str, Mapping[str, Any]], counted: Sequence[float] | None) -> tuple[Sequence[float] | None, str]:
    """The interval of a D50 that is shown, the same wherever one is, and its name: that of the specimen, else of the particles, else of
    counting alone."""
    name = next((each for each in ("this specimen", "these particles") if named.get(each, {}).get("d50")), None)
    return (counted, COUNTING_ALONE) if name is None else (named[name]["d50"], interval_title(name, named[name]["holds"]))


def withheld_words(summary: Mapping[str, Any]) -> str:
    """That a D50 is shown and not to be stated; "" where it may be, and where there is none."""
    return "" if summary.get("usable", True) or summary.get("d50") is None or few_words(summary) else "found, not to be stated"


def moved_words(summary: Mapping[str, Any]) -> str:
    """That the interval shown is moved by the known bias of the segmentation, so that D50 is not its middle; "" where it is not."""
    if summary.get("corrected") or not any(each["d50"] and SEGMENTATION in each["holds"] for each in summary.get("intervals", {}).values()):
        return ""
    share = 100 * math.expm1(summary["segmentation"]["bias"])
    if abs(share) < 0.5:
        return ""
    return f"the model finds particles about {abs(share):.1f} % too {'small' if share > 0 else 'large'}: the interval allows for it"


def least_words(summary: Mapping[str, Any]) -> str:
    """Why the interval shown is “at least” that; "" where it is not."""
    if summary.get("corrected") or not shown_median(summary)[2].endswith(", at least"):
        return ""
    return f"at least, as {_not_compared(summary)} with outlines drawn by hand"


def _not_compared(summary: Mapping[str, Any]) -> str:
    by_labels = (summary.get("segmentation") or {}).get("uncalibrated") == BY_LABELS_WHY
    return "these are outlines by labels: no model was compared" if by_labels else "this model was not compared"


def interval_title(name: str, holds: Collection[str]) -> str:
    """What an interval is called: "these particles, 95 %"; "…, at least" of a model that nobody has compared with outlines; and that
    there is no segmentation in it where that is so."""
    if SEGMENTED_AT_LEAST in holds:
        return f"{name}, 95 %, at least"
    return f"{name}, 95 %" + ("" if {SEGMENTATION, "audit"}.intersection(holds) else f", {' and '.join(holds)} alone, {NOT_IN_IT}")


def _not_told(summary: Mapping[str, Any]) -> str:
    """What an interval of counting alone leaves out."""
    found = summary["segmentation"]
    return "how particles are outlined and split leaves too much open to be told" if found and found["refused"] else NOT_IN_IT


def ends_words(interval: Sequence[float], half: float | None) -> str:
    """Both ends of an interval: "168 to 292"."""
    return " to ".join(rounded(each, half) for each in interval)


def named_interval_words(name: str, interval: Mapping[str, Any], unit: str) -> str:
    """The name of an interval of D50, the interval or why there is none, and what is and is not in it."""
    if not interval["d50"]:
        return f"95 % interval of D50 for {name}: none, {interval['why_none']}."
    half = (interval["d50"][1] - interval["d50"][0]) / 2
    told = [f"{words} {', '.join(interval[what])}" for what, words in (("holds", "with"), ("lacks", "without")) if interval[what]]
    return f"95 % interval of D50 for {name}: {ends_words(interval['d50'], half)} {unit}, {'; '.join(told)}."


def bias_words(segmentation: Mapping[str, Any] | None, *, unlike: bool) -> str:
    """What the model is known to add or take; `unlike` images are not like those where that was seen."""
    if unlike:
        return "Bias: not known, the model has not been compared with outlines drawn by hand in such images."
    if not segmentation or not segmentation["calibrated"]:
        why = (segmentation or {}).get("uncalibrated")
        told = f"as {why}" if why else "the model has not been compared with outlines drawn by hand"
        least = segmentation and segmentation.get("at_least") and not segmentation["refused"]
        return f"Bias: not known, {told}{'; what the shipped model leaves open is the least that is in the intervals' if least else ''}."
    share = 100 * segmentation["bias"]
    seen = f"{segmentation['calibration'].get('pictures', '?')} images with outlines drawn by hand"
    if abs(share) < 0.05:
        return f"Bias: none is taken off; over {seen} it is 0 in the median, and how it scatters is in the intervals."
    return (
        f"Bias: D50 measured like this is typically {abs(share):.1f} % too {'small' if share > 0 else 'large'} (seen on {seen}, "
        "where as much hangs on how touching particles are split); the intervals are moved by that, the D50 itself is not."
    )


def verdict_words(summary: Mapping[str, Any]) -> str:
    """“Usable · not audited”, and what an interval lacks: “Usable · only counting is in its interval · not audited”."""
    found = summary["segmentation"]
    told = [summary["verdict"][0].upper() + summary["verdict"][1:]]
    if summary["usable"] and not summary["corrected"]:
        if found and found.get("at_least"):
            told.append(f"{_not_compared(summary)} with outlines drawn by hand")
        elif summary["d50"] is not None and not (found and found["calibrated"]):
            told.append("only counting is in its interval")
    if not summary["mended_by_audit"]:
        told.append("audited" if summary["audited"] else "not audited")
    return " · ".join(told)


def at_plane(index: int, n: int) -> str:
    """Where in a stack of `n` planes a job stands: "plane 3 of 12", "" where there is but one."""
    return f"plane {index + 1} of {n}" if n > 1 else ""


def unlike_training(name: str, reasons: Collection[str], n_planes: int = 1) -> str:
    """“a.tif is unlike the micrographs its model was trained on (unknown texture)”; `reasons`: one for each plane that is."""
    which = f"{name} is" if n_planes == 1 else f"{len(reasons)} of {n_planes} planes of {name} {'is' if len(reasons) == 1 else 'are'}"
    return f"{which} unlike the micrographs its model was trained on ({', '.join(dict.fromkeys(reasons))})"


def sizes_asked(name: str, candidates: Sequence[SizeCandidate], pixel_size: float, way: str) -> str:
    """“a.tif: about 280 of about 12 nm and 3 of about 300 nm could be the particles: which are meant? …”; `way` tells how to say it.

    `pixel_size` is in nm, 0 where it is not known.
    """
    *first, last = (f"{each.count} of about {size_words(each.size, pixel_size, 2)}" for each in candidates)
    return f"{name}: about {', '.join(first)} and {last} could be the particles: which are meant? {way}."


def larger_seen(larger: SizeCandidate, length: str) -> str:
    """“6 larger particles of about 21 nm: as clear as the others, but they were not looked for.”; `length` is that of `larger`."""
    were = "it was" if larger.count == 1 else "they were"
    return f"{several(larger.count, 'larger particle')} of about {length}: as clear as the others, but {were} not looked for."


def two_heaps(name: str, counts: tuple[int, int], lengths: tuple[str, str], way: str) -> str:
    """“a.tif: its particles are of two sizes, 28 of about 87 nm and 57 of about 169 nm: … ”; `way` tells how to look for either."""
    told = " and ".join(f"{count} of about {length}" for count, length in zip(counts, lengths, strict=True))
    return f"{name}: its particles seem to be of two sizes, {told}: one D50 says little of both, some small ones may be missed. {way}."


def one_size_alone(name: str, size: float, pixel_size: float) -> str:
    """“a.tif: both sizes were asked for, but only particles of about 12 nm are seen: they alone are looked for. …”

    `size` is in px, `pixel_size` in nm, 0 where it is not known.
    """
    return (
        f"{name}: both sizes were asked for, but only particles of about {size_words(size, pixel_size)} are seen, so that they alone were "
        "looked for; if there are others, give both sizes."
    )


def ends_touched(name: str, ends: BandEnds, pixel_size: float, way: str) -> str:
    """“a.tif: 12 of 280 particles are below 5 nm, near the smallest that was looked for (4 nm): … may go on …”; "" where none is.

    `pixel_size` is in nm, 0 where it is not known; `way` tells how to say another size.
    """
    below, above = (f"{side} {size_words(near, pixel_size)}" for side, near in zip(("below", "above"), ends.near, strict=True))
    parts = ((ends.near_smallest, below, ends.smallest, "smallest"), (ends.near_largest, above, ends.largest, "largest"))
    found = [
        f"{near} of {ends.count} particles are {beyond}, near the {word} that was looked for (about {size_words(end, pixel_size)})"
        for near, beyond, end, word in parts
        if near >= ends.least
    ]
    if ends.seen:
        size = size_words(ends.seen_size, pixel_size)
        found.append(f"about {ends.seen} particles of some {size} seem to be there too, which this search finds in part at most")
    return f"{name}: {' and '.join(found)}: the distribution may go on beyond it. {way} to see what lies there." if found else ""


def day_and_time(moment: datetime) -> str:
    """A moment: "20 Nov 14:03"."""
    return f"{moment.day} {moment:%b %H:%M}"
