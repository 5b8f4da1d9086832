"""The U-Net: encoders, weights, frozen parts, added classes, and a copy for inference that computes the same."""

from __future__ import annotations

import socket

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from napari_temseg import TemsegError
from napari_temseg.engine.model.network import (
    build_network,
    class_logits,
    extend_head,
    for_inference,
    forward,
    freeze_encoder,
    set_mode,
)
from napari_temseg.engine.model.network_spec import NetworkSpec

NARROW = (32, 16, 16, 8, 8)


def picture(size: int = 64) -> torch.Tensor:
    return torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "resnet18", "tu-mobilenetv3_small_050"])
def test_encoders_by_name_take_one_channel(encoder):
    network = build_network(NetworkSpec(encoder, NARROW, n_classes=3, auxiliary=("distance",))).eval()
    with torch.no_grad():
        assert network(picture()).shape == (2, 3, 64, 64)


@pytest.mark.parametrize("name", ["mobilenet_v9", "tu-nonsense", ""])
def test_an_unknown_encoder_names_some_that_exist(name):
    with pytest.raises(TemsegError, match=f"no encoder “{name}”; use mobilenet_v2"):
        build_network(NetworkSpec(name))


def test_an_encoder_that_cannot_carry_a_unet():
    with pytest.raises(TemsegError, match="cannot carry this U-Net"):
        build_network(NetworkSpec("mobilenet_v2", (16, 16)))


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "efficientnet-b0"])
def test_encoder_weights_from_a_file_for_three_channels_are_summed(encoder, tmp_path):
    import segmentation_models_pytorch as smp

    source = smp.encoders.get_encoder(encoder, in_channels=3, weights=None).eval()
    save_file(source.state_dict(), tmp_path / "encoder.safetensors")
    network = build_network(NetworkSpec(encoder, NARROW), str(tmp_path / "encoder.safetensors")).eval()
    grey = picture()
    with torch.no_grad():
        for ours, theirs in zip(network.encoder(grey)[1:], source(grey.expand(-1, 3, -1, -1))[1:], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_encoder_of_a_whole_model_file(tmp_path):
    source = build_network(NetworkSpec())
    save_file(source.state_dict(), tmp_path / "whole.safetensors")
    taken = build_network(NetworkSpec(decoder_channels=NARROW), str(tmp_path / "whole.safetensors"))
    expected = source.encoder.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in taken.encoder.state_dict().items())


def test_files_that_hold_no_weights_for_it(tmp_path):
    spec = NetworkSpec(decoder_channels=NARROW)
    with pytest.raises(TemsegError, match="no such file of encoder weights"):
        build_network(spec, str(tmp_path / "missing.safetensors"))
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(TemsegError, match=r"text.safetensors: not a readable safetensors file"):
        build_network(spec, str(tmp_path / "text.safetensors"))
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(TemsegError, match=r"other.safetensors: its tensors are not those of encoder mobilenet_v2"):
        build_network(spec, str(tmp_path / "other.safetensors"))
    save_file({"a": torch.full((3,), torch.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(TemsegError, match=r"nan.safetensors: these weights hold numbers that are not finite"):
        build_network(spec, str(tmp_path / "nan.safetensors"))


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "mobilenet_v3"])
def test_a_failed_download_names_the_offline_choice(encoder, monkeypatch, tmp_path):
    def blocked(*args, **kwargs):
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    # The client would repeat for half a minute; as offline it gives up at once, by the same errors.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(TemsegError, match=rf"ImageNet weights for {encoder} could not be downloaded .*“particles”.*safetensors") as caught:
        build_network(NetworkSpec(encoder), "imagenet")
    assert "\n" not in str(caught.value)


def test_a_frozen_forward_has_no_graph_in_the_encoder_and_the_same_output():
    network = build_network(NetworkSpec(decoder_channels=NARROW)).eval()
    freeze_encoder(network)
    frozen, full = forward(network, picture(), frozen=True), network(picture())
    torch.testing.assert_close(frozen, full)
    frozen.sum().backward()
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
    assert all(parameter.grad is not None for parameter in network.decoder.parameters())
    freeze_encoder(network, False)
    forward(network, picture(), frozen=False).sum().backward()
    assert all(parameter.grad is not None for parameter in network.encoder.features.parameters())


def test_modes_are_set_by_part():
    network = build_network(NetworkSpec(decoder_channels=NARROW))
    set_mode(network, train_decoder=True, train_encoder=False)
    assert not any(module.training for module in network.encoder.modules())
    assert all(module.training for module in network.decoder.modules())
    set_mode(network, train_decoder=False, train_encoder=False)
    assert not any(module.training for module in network.decoder.modules())


def test_the_background_logit_is_zero():
    raw = torch.arange(24.0).reshape(1, 3, 2, 4)  # two foreground classes and a map
    logits = class_logits(raw, 3)
    assert logits.shape == (1, 3, 2, 4)
    assert (logits[:, 0] == 0).all()
    assert torch.equal(logits[:, 1:], raw[:, :2])


def test_added_classes_leave_the_old_outputs_and_the_foreground_alone():
    spec = NetworkSpec(decoder_channels=NARROW, n_classes=3, auxiliary=("distance", "border"))
    network = build_network(spec).eval()
    with torch.no_grad():
        before = network(picture())
        wider = extend_head(network, spec, 5)
        after = network(picture())
    assert (wider.n_classes, wider.n_outputs, wider.auxiliary) == (5, 6, spec.auxiliary)
    torch.testing.assert_close(after[:, :2], before[:, :2])  # old classes
    torch.testing.assert_close(after[:, 4:], before[:, 2:])  # maps
    old, new = class_logits(before, 3), class_logits(after, 5)
    assert torch.equal(old.argmax(1), new.argmax(1))
    assert ((old.softmax(1) - new.softmax(1)[:, :3]).abs() < 0.1).all()


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "efficientnet-b0"])
def test_the_copy_for_inference_computes_the_same_and_leaves_the_original(encoder):
    network = build_network(NetworkSpec(encoder, NARROW))
    with torch.no_grad():
        for _ in range(2):
            network.train()(picture())  # running statistics that are not 0 and 1
    network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fast = for_inference(network, torch.device("cpu"), torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(fast(picture()), network(picture()), rtol=1e-3, atol=1e-4)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in fast.decoder.modules()) == 0


def test_running_statistics_keep_up_with_a_short_training():
    network = build_network(NetworkSpec("efficientnet-b0", (32, 16, 16, 8, 8))).train()
    images, seen = 5 + 3 * torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)), []
    first = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    first.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].mean((0, 2, 3))))
    with torch.no_grad():
        for _ in range(40):
            network(images)
    assert first.running_mean == pytest.approx(seen[-1], rel=0.05)
