"""Which particle is looked at next, in a review of all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_temseg.widgets.session.item import Item


def next_unreviewed(item: Item, after: Collection[int] | Sequence[int] = (), doubtful: Sequence[int] = ()) -> int | None:
    """The particle to look at next: the `doubtful` in their order, then plane by plane the one the model is least sure of.

    None when all were looked at.
    """
    if item.measurement is None:
        return None
    table = item.measurement.table
    waiting = table[~table["reviewed"] & ~table["particle"].isin(list(after))]
    if not len(waiting):
        return None
    first = set(waiting["particle"]).intersection(doubtful)
    if first:
        return next(number for number in doubtful if number in first)
    return int(waiting.sort_values(["plane", "probability_mean", "particle"])["particle"].iloc[0])
