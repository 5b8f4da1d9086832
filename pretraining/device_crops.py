"""What `band_crops` does to one crop, done to many at once on the device of the training: spoiling, marks, flattening, targets.

The processes that feed it (`crop_feed`) only choose a place and a scale and cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from band_crops import COARSE, COARSEST, EMPTY, MARGIN
from marks import mark
from napari_temseg.engine.model.band import WORKING_SIZE
from napari_temseg.engine.model.band_network import flatten_planes

REACH = 44  # px: no particle of the band is deeper
GROUPS = 8  # parts of a batch that are turned, or made coarser, alike
BLOCK = 8  # px of a block of JPEG
_LUMINANCE = (  # quantisation of JPEG's standard, annex K
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(eq=False)
class Cuts:
    """Parts of pictures as they were cut, W = side + 2 margins.

    `image` float (B, W, W); `particles` int64 (B, W, W), rows of `table`, 0 for none; `counts` float (B, W, W); `table` float (n, 3):
    middle in window px and depth in working px; `here` int64 (B, 4): first row and column of the picture in the window, and its rows
    and columns; `told`, `background`, `teaches` (0 instances, 1 boxes, 2 foreground), `marked` float (B,).
    """

    image: torch.Tensor
    particles: torch.Tensor
    counts: torch.Tensor
    table: torch.Tensor
    here: torch.Tensor
    told: torch.Tensor
    background: torch.Tensor
    teaches: torch.Tensor
    marked: torch.Tensor


class Marks:
    """Letters, bars, arrows and grid bars for windows of one size, drawn beforehand."""

    def __init__(self, window: int, n: int, device: torch.device, rng: np.random.Generator) -> None:
        drawn = [mark(window, rng) for _ in range(n)]
        self.cover = torch.from_numpy(np.stack([(255 * one[0]).astype(np.uint8) for one in drawn])).to(device)
        self.ink = torch.from_numpy(np.stack([(127 * one[1]).astype(np.int8) for one in drawn])).to(device)
        self.hides = torch.tensor([one[2] for one in drawn], device=device)

    def burn(self, image: torch.Tensor, exact: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Image, where a grid bar hides what lies beneath, and where ink teaches nothing, as `marks.burn_marks`."""
        few = image[:, ::4, ::4].flatten(1)
        middle = few.median(1).values[:, None, None]
        reach = (few - middle[:, :, 0]).abs().quantile(0.99, 1)[:, None, None] + 0.3
        some = torch.rand_like(shares) < shares
        hidden, inked = torch.zeros_like(exact, dtype=torch.bool), torch.zeros_like(exact, dtype=torch.bool)
        for share in (1.0, 0.5, 0.25):  # one to three marks
            here = torch.nonzero(some & (torch.rand_like(shares) < share))[:, 0]
            if not len(here):
                continue
            which = torch.randint(len(self.hides), (len(here),), device=image.device)
            cover, ink = self.cover[which].float() / 255, self.ink[which].float() / 127
            strength = reach[here] * (0.8 + 0.8 * torch.rand(len(here), 1, 1, device=image.device))
            image[here] = image[here] * (1 - cover) + cover * (middle[here] + strength * ink)
            covered, hides = cover > 0.2, self.hides[which][:, None, None]
            hidden[here] |= covered & hides
            inked[here] |= covered & ~hides & (exact[here] > 0) & ~hidden[here]
        return image, hidden, inked


