from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image
from toys import linear

from orojar_cli import load_checkpoint
from orojar_cli.errors import InputFileError, NumericalError, OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.media import to_uint8
from orojar_cli.projection import PictureDistance, ProjectionSettings, as_target, decibels, project, read_photograph
from orojar_cli.projection.noise_maps import NoiseMaps

QUICK = ProjectionSettings("w", steps=60, samples=2000, candidates=200, starts=4)


def written(tmp_path: Path, picture: Image.Image, name: str = "picture.png", **options: object) -> Path:
    path = tmp_path / name
    picture.save(path, **options)
    return path


def test_a_linear_generator_is_inverted() -> None:
    rng = torch.Generator().manual_seed(0)
    generator = linear(torch.randn(64, 5, generator=rng) / 5)
    u = torch.randn(1, 5, generator=rng)
    settings = ProjectionSettings(steps=300, samples=2000, candidates=100, starts=4, prior=0.0)
    found = project(generator, PictureDistance(generator(u)), settings)
    assert torch.allclose(found.w[:, 0], u, atol=1e-2)
    assert found.w_plus is None and found.best is found.w


def test_the_prior_decides_where_the_picture_does_not() -> None:
    matrix = torch.randn(64, 6, generator=torch.Generator().manual_seed(1)) / 5
    matrix[:, 3:] = 0
    generator = linear(matrix)
    u = torch.ones(1, 6)
    found = project(generator, PictureDistance(generator(u)), ProjectionSettings(steps=300, samples=2000, candidates=100))
    assert torch.allclose(found.w[0, 0, :3], u[0, :3], atol=0.15)
    assert float(found.w[0, 0, 3:].abs().max()) < 0.2


def test_coordinates_that_never_vary_stay() -> None:
    generator = linear(torch.randn(64, 4, generator=torch.Generator().manual_seed(1)) / 5)
    generator.mapping.w = lambda z, label=None: z * torch.tensor([1.0, 0.01, 1.0, 0.0]) + 2
    found = project(generator, PictureDistance(torch.zeros(1, 1, 8, 8)), QUICK)
    assert float(found.w[0, 0, 3]) == pytest.approx(2, abs=1e-5)
    assert abs(float(found.w[0, 0, 1]) - 2) < 0.05


