"""A model whose findings are known beforehand: whatever is brighter than the mean is a particle."""

from __future__ import annotations

import pytest
import torch

import napari_temseg as temseg


class Brighter(torch.nn.Module):
    """Foreground logit that is high where the normalised picture is above its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(30.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.gain


@pytest.fixture(autouse=True)
def _known_drawings(known_drawings: None) -> None:
    """Hundreds of runs of a few pictures."""


@pytest.fixture(scope="session")
def bright() -> temseg.Segmenter:
    from napari_temseg.engine.model.network_spec import NetworkSpec

    return temseg.Segmenter(Brighter(), NetworkSpec(), {1: "background", 2: "particle"}, name="brighter")


@pytest.fixture(scope="session")
def untrained() -> temseg.Segmenter:
    """A small untrained U-Net, for what needs one to train on."""
    from napari_temseg.engine.model.network_spec import NetworkSpec

    return temseg.Segmenter.new(NetworkSpec("mobilenet_v2", (16, 16, 8, 8, 8), 2, ("distance",)), {1: "background", 2: "particle"}, seed=3)
