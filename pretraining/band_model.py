"""Make a model of a trained network of one band: only the outputs that splitting uses, edges where outlines lie.

    python pretraining/band_model.py runs/band/band.safetensors band.temseg [--edge 0.65] [--variance 1.03]

`--edge` is the foreground probability at which outlines were found without bias, chosen on tune; the model says one half there.
`--variance` multiplies the running variances of the batch normalisation, so that every layer answers a little less to the same: weak
evidence, of texture, falls below one half and strong evidence stays. Chosen on tune too.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from safetensors import safe_open

from napari_temseg.engine.model.band import WORKING_SIZE
from napari_temseg.engine.model.band_network import DECODER, OUTPUTS
from napari_temseg.engine.model.network import OWN_ENCODER
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.segmenter import Segmenter
from napari_temseg.files.models import save

KEPT = ("foreground", "distance")
HEAD = "segmentation_head.0."


def of_weights(path: Path, edge: float = 0.5, variance: float = 1.0, name: str = "particles") -> Segmenter:
    """A model of the averaged weights that `train_band.py` writes."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118  not a dict
    places = [OUTPUTS.index(output) for output in KEPT]
    for part in ("weight", "bias"):
        tensors[HEAD + part] = tensors[HEAD + part][places]
    tensors[HEAD + "bias"][0] -= math.log(edge / (1 - edge))
    for key in tensors:
        if key.endswith("running_var"):
            tensors[key] *= variance
    spec = NetworkSpec(OWN_ENCODER, DECODER, 2, KEPT[1:], WORKING_SIZE)
    model = Segmenter.new(spec, {1: "background", 2: "particle"})
    own = model.network.state_dict()
    model.network.load_state_dict({key: tensor.to(own[key].dtype) for key, tensor in tensors.items()})
    model.name = name
    model.history = [{"kind": "pretrained", "steps": int(header.get("step", 0)), "edge": edge, "variance": variance}]
    return model


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--edge", type=float, default=0.5)
    parser.add_argument("--variance", type=float, default=1.0)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    save(of_weights(args.weights, args.edge, args.variance), args.model, half=True)
    print(f"wrote {args.model}, {args.model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
