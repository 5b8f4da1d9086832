"""A network for one band of sizes: every picture is shown to it at the scale at which the particles that are meant are 22 px wide.

Three input planes: the picture normalised as everywhere; the same flattened at the size, or zeros where that is unknown; and one
number everywhere, 1 where the particles are known to be brighter than what is round them (the picture is inverted when they are
known to be darker), 0 where that is unknown. Given one plane, it makes the other two itself. In training it has five output planes: logits
of foreground, of the normalised distance to the edge and of the border between particles that touch, and the way to the middle of the
particle, along y and x, in working sizes; a model keeps those that its splitting uses.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_temseg.engine.model.flattening import flatten, flatten_planes
from napari_temseg.engine.model.unet import WITHOUT_LAST, MobileNetV2, UnetDecoder, levels

WORKING_SIZE = 22.0  # px: the size that is told, in the eyes of the network
MOST_ENLARGED = 8.0  # × by which a picture is enlarged at most
OUTPUTS = ("foreground", "distance", "border", "offset_y", "offset_x")
INPUTS = 3
DECODER = (64, 48, 32, 16, 16)
_CHANNELS = (INPUTS, 16, 24, 32, 96, 320)


class BandEncoder(nn.Module):
    """MobileNetV2 without its last convolution, which served to tell a thousand kinds of things apart.

    One plane (B, 1, Y, X) is flattened at `working_size`, three are taken as they are.
    """

    def __init__(self, working_size: float = WORKING_SIZE) -> None:
        super().__init__()
        self.features = MobileNetV2(INPUTS).features[:WITHOUT_LAST]
        self.working_size = working_size

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The input and five levels of features, each half as fine as the one before."""
        if x.shape[1] == 1:
            flat = flatten_planes(x.float(), self.working_size)
            x = torch.cat([x, flat.to(x.dtype), torch.zeros_like(x)], 1)
        return levels(self.features, x)


class BandNetwork(nn.Module):
    """Encoder and the decoder of a U-Net; (B, 1 or 3, Y, X) → (B, outputs, Y, X), sides multiples of 32."""

    def __init__(
        self, decoder_channels: tuple[int, ...] = DECODER, outputs: int = len(OUTPUTS), working_size: float = WORKING_SIZE
    ) -> None:
        super().__init__()
        self.encoder: nn.Module = BandEncoder(working_size)
        self.decoder: nn.Module = UnetDecoder(_CHANNELS, decoder_channels)
        self.segmentation_head: nn.Module = nn.Sequential(nn.Conv2d(decoder_channels[-1], outputs, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Raw output."""
        return cast(torch.Tensor, self.segmentation_head(self.decoder(self.encoder(x))))


def start_from(network: BandNetwork, tensors: dict[str, torch.Tensor]) -> int:
    """Copy what fits from another U-Net of MobileNetV2 with one input plane or three; how many tensors that were.

    The planes that it did not have start at nothing, so that at first the network sees what the other one saw.
    """
    own = network.state_dict()
    copied = 0
    for name, tensor in tensors.items():
        if name not in own:
            continue
        if name == "encoder.features.0.0.weight" and tensor.shape[1] == 1:
            tensor = torch.cat([tensor, torch.zeros_like(tensor).expand(-1, INPUTS - 1, -1, -1)], 1)
        if own[name].shape == tensor.shape:
            own[name].copy_(tensor)
            copied += 1
    return copied


def band_inputs(plane: npt.NDArray[np.float32], polarity: int = 0, size: float = WORKING_SIZE) -> torch.Tensor:
    """Input (1, 3, Y, X) of a normalised plane (Y, X) that is at its working scale; `polarity` 1 bright, −1 dark, 0 unknown."""
    image = -plane if polarity < 0 else plane
    told = np.full_like(image, float(polarity != 0))
    return torch.from_numpy(np.stack([image, flatten(image, size), told]).astype(np.float32))[None]
