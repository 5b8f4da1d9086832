"""What figures say, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_temseg.engine.types.wording import (
    WHY_APART,
    bias_words,
    d50_words,
    ends_words,
    few_words,
    four,
    named_interval_words,
    percent,
    several,
    some_of,
    verdict_words,
    withheld_words,
)
from napari_temseg.widgets.particles.pooling import PooledDistribution

if TYPE_CHECKING:
    from napari_temseg.engine.types.confidence import Doubts
    from napari_temseg.widgets.session.item import Item

WEIGHTED = (
    "Shares are not those of the counts: large particles are cut by the edge of a picture, and so left out, more often than small ones. "
    "Each that counts stands for those of its size that the edge has cut."
)


def counted(table: pd.DataFrame | None, n_images: int = 1, *, as_one: bool = False) -> str:
    """“61 particles · 4 at the edge · 2 excluded”; `as_one`: some are of two sizes that are measured as one distribution."""
    if table is None:
        return ""
    touching, out = int(table["frame"].sum()), int((table["excluded"] != "").sum())
    parts = [several(len(table), "particle") + (f" in {n_images} images" if n_images > 1 else "")]
    if as_one:
        parts.append("both sizes as one wide distribution (step 2)")
    if touching:
        parts.append(f"{touching} at the edge, not counted")
    if out:
        both = int((table["frame"] & (table["excluded"] != "")).sum())
        parts.append(
            f"{out} excluded"
            + (f", {both} of {'them' if out > 1 else 'it'} at the edge" if both and out > 1 else ", at the edge" if both else "")
        )
    return " · ".join(parts)


def sized(distribution: PooledDistribution) -> str:
    """“D50 221 nm (these particles, 95 %: 171 to 265) · n = 57” and the verdict, or why there is no such number.

    Of two populations a line each, of several samples too, and one against another. While the segmentation is being worked out there is no
    verdict.
    """
    if distribution.obstacle:
        return distribution.obstacle
    if distribution.samples:
        return "\n".join(distribution.samples)
    shares = {each.title: each.shares for each in distribution.populations}
    lines = []
    for title, summary in distribution.summaries.items():
        told = [f"{percent(share, 1)} by {what}" for what, share in shares.get(title, {}).items() if share is not None and what != "area"]
        told += ["weighted for the edge"] if told else []
        d50 = _d50(summary, waiting=distribution.waiting)
        lines.append(f"{title}: {', '.join(filter(None, (d50 or 'none counts', *told)))}" if title else d50)
    return "\n".join(filter(None, [*lines, "" if distribution.waiting else _verdict(distribution)]))


def _d50(summary: Mapping[str, Any], *, waiting: bool) -> str:
    if summary["d50"] is None:
        return ""
    withheld = "" if waiting else withheld_words(summary)
    d50 = f"D50 {withheld}: " if withheld else "D50 "
    return few_words(summary) or f"{d50}{d50_words(summary, waiting=waiting)}\u00a0· n\u00a0=\u00a0{summary['n']}"


def _verdict(distribution: PooledDistribution) -> str:
    """As a report has it: “Usable · not audited”; of two populations each where they differ."""
    told = {title: verdict_words(summary) for title, summary in distribution.summaries.items() if summary["d50"] is not None}
    if len(set(told.values())) < 2:
        return next(iter(told.values()), "")
    return "\n".join(f"{title}: {verdict}" for title, verdict in told.items())


def explained(distribution: PooledDistribution) -> str:
    """Further figures, and what the intervals are; of two populations those of each."""
    if distribution.obstacle:
        return ""
    waiting = distribution.waiting
    told = {title: _figures(summary, waiting=waiting) for title, summary in distribution.summaries.items() if summary["d50"] is not None}
    weighted = [WEIGHTED] if distribution.populations else []
    return "\n\n".join(["\n".join([*filter(None, [title]), *lines]) for title, lines in told.items()] + weighted)


def _figures(summary: Mapping[str, Any], *, waiting: bool) -> list[str]:
    unit = summary["unit"]
    few = bool(few_words(summary))
    lines = [] if few else [f"D10 {four(summary['d10'])}, D50 {four(summary['d50'])}, D90 {four(summary['d90'])} {unit}, by number"]
    if summary["sd"] is not None:
        lines.append(f"mean {four(summary['mean'])} {unit}, standard deviation {four(summary['sd'])} {unit}")
    if few:
        return lines
    if summary["corrected"]:
        lines.append("The D50 that is corrected by the audit takes the place of the one found; D10, D90 and mean are as found")
    elif waiting:
        lines.append("How far D50 hangs on the segmentation is being worked out")
    else:
        lines += [named_interval_words(name, each, unit) for name, each in summary["intervals"].items()]
        if summary["segmentation"] and summary["segmentation"]["calibrated"]:
            lines.append(bias_words(summary["segmentation"], unlike=False))
    counted = summary["d50_interval"]
    ends = f": {ends_words(counted, (counted[1] - counted[0]) / 2)} {unit}" if counted else ""
    return [*lines, f"Counting alone{ends}, {summary['interval_basis']}"]


def cautions(distribution: PooledDistribution) -> list[str]:
    """What a reader of these numbers has to know."""
    summaries = list(distribution.summaries.values())
    refused = [summary for summary in summaries if summary["n"] and not summary["usable"]]
    found = [f"Not usable as it is: {'; '.join(each['why_not'])}. Next: {'; '.join(each['next_steps'])}." for each in refused]
    found += list(dict.fromkeys(str(each) for summary in summaries for each in summary["cautions"]))
    if distribution.twice:
        found.append(f"{', '.join(distribution.twice)}: the same picture as one that counts already, so it is counted once.")
    if distribution.unsplit:
        found.append(
            f"{some_of(distribution.unsplit)}: how far D50 hangs on the segmentation was not worked out before the window was closed; find "
            "particles again to know it. Corrections by hand are carried over."
        )
    if any(summary["unit"] == "px" for summary in summaries):
        found.append("No pixel size is known, so sizes are in px.")
    return [f"{WHY_APART}.", *found] if distribution.populations else found


def waiting(item: Item | None, *, searched: bool) -> str:
    """What a picture lacks without which no particle can be corrected; `searched`: just now."""
    if item is None:
        return "Waits for an image: drop micrographs onto the window, or choose File ▸ Open."
    if searched:
        return "Waits for particles: this image is being searched."
    return "Waits for particles: find them first (step 2)."


def selected(numbers: Collection[int], doubts: Doubts | None) -> str:
    """Which particles are selected, and of a single one why it should be looked at."""
    if len(numbers) > 1:
        return f"{len(numbers)} particles selected."
    (number,) = numbers
    return f"Particle {number} selected.{doubted(doubts, number)}"


def doubted(doubts: Doubts | None, number: int) -> str:
    """Why a particle should be looked at, with a blank before it; "" where nothing is in doubt."""
    if doubts is None:
        return ""
    if number in doubts.two and number not in doubts.clear:
        return " It may be two or more, as one of three such is: where you see a seam, Split these, or draw a line; else leave it."
    if number in doubts.two:
        return " It looks like two or more: Split these, or draw a line."
    other = partner(doubts, number)
    return f" It and {other} look like one: Merge (J) makes them one; else leave them." if other is not None else ""


def partner(doubts: Doubts | None, number: int) -> int | None:
    """The particle with which one that does not look like two looks like one; None where there is none."""
    if doubts is None or number in doubts.two:
        return None
    return next((sum(pair) - number for pair in doubts.one if number in pair), None)


def clock(seconds: float) -> str:
    """A duration for people: "18 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
