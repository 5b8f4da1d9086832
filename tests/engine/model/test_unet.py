"""Our U-Net on MobileNetV2 against segmentation-models-pytorch's: the same tensors by the same names, the same output to the last bit."""

from __future__ import annotations

import pytest
import torch

from napari_temseg.engine.model.band import INPUTS
from napari_temseg.engine.model.band_network import DECODER, OUTPUTS, BandNetwork
from napari_temseg.engine.model.unet import MobileNetV2, Unet


@pytest.mark.parametrize(
    ("decoder", "outputs", "inputs"), [((128, 64, 32, 16, 16), 2, 1), ((32, 16, 16, 8, 8), 1, 1), ((40, 24, 16, 12, 8), 5, 3)]
)
def test_a_seed_gives_the_library_s_network_and_output_and_gradients(decoder: tuple[int, ...], outputs: int, inputs: int) -> None:
    import segmentation_models_pytorch as smp

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        theirs = smp.Unet("mobilenet_v2", encoder_weights=None, in_channels=inputs, classes=outputs, decoder_channels=decoder)
        drawn_after = torch.rand(4)
        torch.manual_seed(7)
        ours = Unet(decoder, outputs, inputs)
        assert torch.equal(torch.rand(4), drawn_after)
        image = torch.randn(2, inputs, 64, 96)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in ours.state_dict().items())

    mine, other = ours.train()(image), theirs.train()(image)
    assert torch.equal(mine, other)
    mine.square().sum().backward()
    other.square().sum().backward()
    for parameter, same in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(parameter.grad, same.grad)
    with torch.no_grad():  # by running statistics, which the pass before moved
        assert torch.equal(ours.eval()(image), theirs.eval()(image))
        for mine, other in zip(ours.encoder(image), theirs.encoder(image), strict=True):
            assert torch.equal(mine, other)


def test_the_network_of_one_band_is_made_of_the_library_s_parts() -> None:
    import segmentation_models_pytorch as smp
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        encoder = smp.encoders.get_encoder("mobilenet_v2", in_channels=INPUTS, weights=None)
        decoder = UnetDecoder([*encoder.out_channels[:-1], 320], DECODER)
        torch.manual_seed(3)
        ours = BandNetwork().eval()
        image = torch.randn(1, INPUTS, 64, 64)
    features = encoder.eval().features[:-1]
    expected = {f"encoder.features.{name}": tensor for name, tensor in features.state_dict().items()}
    expected |= {f"decoder.{name}": tensor for name, tensor in decoder.state_dict().items()}
    tensors = ours.state_dict()
    assert list(tensors) == [*expected, "segmentation_head.0.weight", "segmentation_head.0.bias"]
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())
    with torch.no_grad():
        seen = [*encoder(image)[:-1], features(image)]
        output = ours(image)
        assert torch.equal(output, ours.segmentation_head(decoder.eval()(seen)))
    assert output.shape == (1, len(OUTPUTS), 64, 64)


def test_levels_are_each_half_as_fine() -> None:
    encoder = MobileNetV2().eval()
    with torch.no_grad():
        found = encoder(torch.zeros(1, 1, 64, 128))
    assert [tuple(level.shape) for level in found] == [(1, c, 64 >> k, 128 >> k) for k, c in enumerate(encoder.out_channels)]


@pytest.mark.parametrize("decoder", [(16, 16), (8, 8, 8, 8, 8, 8)])
def test_a_decoder_has_five_levels(decoder: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        Unet(decoder, 1)
