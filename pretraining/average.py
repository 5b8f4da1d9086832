"""Average the weights of two models of one descent, as `model soups` do (Wortsman et al. 2022, arXiv 2203.05482).

    python pretraining/average.py EARLIER.temseg LATER.temseg --share 0.6 --output particles.temseg

`share` is the weight of the later one. The history of the later one is kept, with a record of the averaging. What a model knows of
pictures unlike its training is dropped: run `familiar.py` on the result.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

import napari_temseg as temseg
from napari_temseg.files.models import save


def main() -> None:
    """Write the average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    first, second = temseg.load(args.earlier), temseg.load(args.later)
    if first.spec != second.spec:
        parser.error("the two models are not of one build")
    tensors = second.tensors()
    mixed = {
        name: torch.lerp(old.float(), tensors[name].float(), args.share) if old.is_floating_point() else tensors[name]
        for name, old in first.tensors().items()
    }
    model = second.copy()
    model.network.load_state_dict(mixed)
    record = {"kind": "averaged", "earlier": first.content_hash(), "later": second.content_hash(), "share": args.share}
    save(replace(model, history=[*first.history, *model.history, record], familiar=None), args.output, half=True)


if __name__ == "__main__":
    main()
