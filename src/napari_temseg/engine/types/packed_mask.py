"""A mask that is kept while many pictures are held, in the least room."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PackedMask:
    """A bool array of `shape`, eight pixels a byte and compressed: boxes round data bars take less than a thousandth."""

    shape: tuple[int, ...]
    packed: bytes = field(repr=False)

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> PackedMask:
        """From the array."""
        return cls(tuple(mask.shape), zlib.compress(np.packbits(mask).tobytes(), 1))

    def array(self) -> npt.NDArray[np.bool_]:
        """The array, made anew."""
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=int(np.prod(self.shape))).reshape(self.shape).astype(bool)
