"""Train the network that reads the value beside a scale bar, on lines of text drawn in fonts; no micrograph is needed.

    python pretraining/train_bar_labels.py [--steps 5000] [--start FILE] [--out FILE] [FOLDER WITH MORE FONTS...]

Fonts: those of matplotlib (DejaVu, STIX) and what further folders hold; the shipped weights were trained on these and on the Liberation,
Open Sans, Lato (SIL Open Font License), Roboto and Croscore (Apache) and TeX Gyre (GUST) fonts. Writes some 250 kB.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bar_label_scenes import COLUMNS, Line, font_files, line
from napari_temseg.engine.burntin.label_network import LAYERS, LETTERS, ROWS

TARGET = Path(__file__).parents[1] / "src" / "napari_temseg" / "models" / "bar_labels.npz"
BATCH, FRESH, FIRST = 48, 10, 4000  # lines of a step, drawn anew at each, and drawn before the first

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Lines:
    """Drawn lines, of which more are made at each step, and batches of them."""

    def __init__(self, fonts: list[str], count: int, seed: int) -> None:
        self.fonts, self.rng = fonts, np.random.default_rng(seed)
        self.lines: list[Line] = []
        self.add(count)

    def add(self, count: int) -> None:
        """Draw more lines."""
        self.lines += [line(self.fonts, self.rng) for _ in range(count)]

    def batch(self) -> Batch:
        """Lines drawn by lot, some of them as negatives, with contrasts of their own."""
        chosen = [self.lines[i] for i in self.rng.integers(0, len(self.lines), BATCH)]
        gain = self.rng.uniform(0.6, 1.1, (BATCH, 1, 1)) * self.rng.choice([-1, 1], (BATCH, 1, 1))
        seen = (np.stack([each.pixels for each in chosen]) / 255.0 - 0.5) * gain
        return batch_of(chosen, seen)


def batch_of(lines: list[Line], seen: np.ndarray) -> Batch:
    """Pixels (N, 1, ROWS, COLUMNS), letters in a row, how many each line has."""
    pixels = torch.from_numpy(seen.astype(np.float32))[:, None].contiguous(memory_format=torch.channels_last)
    return pixels, torch.tensor([letter for each in lines for letter in each.letters]), torch.tensor([len(each.letters) for each in lines])


def network() -> nn.Sequential:
    """The layers of the reader, with batch norm, which goes into the weights at the end."""
    parts: list[nn.Module] = []
    for layer in LAYERS[:-1]:
        padding = (layer.padding[0], layer.size[1] // 2)
        parts += [
            nn.Conv2d(layer.before, layer.after, layer.size, layer.stride, padding, bias=False),
            nn.BatchNorm2d(layer.after),
            nn.ReLU(),
        ]
    return nn.Sequential(*parts, nn.Conv2d(LAYERS[-1].before, LAYERS[-1].after, 1))


def folded(net: nn.Sequential) -> dict[str, np.ndarray]:
    """Weights and biases of the convolutions, batch norm folded in, as float16."""
    arrays = {}
    parts = list(net)
    for index in range(len(LAYERS)):
        conv = parts[3 * index]
        if index < len(LAYERS) - 1:
            norm = parts[3 * index + 1]
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight, bias = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
        else:
            weight, bias = conv.weight, conv.bias
        arrays[f"weight{index}"] = weight.detach().numpy().astype(np.float16)
        arrays[f"bias{index}"] = bias.detach().numpy().astype(np.float16)
    return arrays


def started(net: nn.Sequential, path: Path) -> None:
    """Go on from weights that were written, in place; batch norm, which went into them, is the identity then and stays so."""
    parts = list(net)
    with np.load(path) as content, torch.no_grad():
        for index in range(len(LAYERS)):
            weight, bias = (torch.from_numpy(content[f"{kind}{index}"].astype(np.float32)) for kind in ("weight", "bias"))
            parts[3 * index].weight.copy_(weight)
            (parts[3 * index + 1] if index < len(LAYERS) - 1 else parts[3 * index]).bias.copy_(bias)
    for part in parts:
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0
            part.train = lambda mode=True, part=part: part  # type: ignore[method-assign]
            part.training = False


def greedy(logits: torch.Tensor) -> list[str]:
    """The likeliest letters of each line, logits (N, K, T)."""
    found = []
    for row in logits.argmax(1).tolist():
        kept = [k for k, before in zip(row, [0, *row], strict=False) if k and k != before]
        found.append("".join(LETTERS[k - 1] for k in kept))
    return found


def right(net: nn.Sequential, batches: list[Batch]) -> float:
    """Share of whole lines that are read right."""
    net.eval()
    good, total = 0, 0
    with torch.inference_mode():
        for pixels, letters, lengths in batches:
            said = greedy(net(pixels)[:, :, 0])
            starts = [0, *torch.cumsum(lengths, 0).tolist()]
            true = ["".join(LETTERS[k - 1] for k in letters[a:b]) for a, b in pairwise(starts)]
            good += sum(a == b for a, b in zip(said, true, strict=True))
            total += len(true)
    net.train()
    return good / total


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=2, help="of the lines")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    torch.manual_seed(0)
    fonts = font_files(options.folders)
    shown = Lines(fonts, 480, 1).lines
    held = [batch_of(shown[i : i + 48], np.stack([each.pixels for each in shown[i : i + 48]]) / 255.0 - 0.5) for i in range(0, 480, 48)]
    training = Lines(fonts, FIRST, options.seed)
    net = network().to(memory_format=torch.channels_last)
    if options.start:
        started(net, options.start)
    optimiser = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.rate, options.steps, pct_start=0.1)
    print(len(fonts), "fonts,", sum(p.numel() for p in net.parameters()), "parameters,", (ROWS, COLUMNS), flush=True)
    mean = 0.0
    for step in range(1, options.steps + 1):
        training.add(FRESH)
        pixels, letters, lengths = training.batch()
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(pixels)[:, :, 0].float()  # (N, K, T)
        steps = torch.full((len(lengths),), logits.shape[2])
        loss = functional.ctc_loss(functional.log_softmax(logits, 1).permute(2, 0, 1), letters, steps, lengths, zero_infinity=True)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        mean += 0.02 * (loss.item() - mean)
        if step % 200 == 0 or step == options.steps:
            print(step, f"loss {mean:.3f} held-out lines right {right(net, held):.3f}", flush=True)
            np.savez_compressed(options.out, **folded(net))
    print(options.out, options.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
