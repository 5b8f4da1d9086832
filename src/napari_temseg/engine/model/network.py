"""The U-Net: which encoder, which weights, frozen or not, decoder width, auxiliary outputs.

The head gives one logit for every class but the background, whose logit is 0, then one for every auxiliary map: K − 1 + A
channels. With two classes softmax is the sigmoid of the one foreground logit, and a class can be added without touching the others.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_temseg.engine.model.band import WORKING_SIZE
from napari_temseg.engine.model.band_network import BandEncoder, BandNetwork
from napari_temseg.engine.model.network_spec import NetworkSpec
from napari_temseg.engine.model.unet import Unet
from napari_temseg.engine.types.errors import TemsegError

MOMENTUM = 0.1  # of running statistics; the 0.01 of EfficientNets lags hundreds of steps behind, which is all that a training here has
ALIASES = {
    "mobilenet_v3": "tu-mobilenetv3_large_100",
    "mobilenet_v3_large": "tu-mobilenetv3_large_100",
    "mobilenet_v3_small": "tu-mobilenetv3_small_100",
    "efficientnet_b0": "efficientnet-b0",
}
OWN_ENCODER = "mobilenet_v2"  # of the networks that are built without segmentation-models-pytorch, which takes longer to import than torch


def build_network(spec: NetworkSpec, encoder_weights: str | None = None) -> nn.Module:
    """A U-Net of one input channel; `encoder_weights`: None (random), "imagenet" (the library's download) or a .safetensors file.

    A file holds the encoder's tensors in the library's layout, for one or three input channels (those for three are summed, as the
    library does), or those of a whole U-Net, of which the encoder's are taken; a `.temseg` file is one. A network with a working size
    has an encoder of its own, whose tensors only a model with one holds. `TemsegError` for an encoder or weights that cannot be had.
    """
    if spec.working_size and (spec.encoder != OWN_ENCODER or encoder_weights == "imagenet"):
        raise TemsegError(f"A network with a working size is built on {OWN_ENCODER} and from a model; start from the shipped one.")
    own = spec.encoder == OWN_ENCODER and encoder_weights != "imagenet"
    network = _built_here(spec) if own else _built_by_library(spec, encoder_weights)
    if encoder_weights is not None and encoder_weights != "imagenet":
        _load_encoder(cast(nn.Module, network.encoder), Path(encoder_weights), spec.encoder)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    return network


def _built_here(spec: NetworkSpec) -> nn.Module:
    try:
        if spec.working_size:
            return BandNetwork(spec.decoder_channels, spec.n_outputs, spec.working_size)
        return Unet(spec.decoder_channels, spec.n_outputs)
    except ValueError as error:
        raise _cannot_carry(spec, error) from error


def _built_by_library(spec: NetworkSpec, encoder_weights: str | None) -> nn.Module:
    import segmentation_models_pytorch as smp
    from huggingface_hub.errors import HfHubHTTPError

    name = ALIASES.get(spec.encoder, spec.encoder)
    _check_encoder(name, spec.encoder)
    weights: Any = None
    if encoder_weights == "imagenet":
        weights = True if name.startswith("tu-") else "imagenet"
    # What the library raises for a network it cannot build or weights it cannot fetch; the hub client's base is its HTTP library's error.
    errors = (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError, *HfHubHTTPError.__bases__)
    try:
        network = smp.Unet(name, encoder_weights=weights, in_channels=1, classes=spec.n_outputs, decoder_channels=spec.decoder_channels)
    except cast(tuple[type[Exception], ...], errors) as error:
        raise _cannot_carry(spec, error) if weights is None else _no_download(spec.encoder, error) from error
    return cast(nn.Module, network)


def _cannot_carry(spec: NetworkSpec, error: Exception) -> TemsegError:
    return TemsegError(f"Encoder “{spec.encoder}” cannot carry this U-Net ({error}); choose another, such as mobilenet_v2.")


def working_size_of(encoder: str, encoder_weights: str | None) -> float:
    """The working size of a network for weights as `build_network` takes them: 0 but for those of a model that has one."""
    if encoder != OWN_ENCODER or encoder_weights in (None, "imagenet"):
        return 0.0
    found = set(_read_encoder_file(Path(str(encoder_weights))))
    return WORKING_SIZE if found == set(BandEncoder().state_dict()) else 0.0


def _load_encoder(encoder: nn.Module, path: Path, name: str) -> None:
    tensors, expected = _read_encoder_file(path), encoder.state_dict()
    for key, tensor in tensors.items():
        if key in expected and tensor.ndim == 4 and tensor.shape[1] == 3 and expected[key].shape[1] == 1:
            tensors[key] = tensor.sum(1, keepdim=True)
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise TemsegError(f"{path}: its tensors are not those of encoder {name}; name the encoder they were made for.") from error


def _check_encoder(name: str, asked: str) -> None:
    import segmentation_models_pytorch as smp
    import timm

    known = name in smp.encoders.get_encoder_names() or (name.startswith("tu-") and timm.is_model(name[3:].split(".")[0]))
    if not known:
        raise TemsegError(
            f"There is no encoder “{asked}”; use mobilenet_v2, mobilenet_v3, efficientnet-b0 "
            "or another that segmentation-models-pytorch lists."
        )


def _no_download(encoder: str, error: Exception) -> TemsegError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
    return TemsegError(
        f"ImageNet weights for {encoder} could not be downloaded ({reason}); "
        "offline, start from the shipped model (base “particles”) or name a .safetensors file."
    )


def _read_encoder_file(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise TemsegError(f"{path}: there is no such file of encoder weights; give “imagenet”, a .safetensors file, or nothing.")
    try:
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise TemsegError(f"{path}: not a readable safetensors file ({error}); save the encoder's state dict with safetensors.") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise TemsegError(f"{path}: these weights hold numbers that are not finite; use another copy of the file.")
    return {
        name.removeprefix("encoder."): tensor for name, tensor in tensors.items() if not name.startswith(("decoder.", "segmentation_head."))
    }


def freeze_encoder(network: nn.Module, frozen: bool = True) -> None:
    """Turn gradients of the encoder off (or on). Its mode is set by `set_mode`."""
    for parameter in cast(nn.Module, network.encoder).parameters():
        parameter.requires_grad_(not frozen)


def set_mode(network: nn.Module, *, train_decoder: bool, train_encoder: bool) -> None:
    """Training or evaluation mode by part: a frozen encoder's running statistics and drop-path must not move either."""
    network.train(train_decoder)
    cast(nn.Module, network.encoder).train(train_encoder)


def forward(network: nn.Module, x: torch.Tensor, *, frozen: bool) -> torch.Tensor:
    """Raw head output (B, K − 1 + A, Y, X); a frozen encoder runs without a graph, which halves the cost of a step."""
    if not frozen:
        return cast(torch.Tensor, network(x))
    with torch.no_grad():
        features = cast(nn.Module, network.encoder)(x)
    return cast(torch.Tensor, cast(nn.Module, network.segmentation_head)(cast(nn.Module, network.decoder)(features)))


def class_logits(raw: torch.Tensor, n_classes: int) -> torch.Tensor:
    """(B, K, Y, X) from the raw output: the background's logit is 0."""
    return torch.cat([torch.zeros_like(raw[:, :1]), raw[:, : n_classes - 1]], dim=1)


def extend_head(network: nn.Module, spec: NetworkSpec, n_classes: int) -> NetworkSpec:
    """Add classes to the head in place: the old outputs stay as they are, new ones start as the first foreground class, less likely."""
    added = n_classes - spec.n_classes
    head = cast(nn.Sequential, network.segmentation_head)
    old = cast(nn.Conv2d, head[0])
    new = nn.Conv2d(old.in_channels, old.out_channels + added, cast(Any, old.kernel_size), padding=cast(Any, old.padding))
    split = spec.n_classes - 1
    with torch.no_grad():
        for name in ("weight", "bias"):
            source, target = getattr(old, name), getattr(new, name)
            first = source[:1].expand(added, *source.shape[1:]).clone()
            if name == "bias":
                first -= 2.0  # an e-fold or two below the class it was copied from, so that nothing changes hands before training
            target.copy_(torch.cat([source[:split], first, source[split:]]))
    head[0] = new
    return replace(spec, n_classes=n_classes)


def renew_decoder(network: nn.Module, spec: NetworkSpec, seed: int) -> None:
    """Give decoder and head random weights, in place; the encoder stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build_network(spec)
    for name in ("decoder", "segmentation_head"):
        cast(nn.Module, getattr(network, name)).load_state_dict(cast(nn.Module, getattr(fresh, name)).state_dict())


def for_inference(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy to predict with: batch norm folded into the convolutions, channels last, on `device` in `dtype`."""
    fused = _twin(network).eval()
    for module in fused.modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    return fused.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _twin(module: nn.Module) -> nn.Module:
    """A copy with tensors of its own, without gradients; `deepcopy` spends twenty times as long on what is empty in each module."""
    twin = copy.copy(module)
    twin._parameters = {
        name: None if tensor is None else nn.Parameter(tensor.detach().clone(), requires_grad=False)
        for name, tensor in module._parameters.items()
    }
    twin._buffers = {name: None if tensor is None else tensor.clone() for name, tensor in module._buffers.items()}
    twin._modules = {name: None if child is None else _twin(child) for name, child in module._modules.items()}
    return twin


def _fold(block: nn.Sequential) -> None:
    for index in range(len(block) - 1):
        first, second = block[index], block[index + 1]
        if type(first) is nn.Conv2d and type(second) is nn.BatchNorm2d:
            mean, variance = cast(torch.Tensor, second.running_mean), cast(torch.Tensor, second.running_var)
            fused = fuse_conv_bn_weights(first.weight, first.bias, mean, variance, second.eps, second.weight, second.bias)
            first.weight, first.bias = (nn.Parameter(tensor.detach(), requires_grad=False) for tensor in fused)
            block[index + 1] = nn.Identity()
