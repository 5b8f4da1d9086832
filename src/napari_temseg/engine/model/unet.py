"""The U-Net on MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381, table 2) that the shipped models are.

Tensors are named, and drawn at random, as segmentation-models-pytorch 0.6 does: its files fit, and a seed gives the weights that it
gives. Ours, because to import that library takes longer than to import torch, and several times longer than to find the particles of
a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

_FIRST, _LAST, _KINDS = 32, 1280, 1000  # channels of the first and of the last convolution; what ImageNet's classifier tells apart
# Expansion, channels, blocks, stride of the first of them.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
WITHOUT_LAST = 1 + sum(blocks for _, _, blocks, _ in _STAGES)  # features before the last convolution
LEVELS = (1, 3, 6, 13)  # features after which the picture is 1/2, 1/4, 1/8 and 1/16 as wide; the last give 1/32


class MobileNetV2(nn.Module):
    """The encoder: (B, C, Y, X), C = `in_channels` → the input and five levels of features, each half as fine as the one before."""

    def __init__(self, in_channels: int = 1) -> None:
        super().__init__()
        channels = _FIRST
        layers: list[nn.Module] = [_convolved(3, channels, 3, nn.ReLU6, stride=2)]
        for expansion, wanted, blocks, stride in _STAGES:
            for index in range(blocks):
                layers.append(InvertedResidual(channels, wanted, stride if index == 0 else 1, expansion))
                channels = wanted
        layers.append(_convolved(channels, _LAST, 1, nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.out_channels = (in_channels, 16, 24, 32, 96, _LAST)
        nn.Linear(_LAST, _KINDS)  # the classifier is left out, yet it moved the random numbers on
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        torch.empty(_KINDS, _LAST).normal_()
        if in_channels != 3:
            self.features[0][0] = nn.Conv2d(in_channels, _FIRST, 3, 2, 1, bias=False)  # type: ignore[operator]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The input and what is found at each level."""
        return levels(self.features, x)


def levels(features: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """`x` and what `features`, with the last convolution or without, find of it at five levels."""
    found = [x]
    for index, layer in enumerate(features):
        x = layer(x)
        if index in LEVELS or index == len(features) - 1:
            found.append(x)
    return found


class InvertedResidual(nn.Module):
    """Widened by a convolution of 1 px, filtered channel by channel, narrowed; added to the input where it has the same shape."""

    def __init__(self, channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.residual = stride == 1 and channels == out_channels
        self.conv = nn.Sequential(
            *([_convolved(channels, wide, 1, nn.ReLU6)] if expansion > 1 else []),
            _convolved(wide, wide, 3, nn.ReLU6, stride, groups=wide),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, `channels`, Y, X) → (B, `out_channels`, Y / stride, X / stride)."""
        return x + self.conv(x) if self.residual else self.conv(x)  # type: ignore[no-any-return]


class UnetDecoder(nn.Module):
    """Five steps up: the features of a level, twice as wide, beside those of the level above, and two convolutions of both."""

    def __init__(self, encoder_channels: Sequence[int], decoder_channels: Sequence[int]) -> None:
        super().__init__()
        deep, *skipped = reversed(encoder_channels[1:])
        below, beside = (deep, *decoder_channels[:-1]), (*skipped, 0)
        sizes = zip(below, beside, decoder_channels, strict=True)  # ValueError where there are not as many channels as levels
        self.blocks = nn.ModuleList(DecoderBlock(low + skip, out) for low, skip, out in sizes)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """(B, channels of the last step, Y, X) from the input (B, C, Y, X) and five levels of features."""
        x = features[-1]
        for index, block in enumerate(self.blocks):
            above = features[-2 - index]
            x = F.interpolate(x, size=above.shape[2:], mode="nearest")
            x = block(torch.cat([x, above], dim=1) if index < len(self.blocks) - 1 else x)
        return x


class DecoderBlock(nn.Module):
    """Two convolutions of 3 px."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _convolved(channels, out_channels, 3, nn.ReLU)
        self.conv2 = _convolved(out_channels, out_channels, 3, nn.ReLU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, `channels`, Y, X) → (B, `out_channels`, Y, X)."""
        return self.conv2(self.conv1(x))  # type: ignore[no-any-return]


class Unet(nn.Module):
    """(B, `in_channels`, Y, X) → raw output (B, `outputs`, Y, X); sides multiples of 32. ValueError but for five decoder channels."""

    def __init__(self, decoder_channels: Sequence[int], outputs: int, in_channels: int = 1) -> None:
        super().__init__()
        self.encoder = MobileNetV2(in_channels)
        self.decoder = UnetDecoder(self.encoder.out_channels, decoder_channels)
        head = nn.Conv2d(decoder_channels[-1], outputs, 3, padding=1)
        self.segmentation_head = nn.Sequential(head)
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
        nn.init.xavier_uniform_(head.weight)
        nn.init.zeros_(cast(torch.Tensor, head.bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Raw output."""
        return self.segmentation_head(self.decoder(self.encoder(x)))  # type: ignore[no-any-return]


def _convolved(
    channels: int, out_channels: int, width: int, activation: type[nn.ReLU | nn.ReLU6], stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, width, stride, width // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        activation(inplace=True),
    )
