"""Whether the files of a set hold every input, and what is missing, in words and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_temseg.files.atomic import printable

INPUTS_NAMED = 8  # inputs that a sentence names one by one; the report's list and summary.json name all


def said_complete(summary: dict[str, Any], missing: Sequence[Path], skipped: Mapping[str, int]) -> dict[str, Any]:
    """The summary with `complete` (every input is in the table), `missing` (inputs nobody came to) and `skipped` (by reason)."""
    names = [printable(str(path)) for path in missing]
    cautions = list(summary["cautions"])
    if names:
        cautions.insert(0, f"Not complete: {_listed(missing)} not searched yet; the same command goes on.")
    whole = not names and not summary["failures"]
    return {**summary, "complete": whole, "missing": names, "skipped": dict(skipped), "cautions": cautions}


def stopped_sentence(done: int, total: int, missing: Sequence[Path]) -> str:
    """What is finished of a run that ended early, and what is missing."""
    left = f"; {_listed(missing)} missing" if missing else ""
    return f"{done} of {total} input{'s' if total != 1 else ''} {'is' if done == 1 else 'are'} finished{left}; the same command goes on."


def _listed(missing: Sequence[Path]) -> str:
    names = [printable(path.name) for path in missing]
    more = f" and {len(names) - INPUTS_NAMED} more" if len(names) > INPUTS_NAMED else ""
    return f"{', '.join(names[:INPUTS_NAMED])}{more} {'is' if len(names) == 1 else 'are'}"
