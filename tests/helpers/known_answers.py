"""What a network said of pixels it was shown before, for tests of what is made of it: the same pictures are searched a hundred times."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_temseg.engine.model.backends.by_torch import ByTorch

MOST = 400  # answers that are kept
LARGEST = 512 * 512  # px of a tile whose answer is kept
Floats = npt.NDArray[np.float32]
_answers: OrderedDict[tuple[Any, ...], Floats] = OrderedDict()


def remember(patch: pytest.MonkeyPatch) -> None:
    """The same weights are not asked twice about the same pixels. All round the network runs as ever: sizes, scales, tiles, splitting."""
    begin, outputs = ByTorch.__init__, ByTorch.outputs

    def begun(self: Any, model: Any, *arguments: Any, **settings: Any) -> None:
        begin(self, model, *arguments, **settings)
        self.weights = model.content_hash()

    def answered(self: Any, tiles: Iterable[Floats]) -> Iterator[Floats]:
        for tile in tiles:
            if tile[0, 0].size > LARGEST:
                yield from outputs(self, [tile])
                continue
            pixels = np.ascontiguousarray(tile)
            key = (type(self), self.weights, self.device, pixels.shape, hashlib.blake2b(pixels.tobytes()).digest())
            answer = _answers.get(key)
            if answer is None:
                (answer,) = outputs(self, [tile])
                _answers[key] = answer
                if len(_answers) > MOST:
                    _answers.popitem(last=False)
            yield answer.copy()

    patch.setattr(ByTorch, "__init__", begun)
    patch.setattr(ByTorch, "outputs", answered)
