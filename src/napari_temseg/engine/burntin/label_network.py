"""The small network that reads lines of text beside scale bars: what it sees, what it says, and how it is run."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LETTERS = "0123456789.nµm*"  # "*": any other letter; the network's class 0 is no letter
ROWS, DIGIT_ROWS = 28, 12  # of a line, and of the digits in its middle, px
ROW_STEP, COLUMN_STEP = 4, 2  # px between the lines, and between the places of a line, that are looked at


class Layer(NamedTuple):
    """A convolution: channels before and after, size, stride and padding (rows, columns)."""

    before: int
    after: int
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


LAYERS = (
    Layer(1, 16, (3, 3), (1, 1), (1, 1)),
    Layer(16, 24, (3, 3), (2, 2), (1, 1)),
    Layer(24, 32, (3, 3), (1, 1), (1, 1)),
    Layer(32, 48, (3, 3), (2, 1), (1, 1)),
    Layer(48, 64, (7, 1), (1, 1), (0, 0)),  # from the rows of a line to one
    Layer(64, 80, (1, 5), (1, 1), (0, 2)),
    Layer(80, 80, (1, 5), (1, 1), (0, 2)),
    Layer(80, len(LETTERS) + 1, (1, 1), (1, 1), (0, 0)),
)


def letter_odds(grey: Floats) -> Floats:
    """Log probability of each letter, (lines, places, 1 + letters), of all lines that a picture (Y, X; grey levels 0 to 255) may hold.

    Line i lies in the `ROWS` rows from row i · `ROW_STEP`, place j round column j · `COLUMN_STEP`.
    """
    if grey.shape[0] < ROWS:
        return np.empty((0, 0, len(LETTERS) + 1), np.float32)
    seen: Floats = (np.asarray(grey, np.float32) / np.float32(255) - np.float32(0.5))[None]
    for index, (layer, (weight, bias)) in enumerate(zip(LAYERS, _weights(), strict=True)):
        seen = _convolved(seen, layer, weight) + bias[:, None, None]
        if index < len(LAYERS) - 1:
            np.maximum(seen, 0, out=seen)
    high = seen.max(0)
    odds: Floats = seen - high - np.log(np.exp(seen - high).sum(0))
    return odds.transpose(1, 2, 0)


def _convolved(seen: Floats, layer: Layer, weight: Floats) -> Floats:
    """One convolution of (channels, Y, X): plain numpy, so that a file can be told of without torch, which takes seconds to import."""
    padded = np.pad(seen, ((0, 0), *((margin, margin) for margin in layer.padding)))
    tall, wide = ((side - size) // step + 1 for side, size, step in zip(padded.shape[1:], layer.size, layer.stride, strict=True))
    out = np.zeros((layer.after, tall * wide), np.float32)
    for row, column in np.ndindex(*layer.size):
        rows = slice(row, row + (tall - 1) * layer.stride[0] + 1, layer.stride[0])
        columns = slice(column, column + (wide - 1) * layer.stride[1] + 1, layer.stride[1])
        out += weight[:, :, row, column] @ padded[:, rows, columns].reshape(layer.before, -1)
    return out.reshape(layer.after, tall, wide)


@cache
def _weights() -> list[tuple[Floats, Floats]]:
    with (files("napari_temseg") / "models" / "bar_labels.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        return [tuple(content[f"{kind}{i}"].astype(np.float32) for kind in ("weight", "bias")) for i in range(len(LAYERS))]


def spelt_odds(odds: Floats, letters: str) -> float:
    """Log probability that the places of a line, (places, 1 + letters), spell just these letters (Graves et al. 2006, forward sum)."""
    states = [0]
    for letter in letters:
        states += [1 + LETTERS.index(letter), 0]
    seen = odds[:, states].astype(np.float64)
    skips = np.array([k >= 2 and states[k] != 0 and states[k] != states[k - 2] for k in range(len(states))])
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = seen[0, :2]
    for row in seen[1:]:
        one = np.concatenate([[-np.inf], alpha[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf, -np.inf], alpha[:-2]]), -np.inf)
        alpha = np.logaddexp(np.logaddexp(alpha, one), two) + row
    return float(np.logaddexp(alpha[-1], alpha[-2]))