@pytest.mark.parametrize(
    ("seeds", "settings"),
    [
        ([1001], ProjectionSettings(steps=100, candidates=300, starts=4)),
        pytest.param(range(1000, 1016), ProjectionSettings(), marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_generated_pictures_are_found_again(shapes, seeds, settings: ProjectionSettings) -> None:
    generator = shapes.generator
    ws = generator.mapping(seed_latents(generator, seeds).z)
    others = generator.mapping.w(torch.randn(512, 64, generator=torch.Generator().manual_seed(0)))
    apart = float((others[:256] - others[256:]).norm(dim=1).mean())
    for index in range(len(ws)):
        target = generator.synthesis(ws[index : index + 1])
        found = project(generator, PictureDistance(target), settings)
        w, w_plus = (float(decibels(generator.synthesis(point), target)) for point in (found.w, found.best))
        start, mean = (float(decibels(generator.synthesis(point), target)) for point in (found.start, found.mean))
        assert mean < start < w and w > 37 and w_plus > w
        assert float((found.w[0, 0] - ws[index, 0]).norm()) < 0.7 * apart
        assert torch.equal(found.w[0, 0], found.w[0, 7]) and not torch.equal(found.best[0, 0], found.best[0, 7])


def test_the_seed_decides(shapes) -> None:
    target = shapes.generator(seed_latents(shapes.generator, [5]).z)
    runs = [project(shapes.generator, PictureDistance(target), ProjectionSettings("w", 12, seed, None, 500, 50, 2)) for seed in (3, 3, 4)]
    assert torch.equal(runs[0].w, runs[1].w) and not torch.equal(runs[0].w, runs[2].w)
    assert [point.distance for point in runs[0].track] == [point.distance for point in runs[1].track]


@pytest.mark.parametrize("name", ["sg2_resnet_gray_16", "sg3_t_32", "sg2_cond_fp16_64"])
def test_every_family_comes_nearer(name: str) -> None:
    generator = load_checkpoint(REFERENCES / f"{name}.pkl").generator
    before = {key: tensor.clone() for key, tensor in generator.state_dict().items()}
    target = torch.randn(1, generator.img_channels, *(generator.img_resolution,) * 2, generator=torch.Generator().manual_seed(0)) / 4
    distance = PictureDistance(target)
    with torch.no_grad():
        found = project(generator, distance, ProjectionSettings(steps=12, samples=200, candidates=16, starts=2))
        near, far = (float(distance(generator.synthesis(ws))) for ws in (found.best, found.start))
    assert near < far
    assert all(torch.equal(tensor, before[key]) for key, tensor in generator.state_dict().items())


def test_a_class_is_kept_to_or_refused(conditional, shapes) -> None:
    target = torch.zeros(1, 3, 64, 64)
    settings = ProjectionSettings("w", 1, class_index=1, samples=100, candidates=4, starts=1)
    found = project(conditional.generator, PictureDistance(target), settings)
    label = torch.zeros(100, conditional.generator.c_dim)
    label[:, 1] = 1
    z = torch.randn(100, conditional.generator.z_dim, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(found.mean[0, 0], conditional.generator.mapping.w(z, label).mean(0), atol=1e-5)
    with pytest.raises(OptionError, match="not conditional"):
        project(shapes.generator, PictureDistance(torch.zeros(1, 3, 32, 32)), settings)


def test_what_cannot_be_projected_is_refused(shapes) -> None:
    with pytest.raises(OptionError, match="does not fit"):
        project(shapes.generator, PictureDistance(torch.zeros(1, 3, 16, 16)))
    with pytest.raises(OptionError, match="space"):
        ProjectionSettings("z")
    with pytest.raises(OptionError, match="starts"):
        ProjectionSettings(starts=9, candidates=8)
    with pytest.raises(NumericalError):
        project(linear(torch.full((64, 3), float("nan"))), PictureDistance(torch.zeros(1, 1, 8, 8)), QUICK)
    blind = linear(torch.eye(64)[:, :3])
    blind.differentiable = False
    with pytest.raises(OptionError, match="gradients"):
        project(blind, PictureDistance(torch.zeros(1, 1, 8, 8)), QUICK)


def test_a_distance_is_one_for_typical_pictures_and_counts_features(shapes) -> None:
    from orojar_cli.detectors import load_detector

    images = shapes.generator(seed_latents(shapes.generator, range(12)).z)
    for detector in (None, load_detector("critic", shapes.critic)):
        distance = PictureDistance(images[:1], detector)
        distance.calibrate(distance.terms(images))
        distances = distance(images)
        assert float(distances.mean()) == pytest.approx(1, rel=1e-4)
        assert float(distances[0]) == pytest.approx(0, abs=1e-5)
        assert (distances[1:] > 0).all() and distance.terms(images).shape == (12, 1 if detector is None else 2)
    pixels = PictureDistance(torch.zeros(1, 1, 8, 8)).terms(torch.full((2, 1, 8, 8), 0.5))
    assert torch.allclose(pixels, torch.full((2, 1), 0.25))


def test_noise_that_draws_a_picture_is_structured(shapes) -> None:
    maps = NoiseMaps.of(shapes.generator, 2)
    assert len(maps.maps) == 7
    with torch.no_grad():
        maps.maps["b32.conv1.noise_const"][1] = torch.linspace(-1, 1, 32)
    maps.normalise()
    for noise in maps.maps.values():
        assert torch.allclose(noise.mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
        assert torch.allclose(noise.var((1, 2, 3), correction=0), torch.ones(2), atol=1e-4)
    white, drawn = maps.structure().tolist()
    assert drawn > white + 1


def test_a_picture_survives_the_way_there_and_back(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (16, 16, 3), np.uint8)
    target = as_target(read_photograph(written(tmp_path, Image.fromarray(pixels))), (3, 16, 16))
    assert target.shape == (1, 3, 16, 16) and np.array_equal(to_uint8(target)[0], pixels)


def test_the_centre_square_is_taken_and_smoothed(tmp_path: Path) -> None:
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    pixels[::2, 30:70] = 100
    target = to_uint8(as_target(read_photograph(written(tmp_path, Image.fromarray(pixels))), (3, 10, 10)))
    assert abs(target.astype(int) - 150).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_mode_fits_every_network(tmp_path: Path, mode: str, channels: int) -> None:
    grey = np.full((12, 12), 180, np.uint8)
    if mode.startswith("I"):
        picture = Image.fromarray(grey.astype(np.uint16 if ";" in mode else np.int32) * 257)
    else:
        picture = Image.fromarray(np.where(grey, 255, 0).astype(np.uint8) if mode == "1" else grey).convert(mode)
    path = written(tmp_path, picture, "picture.tif" if mode in ("CMYK", "I") else "picture.png")
    target = as_target(read_photograph(path), (channels, 8, 8))
    assert target.shape == (1, channels, 8, 8)
    assert abs(to_uint8(target).astype(int) - (255 if mode == "1" else 180)).max() <= 1


def test_transparency_is_white_or_kept(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    path = written(tmp_path, picture)
    assert (to_uint8(as_target(read_photograph(path), (3, 8, 8))) == 255).all()
    assert float(as_target(read_photograph(path), (4, 8, 8))[0, 3].max()) == -1


def test_a_sideways_camera_is_turned_upright(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = as_target(read_photograph(written(tmp_path, Image.fromarray(pixels), exif=exif)), (3, 8, 8))
    assert float(upright[0, :, 0].min()) > 0.9 and float(upright[0, :, 7].max()) < -0.9


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (32, 32, 3), np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no picture"),
        (b"<!doctype html><p>not found", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n", "no picture"),
        (bomb(12_000, 12_000), "more pixels"),
        (bomb(100_000, 100_000), "more pixels"),
        (bomb(4000, 4000), "damaged"),
        (encoded("PNG")[:900], "damaged"),
        (encoded("JPEG")[:700], "damaged"),
        (encoded("WEBP")[:300], "picture"),
        (encoded("GIF")[:40], "picture"),
    ],
)
def test_hostile_pictures_are_refused_in_a_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(InputFileError, match=told) as caught:
        warnings.simplefilter("error")
        read_photograph(path)
    assert "\n" not in str(caught.value) and "picture.png" in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.png", Path("/dev/zero")):
        with pytest.raises(InputFileError, match="cannot read"):
            read_photograph(path)
    with pytest.raises(InputFileError, match="floating-point"):
        read_photograph(written(tmp_path, Image.fromarray(np.ones((4, 4), np.float32)), "picture.tif"))


def test_a_file_larger_than_the_limit_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, Image.new("RGB", (8, 8)))
    monkeypatch.setattr("orojar_cli.projection.photograph._LARGEST_FILE", path.stat().st_size)
    assert read_photograph(path).size == (8, 8)
    monkeypatch.setattr("orojar_cli.projection.photograph._LARGEST_FILE", path.stat().st_size - 1)
    with pytest.raises(InputFileError, match="larger than"):
        read_photograph(path)


def test_the_ratio_of_signal_to_noise_is_in_decibels_and_at_most_100() -> None:
    target = torch.zeros(1, 1, 2, 2)
    images = torch.tensor([2.0, 0.2, 2e-5, 0.0]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    assert decibels(images, target) == pytest.approx(torch.tensor([0.0, 20.0, 100.0, 100.0]), abs=1e-3)