def finished(cuts: Cuts, marks: Marks, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Input (B, 3, S, S), target (B, 5, S, S), and the two weights (B, S, S), in the manner of `band_crops.crop`."""
    with torch.no_grad():
        target, depth_counts = targets(cuts)
        image = coarse(spoilt(cuts.image.float()), rng)
        image, hidden, inked = marks.burn(image, target[:, 0], cuts.marked)
        target[:, :3] *= ~hidden[:, None]
        exact = target[:, 0]
        seen = torch.where(exact > 0, 1.0, cuts.background[:, None, None]) * cuts.counts * ~inked
        inner = depth_counts[:, None, None] * seen
        inner = torch.where((cuts.teaches > 0)[:, None, None], inner * (exact > 0), inner)
        flat = flattened(image, cuts.here) * (torch.rand(len(image), 1, 1, device=image.device) >= EMPTY)
        planes = torch.stack([image, flat, cuts.told[:, None, None].expand_as(image)], 1)
        side = slice(MARGIN, image.shape[-1] - MARGIN)
        return turned(rng, *(one[..., side, side] for one in (planes, target, seen, inner)))


def targets(cuts: Cuts) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets (B, 5, W, W) and whether anything but foreground is taught (B,)."""
    kept = cuts.particles
    foreground = (kept > 0).float()
    size = kept.shape[-1]
    grid = torch.arange(size, dtype=torch.float32, device=kept.device)
    way_y = (cuts.table[kept, 0] - grid[:, None]) * foreground / WORKING_SIZE
    way_x = (cuts.table[kept, 1] - grid) * foreground / WORKING_SIZE
    depth = cuts.table[kept, 2].clamp_min(1e-3)
    boxes = (cuts.teaches == 1)[:, None, None]
    distance = torch.where(boxes, 1 - torch.hypot(way_y, way_x) * WORKING_SIZE / depth, inner_distance(kept) / depth)
    distance = distance.clamp(0, 1) * foreground
    as_float = kept[:, None].float()
    high = F.max_pool2d(as_float, 3, 1, 1)
    low = -F.max_pool2d(torch.where(as_float > 0, -as_float, -torch.inf), 3, 1, 1)
    border = ((high > 0) & (low < high))[:, 0] * foreground
    return torch.stack([foreground, distance, border, way_y, way_x], 1), (cuts.teaches != 2).float()


def inner_distance(labels: torch.Tensor) -> torch.Tensor:
    """Distance (px) of labelled pixels (B, Y, X) to the edge of their label, exact up to `REACH`; 0 outside.

    Row by row, then the least of the parabolas along columns (Felzenszwalb and Huttenlocher 2012), of which few reach so far.
    """
    same = labels > 0
    for axis in (1, 2):
        for step in (1, -1):
            moved = labels.roll(step, axis)
            moved.select(axis, 0 if step == 1 else -1).copy_(labels.select(axis, 0 if step == 1 else -1))
            same &= moved == labels
    columns = labels.shape[-1]
    place = torch.arange(columns, device=labels.device)
    before = torch.where(same, -columns, place).cummax(-1).values
    after = (columns - 1) - torch.where(same.flip(-1), -columns, place).cummax(-1).values.flip(-1)
    along = torch.minimum(place - before, after - place).clamp_max(REACH).to(torch.int16)
    least, rows = along * along, labels.shape[1]
    squares = F.pad(least[None], (0, 0, REACH, REACH), value=REACH * REACH)[0]
    for step in range(1, REACH):
        nearer = torch.minimum(squares[:, REACH - step : REACH - step + rows], squares[:, REACH + step : REACH + step + rows])
        torch.minimum(least, nearer + step * step, out=least)
    return torch.where(labels > 0, least.float().sqrt() + 0.5, 0.0)


def flattened(image: torch.Tensor, here: torch.Tensor) -> torch.Tensor:
    """Flattened by what is of the picture alone, mirrored beyond (B, W, W)."""
    place = torch.arange(image.shape[-1], device=image.device)
    inside, back = [], []
    for axis in (0, 1):
        first, n = here[:, axis, None], here[:, 2 + axis, None]
        inside.append((place >= first) & (place < first + n))
        period = (place - first) % (2 * n)
        back.append(first + torch.minimum(period, 2 * n - 1 - period))
    seen = (inside[0][:, :, None] & inside[1][:, None, :]).float()
    flat = flatten_planes((image * seen)[:, None], WORKING_SIZE, seen[:, None])[:, 0]
    every = torch.arange(len(image), device=image.device)[:, None, None]
    return flat[every, back[0][:, :, None], back[1][:, None, :]]


def spoilt(image: torch.Tensor) -> torch.Tensor:
    """Uneven background, blur, gamma, tone, gain, offset and noise (B, Y, X), each at times."""
    n, device = len(image), image.device

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, device=device)

    def at_times(share: float) -> torch.Tensor:
        return torch.rand(n, 1, 1, device=device) < share

    field = torch.randn(n, 1, 3, 3, device=device)
    field = F.interpolate(field, size=image.shape[-2:], mode="bicubic", align_corners=True)[:, 0]
    image = image + field * uniform(0, 0.6) * at_times(0.4)
    image = torch.where(at_times(0.25), blurred(image, uniform(0.3, 1.4).flatten(), 1.4), image)
    low, high = image.amin((1, 2), keepdim=True), image.amax((1, 2), keepdim=True)
    span = (high - low).clamp_min(1e-6)
    shares = ((image - low) / span).clamp(0, 1)
    shares = torch.where(at_times(0.5), shares ** uniform(-0.5, 0.5).exp(), shares)
    steps = (0.6 * torch.randn(n, 5, device=device)).exp()
    levels = F.pad((steps / steps.sum(1, keepdim=True)).cumsum(1), (1, 0))
    place = 5 * shares
    knot = place.long().clamp_max(4)
    rows = torch.arange(n, device=device)[:, None, None]
    toned = torch.lerp(levels[rows, knot], levels[rows, knot + 1], place - knot)
    shares = torch.where(at_times(0.3), toned, shares)
    image = (low + span * shares) * uniform(-0.4, 0.4).exp() + uniform(-0.3, 0.3)
    return image + torch.randn_like(image) * (0.2 * torch.randn(n, 1, 1, device=device)).abs() * at_times(0.5)


