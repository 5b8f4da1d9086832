"""What figures say, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_temseg.engine.types.wording import FEWEST, WHY_APART, d50_words, four
from napari_temseg.widgets.particles.pooling import PooledDistribution

if TYPE_CHECKING:
    from napari_temseg.engine.particles.doubts import Doubts


def counted(table: pd.DataFrame | None, n_images: int = 1) -> str:
    """“61 particles · 4 at the edge · 2 excluded”."""
    if table is None:
        return ""
    touching, out = int(table["frame"].sum()), int((table["excluded"] != "").sum())
    parts = [_plural(len(table), "particle") + (f" in {n_images} images" if n_images > 1 else "")]
    if touching:
        parts.append(f"{touching} at the edge")
    if out:
        parts.append(f"{out} excluded")
    return " · ".join(parts)


def sized(distribution: PooledDistribution) -> str:
    """“D50 32.0 nm (counting alone: 30.91 to 33.12) · n = 57”, or why there is no such number; of two populations a line each."""
    if distribution.obstacle:
        return distribution.obstacle
    if not distribution.populations:
        return _d50(distribution.summary)
    lines = []
    for each in distribution.populations:
        shares = [f"{share:.1%} by {what}" for what, share in each.shares.items() if share is not None and what != "area"]
        lines.append(f"{each.title}: {', '.join(filter(None, (_d50(each.summary) or 'none counts', *shares)))}")
    return "\n".join(lines)


def _d50(summary: Mapping[str, Any]) -> str:
    if not summary or summary["d50"] is None:
        return ""
    return f"D50 {d50_words(summary)} · n = {summary['n']}"


def explained(distribution: PooledDistribution) -> str:
    """Further figures, and what the interval is; of two populations those of each."""
    if distribution.obstacle:
        return ""
    told = {"": distribution.summary} | {each.title: each.summary for each in distribution.populations}
    return "\n\n".join(filter(None, ("\n".join([*filter(None, [name]), *_figures(summary)]) for name, summary in told.items())))


def _figures(summary: Mapping[str, Any]) -> list[str]:
    if not summary or summary["d50"] is None:
        return []
    unit = summary["unit"]
    lines = [f"D10 {four(summary['d10'])}, D50 {four(summary['d50'])}, D90 {four(summary['d90'])} {unit}, by number"]
    if summary["sd"] is not None:
        lines.append(f"mean {four(summary['mean'])} {unit}, standard deviation {four(summary['sd'])} {unit}")
    if summary.get("corrected"):
        return [*lines, "The D50 that is corrected by the audit takes the place of the one found; D10, D90 and mean are as found"]
    about = "95 % interval of the D50" if summary["intervals"]["this specimen"]["d50"] else "what counting leaves open of the D50"
    return [*lines, f"In brackets: {about}, {summary['interval_basis']}"]


def cautions(distribution: PooledDistribution) -> list[str]:
    """What a reader of these numbers has to know."""
    summaries = [distribution.summary, *(each.summary for each in distribution.populations)]
    refused = [summary for summary in summaries if summary.get("n", 0) >= FEWEST and not summary["usable"]]
    found = [f"Not usable as it is: {'; '.join(each['why_not'])}. Next: {'; '.join(each['next_steps'])}." for each in refused]
    found += list(dict.fromkeys(str(summary["caution"]) for summary in summaries if summary.get("caution")))
    if any(summary.get("unit") == "px" for summary in summaries):
        found.append("No pixel size is known, so sizes are in px.")
    return [f"{WHY_APART}.", *found] if distribution.populations else found


def doubted(doubts: Doubts | None, number: int) -> str:
    """Why a particle should be looked at, with a blank before it; "" where nothing is in doubt."""
    if doubts is None:
        return ""
    if number in doubts.two:
        return " It looks like two or more: Split these, or draw a line."
    other = next((sum(pair) - number for pair in doubts.one if number in pair), 0)
    return f" It and {other} look like one: select both and Merge." if other else ""


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def clock(seconds: float) -> str:
    """A duration for people: "18 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
