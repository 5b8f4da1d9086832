"""What the raw output (B, K − 1 + A, Y, X) of a network says: logits of the classes but the background, then of the auxiliary maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def logits(raw: Floats, n_classes: int) -> Floats:
    """(B, K, Y, X) of the classes: the background's is 0."""
    return np.concatenate([np.zeros_like(raw[:, :1]), raw[:, : n_classes - 1]], axis=1)


def probabilities(raw: Floats, n_classes: int) -> Floats:
    """(B, K, Y, X) of the classes, summing to one."""
    if n_classes == 2:
        shares = np.empty((len(raw), 2, *raw.shape[2:]), np.float32)
        shares[:, 1] = sigmoid(raw[:, 0])
        np.subtract(1, shares[:, 1], out=shares[:, 0])
        return shares
    shares = logits(raw, n_classes)
    shares -= shares.max(axis=1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def foreground(raw: Floats, n_classes: int) -> npt.NDArray[np.bool_]:
    """(B, Y, X): whether a class is likelier than the background."""
    return np.asarray(raw[:, : n_classes - 1].max(axis=1) > 0)


def sigmoid(values: Floats) -> Floats:
    """The logistic function."""
    with np.errstate(over="ignore"):  # of what is certain
        odds = np.exp(-values)
        odds += 1
        return np.asarray(np.divide(1, odds, out=odds), np.float32)