def blurred(image: torch.Tensor, sigma: torch.Tensor, most: float) -> torch.Tensor:
    """Each plane (B, Y, X) by its own Gaussian of at most `most` px, mirrored at the edge."""
    radius = min(math.ceil(3 * most), min(image.shape[-2:]) - 1)
    place = torch.arange(-radius, radius + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (place / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
    padded = F.pad(image[None], (radius,) * 4, mode="reflect")
    down = F.conv2d(padded, kernel[..., None], groups=len(image))
    return F.conv2d(down, kernel[:, :, None], groups=len(image))[0]


def coarse(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Some as if recorded on coarser pixels, with their noise, out of focus or compressed at times; enlarged again."""
    order = torch.randperm(len(image), device=image.device)
    some = order[: round(COARSE * len(image))]
    image = image.clone()
    for part in some.chunk(GROUPS):
        factor = math.exp(rng.uniform(math.log(1.3), math.log(COARSEST)))
        size = [max(8, round(n / factor)) for n in image.shape[-2:]]
        planes = image[part]
        sharp = torch.rand(len(part), 1, 1, device=image.device) < 0.5
        sigma = factor * (0.2 + 0.7 * torch.rand(len(part), device=image.device))
        planes = torch.where(sharp, planes, blurred(planes, sigma, 0.9 * factor))
        small = F.interpolate(planes[:, None], size=size, mode="bilinear", align_corners=False, antialias=True)[:, 0]
        small = small + torch.randn_like(small) * (0.12 * torch.randn(len(part), 1, 1, device=image.device)).abs()
        packed = torch.rand(len(part), 1, 1, device=image.device) < 0.3
        small = torch.where(packed, compressed(small), small)
        image[part] = F.interpolate(small[:, None], size=image.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return image


def compressed(image: torch.Tensor) -> torch.Tensor:
    """As JPEG leaves grey levels (B, Y, X): cosine transform of blocks, rounded in the steps of a quality of 35 to 90."""
    rows, columns = image.shape[-2:]
    few = image.flatten(1)
    low, high = few.quantile(0.002, 1)[:, None, None], few.quantile(0.998, 1)[:, None, None]
    grey = ((image - low) / (high - low).clamp_min(1e-6)).clamp(0, 1) * 255 - 128
    grey = F.pad(grey[None], (0, -columns % BLOCK, 0, -rows % BLOCK), mode="replicate")[0]
    place = torch.arange(BLOCK, device=image.device, dtype=torch.float32)
    waves = torch.cos((2 * place + 1) * place[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    blocks = grey.unflatten(2, (-1, BLOCK)).unflatten(1, (-1, BLOCK)).transpose(2, 3)  # (B, rows, columns, 8, 8)
    quality = 35 + 55 * torch.rand(len(image), 1, 1, 1, 1, device=image.device)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    steps = (torch.tensor(_LUMINANCE, device=image.device, dtype=torch.float32) * scale).round().clamp_min(1)
    rounded = ((waves @ blocks @ waves.T) / steps).round() * steps
    back = (waves.T @ rounded @ waves).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return (back[:, :rows, :columns] + 128) / 255 * (high - low) + low


def turned(rng: np.random.Generator, *batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Quarter turns and mirror images of input, target, …; the offsets of the target with them."""
    parts = []
    for number, group in enumerate(zip(*(one.chunk(GROUPS) for one in batch), strict=True)):
        quarters, mirrored = int(rng.integers(4)), number % 2 == 1
        group = tuple(torch.rot90(one.flip(-1) if mirrored else one, quarters, (-2, -1)) for one in group)
        dy, dx = group[1][:, 3].clone(), group[1][:, 4].clone()
        if mirrored:
            dx = -dx
        for _ in range(quarters):
            dy, dx = -dx, dy
        group[1][:, 3], group[1][:, 4] = dy, dx
        parts.append(group)
    return tuple(torch.cat(one) for one in zip(*parts, strict=True))


def on_device(part: dict[str, npt.NDArray[np.generic]], device: torch.device) -> Cuts:
    """Arrays of `crop_feed` as tensors there."""
    tensors = {name: torch.from_numpy(array).to(device) for name, array in part.items()}
    tensors["particles"] = tensors["particles"].long()
    return Cuts(**tensors)
