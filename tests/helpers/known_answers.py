"""What a network said of pixels it was shown before, for tests of what is made of it: the same pictures are searched a hundred times."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import pytest
import torch

from napari_temseg.engine.model.runner import Runner

MOST = 400  # answers that are kept
LARGEST = 512 * 512  # px of a tile whose answer is kept
_answers: OrderedDict[tuple[Any, ...], torch.Tensor] = OrderedDict()


def remember(patch: pytest.MonkeyPatch) -> None:
    """The same weights are not asked twice about the same pixels. All round the network runs as ever: sizes, scales, tiles, splitting."""
    begin, run = Runner.__init__, Runner.run

    def begun(self: Any, model: Any, *arguments: Any, **settings: Any) -> None:
        begin(self, model, *arguments, **settings)
        self.weights = model.content_hash()

    def answered(self: Any, tile: torch.Tensor, *, exact: bool = False) -> torch.Tensor:
        if tile[0, 0].numel() > LARGEST:
            return run(self, tile, exact=exact)
        pixels = tile.contiguous().numpy()
        key = (self.weights, self.device, exact, pixels.shape, hashlib.blake2b(pixels.tobytes()).digest())
        answer = _answers.get(key)
        if answer is None:
            answer = _answers[key] = run(self, tile, exact=exact)
            if len(_answers) > MOST:
                _answers.popitem(last=False)
        return answer.clone()

    patch.setattr(Runner, "__init__", begun)
    patch.setattr(Runner, "run", answered)
