from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import alignment, rotated_product

from orojar_cli.directions import METHODS, Settings
from orojar_cli.errors import OptionError, OwnCodeError
from orojar_cli.generators.own.adapt import adapt
from orojar_cli.generators.own.object import weights_sha256
from orojar_cli.latents.points import seed_latents
from orojar_cli.pictures.walk import Renderer
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.tuning.rotation import find_rotation


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


class Linear(nn.Module):
    """Images A z."""

    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix(3 * 36, 5))

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.matrix.T).reshape(-1, 3, 6, 6)


class Split(nn.Module):
    """w = B z + b, images A w."""

    z_dim = 4

    def __init__(self, num_ws: int | None = None) -> None:
        super().__init__()
        self.to_w = nn.Linear(4, 6)
        self.to_image = nn.Linear(6, 16, bias=False)
        self.to_w.weight.data, self.to_w.bias.data, self.to_image.weight.data = matrix(6, 4, 1), matrix(6, 1, 2)[:, 0], matrix(16, 6, 3)
        if num_ws:
            self.num_ws = num_ws

    def mapping(self, z: Tensor) -> Tensor:
        return self.to_w(z)

    def synthesis(self, w: Tensor) -> Tensor:
        return self.to_image(w.mean(1) if w.ndim == 3 else w).reshape(-1, 1, 4, 4)


class Conditional:
    """Images A_c z: every class has a matrix of its own.  No module, only tensors as attributes."""

    z_dim, c_dim = 4, 3

    def __init__(self) -> None:
        self.matrices = torch.stack([matrix(16, 4, seed) for seed in range(3)])

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return torch.einsum("nc,cpd,nd->np", label, self.matrices, z).reshape(-1, 1, 4, 4)


def right_singular_vectors(weight: Tensor) -> Tensor:
    return torch.linalg.svd(weight.detach().double(), full_matrices=False).Vh


def assert_same_directions(found: Tensor, expected: Tensor) -> None:
    cosines = (found.double() * expected[: len(found)]).sum(1).abs()
    assert float((1 - cosines).max()) < 1e-5
    signs = (found.double() * expected[: len(found)]).sum(1, keepdim=True).sign()
    assert torch.allclose(found.double() * signs, expected[: len(found)], atol=1e-5)


def test_sizes_and_costs_come_from_one_trial() -> None:
    generator = adapt(Linear(), "toys:Linear")
    config = generator.config
    assert (config.z_dim, config.w_dim, config.num_ws, config.c_dim, config.img_resolution, config.img_channels) == (5, 5, 1, 0, 6, 3)
    assert 5 * 108 <= config.costs()[0].multiplications < 16 * 108 and config.costs()[0].numbers >= 5 * 108 + 5 + 108
    assert config.layers() == [] and config.family == "own generator" and config.architecture == "toys:Linear"
    assert generator.forward_mode and generator.differentiable
    z = torch.randn(3, 5)
    assert torch.equal(generator(z), Linear()(z))
    assert torch.equal(generator(z, psi=0.5), Linear()(0.5 * z))
    assert Renderer(generator).images(generator.mapping(z)).shape == (3, 6, 6, 3)


def test_the_jacobian_of_a_linear_generator_is_its_matrix() -> None:
    own = Linear()
    generator = adapt(own, "toys:Linear")
    grams = gram_matrices(Response(generator, "z"), seed_latents(generator, [0, 1]), torch.eye(5))
    exact = own.matrix.double().T @ own.matrix.double()
    assert torch.allclose(grams, exact.expand(2, -1, -1), rtol=1e-5)
    found = METHODS["jacobian-pca"](generator, Settings(space="z", samples=8, num=5))
    assert_same_directions(found.directions, right_singular_vectors(own.matrix))


def test_directions_are_those_of_a_known_basis() -> None:
    toy, basis = rotated_product(6)
    own = SimpleNamespace(z_dim=6, forward=lambda z: toy.synthesis(z.unsqueeze(1)), basis=basis)
    generator = adapt(own, "toys:product")
    found = METHODS["orojar"](generator, Settings(space="z", samples=64, num=6, subspace=6))
    assert alignment(found.directions, basis) > 1 - 1e-5
    rotation = find_rotation(generator, Settings(space="z", samples=64))
    assert alignment(rotation.matrix, basis) > 1 - 1e-5 and rotation.loss_after < 1e-3 * rotation.loss_before


def test_sefa_factorises_the_style_weights_that_are_named() -> None:
    own = Split()
    own.style_weights = [own.to_image.weight]
    generator = adapt(own, "toys:Split")
    found = METHODS["sefa"](generator, Settings(space="w", whiten=False, num=6, options={"normalize": False}))
    assert_same_directions(found.directions, right_singular_vectors(own.to_image.weight))
    with pytest.raises(OptionError, match="nothing to factorise"):
        METHODS["sefa"](adapt(Split(), "toys:Split"), Settings(space="w", whiten=False))
    own.style_weights = [own.to_w.weight]
    with pytest.raises(OwnCodeError, match=r"1 matrices \[rows, 6\]"):
        adapt(own, "toys:Split")


def test_mapping_and_synthesis_give_w_and_its_truncation() -> None:
    own = Split()
    generator = adapt(own, "toys:Split")
    assert (generator.w_dim, generator.num_ws) == (6, 1)
    # The mean over 4096 z is near b: its deviation per coordinate is |row of B| / 64.
    assert torch.allclose(generator.mapping.w_avg, own.to_w.bias, atol=0.25)
    own.w_avg = own.to_w.bias.detach()
    generator = adapt(own, "toys:Split")
    z = torch.randn(2, 4)
    assert torch.allclose(generator.mapping(z, psi=0.5)[:, 0], own.to_w(z * 0.5), atol=1e-6)
    assert torch.allclose(generator(z, psi=0), own.synthesis(own.to_w(torch.zeros(2, 4))), atol=1e-6)
    found = METHODS["jacobian-pca"](generator, Settings(space="w", whiten=False, samples=8, num=6))
    assert_same_directions(found.directions, right_singular_vectors(own.to_image.weight))


def test_one_w_for_each_entry_of_ws() -> None:
    own = Split(num_ws=3)
    generator = adapt(own, "toys:Split")
    assert generator.num_ws == 3
    z = torch.randn(2, 4)
    ws = generator.mapping(z, psi=0.5, cutoff=2)
    assert torch.equal(ws[:, 2], own.to_w(z)) and torch.allclose(ws[:, 0], generator.mapping.w_avg.lerp(own.to_w(z), 0.5))
    assert torch.allclose(generator.synthesis(ws), own.synthesis(ws))
    broadcast = Split()
    broadcast.mapping = lambda z: own.to_w(z).unsqueeze(1).expand(-1, 3, -1)
    assert adapt(broadcast, "toys:broadcast").num_ws == 3
    broadcast.mapping = lambda z: torch.stack([own.to_w(z), own.to_w(-z)], 1)
    with pytest.raises(OwnCodeError, match="another w for each entry"):
        adapt(broadcast, "toys:broadcast")


def test_a_conditional_generator_has_directions_of_each_class() -> None:
    own = Conditional()
    generator = adapt(own, "toys:Conditional")
    assert (generator.c_dim, generator.w_dim) == (3, 7)
    for class_index in range(3):
        settings = Settings(space="z", samples=8, num=4, class_index=class_index)
        found = METHODS["jacobian-pca"](generator, settings)
        assert_same_directions(found.directions, right_singular_vectors(own.matrices[class_index]))
    at = seed_latents(generator, [0, 1], 2)
    assert torch.equal(generator(at.z, at.label), own.forward(at.z, at.label))
    # Truncation shrinks z and leaves the label.
    assert torch.allclose(generator(at.z, at.label, psi=0.5), own.forward(at.z * 0.5, at.label), atol=1e-6)
    # In w, which is z and the label, only z varies.
    found = METHODS["jacobian-pca"](generator, Settings(space="w", samples=8, num=7, class_index=1))
    assert len(found) == 4 and float(found.directions[:, 4:].abs().max()) == 0
    with pytest.raises(OptionError, match="--class"):
        seed_latents(generator, [0])


def test_a_conditional_mapping_gets_the_label() -> None:
    class Own(Split):
        c_dim = 2

        def mapping(self, z: Tensor, label: Tensor) -> Tensor:
            return self.to_w(z) + label @ torch.ones(2, 6)

    generator = adapt(Own(), "toys:Own")
    at = seed_latents(generator, [0], 1)
    assert torch.allclose(generator.mapping(at.z, at.label)[:, 0], Own().to_w(at.z) + 1)


def test_code_that_torch_cannot_differentiate_gets_central_differences() -> None:
    class Plain:
        z_dim, identity = 5, "the matrix of seed 0"

        def __call__(self, z: Tensor) -> Tensor:
            return torch.from_numpy(z.numpy() @ matrix(36, 5).numpy().T).reshape(-1, 1, 6, 6)

    class Detached(Linear):
        def forward(self, z: Tensor) -> Tensor:
            return super().forward(torch.cat([z[:, :2], z[:, 2:].detach()], 1))

    @dataclasses.dataclass
    class Quiet:
        linear: Linear
        z_dim: int = 5

        @torch.no_grad()
        def __call__(self, z: Tensor) -> Tensor:
            return self.linear(z)

    for own, weight in ((Plain(), matrix(36, 5)), (Detached(), matrix(108, 5))):
        generator = adapt(own, "toys:own")
        assert not generator.forward_mode
        found = METHODS["jacobian-pca"](generator, Settings(space="z", samples=8, num=5))
        assert float((1 - (found.directions.double() * right_singular_vectors(weight)).sum(1).abs()).max()) < 1e-3
    assert not adapt(Plain(), "toys:own").differentiable and adapt(Detached(), "toys:own").differentiable
    # no_grad is no hindrance to forward mode, and all to gradients.
    quiet = adapt(Quiet(Linear()), "toys:own")
    assert quiet.forward_mode and not quiet.differentiable


def test_modules_are_put_into_evaluation_and_numbers_into_their_format() -> None:
    class Trained(nn.Module):
        z_dim = 3

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Dropout(0.5))

        def forward(self, z: Tensor) -> Tensor:
            return self.layers(z).reshape(-1, 1, 4, 4)

    own = Trained().double()
    generator = adapt(own, "toys:Trained")
    assert own.training and own.layers[1].training and all(parameter.requires_grad for parameter in own.parameters())
    own.layers[2].eval()
    assert torch.equal(generator(torch.ones(2, 3)), generator(torch.ones(2, 3)))
    assert own.layers[1].training and not own.layers[2].training
    assert generator.sha256 == weights_sha256(own, "toys:Trained")
    adapt(own, "toys:Trained", freeze=True)
    assert not own.training and not any(parameter.requires_grad for parameter in own.parameters())
    assert generator(torch.randn(2, 3)).dtype == torch.float32
    assert int(own.layers[1].num_batches_tracked) == 0
    assert adapt(Linear().bfloat16(), "toys:half").forward_mode


def test_weights_tell_networks_apart() -> None:
    one, two = Linear(), Linear()
    assert weights_sha256(one, "x") == weights_sha256(two, "x") and len(weights_sha256(one, "x")) == 64
    two.matrix.data[3, 2] += 1e-6
    assert weights_sha256(one, "x") != weights_sha256(two, "x")
    other = Conditional()
    before = weights_sha256(other, "x")
    other.matrices = other.matrices.clone()
    assert weights_sha256(other, "x") == before
    other.matrices[0, 0, 0] += 1
    assert weights_sha256(other, "x") != before
    holder = SimpleNamespace(z_dim=5, net=one, forward=one)
    assert weights_sha256(holder, "x") != weights_sha256(SimpleNamespace(z_dim=5, net=two, forward=two), "x")
    named = SimpleNamespace(z_dim=5, forward=lambda z: z, identity="a")
    assert weights_sha256(named, "x") != weights_sha256(SimpleNamespace(**vars(named) | {"identity": "b"}), "x")
    with pytest.raises(OwnCodeError, match="without weights to tell it by"):
        weights_sha256(SimpleNamespace(z_dim=5, forward=lambda z: z), "x")
    half = copy.deepcopy(one).bfloat16()
    assert weights_sha256(half, "x") != weights_sha256(one, "x")


def images(shape: tuple[int, ...]):
    return lambda z: torch.zeros(len(z) if shape[0] == -1 else shape[0], *shape[1:])


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"forward": images((-1, 3, 4, 4))}, "with no z_dim"),
        ({"z_dim": 0, "forward": images((-1, 3, 4, 4))}, "0 as z_dim"),
        ({"z_dim": 4.0, "forward": images((-1, 3, 4, 4))}, "4.0 as z_dim"),
        ({"z_dim": 4, "c_dim": -1, "forward": images((-1, 3, 4, 4))}, "-1 as c_dim"),
        ({"z_dim": 4}, "without forward"),
        ({"z_dim": 4, "mapping": lambda z: z}, "without forward"),
        ({"z_dim": 4, "forward": images((-1, 48))}, r"images of shape \[2, 48\]"),
        ({"z_dim": 4, "forward": images((-1, 3, 0, 6))}, "1 to 4 channels"),
        ({"z_dim": 4, "forward": images((-1, 5, 4, 4))}, "1 to 4 channels"),
        ({"z_dim": 4, "forward": images((1, 3, 4, 4))}, "for 2 z"),
        ({"z_dim": 4, "forward": lambda z: images((-1, 3, 4, 4))(z) / 0}, "not finite"),
        ({"z_dim": 4, "forward": lambda z: [z]}, "forward gives a list"),
        ({"z_dim": 4, "forward": lambda z: torch.rand(len(z), 1, 4, 4)}, "different images for the same z"),
        ({"z_dim": 4, "forward": lambda z: z @ torch.zeros(3, 3)}, r"failed in forward: RuntimeError: .*\(test_own.py, line \d+\)"),
        ({"z_dim": 4, "c_dim": 2, "forward": lambda z: z}, "failed in forward: TypeError"),
        ({"z_dim": 4, "mapping": lambda z: z[0], "synthesis": images((-1, 1, 4, 4))}, r"mapping gives \[4\]"),
        ({"z_dim": 4, "mapping": lambda z: z, "synthesis": lambda w: 1 / 0}, "failed in synthesis: ZeroDivisionError"),
        ({"z_dim": 4, "mapping": lambda z: z, "synthesis": images((-1, 1, 4, 4)), "w_avg": torch.zeros(3)}, "w_avg has the shape"),
    ],
)
def test_what_is_missing_is_named(own: dict, message: str) -> None:
    with pytest.raises(OwnCodeError, match=message) as caught:
        adapt(SimpleNamespace(**own), "toys:own")
    assert "toys:own" in str(caught.value) and "\n" not in str(caught.value)


def test_a_lack_of_memory_is_not_taken_for_a_mistake_of_the_code() -> None:
    def forward(z: Tensor) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    with pytest.raises(RuntimeError, match="allocate memory"):
        adapt(SimpleNamespace(z_dim=2, forward=forward), "toys:own")


def test_prints_of_the_code_leave_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    own = Linear()
    own.register_forward_hook(lambda *_: print("drawn"))
    adapt(own, "toys:Linear")
    captured = capsys.readouterr()
    assert captured.out == "" and "drawn" in captured.err


def test_what_is_inside_is_not_known() -> None:
    generator = adapt(Linear(), "toys:Linear")
    ws = generator.mapping(torch.randn(2, 5))
    for output in (Output("early", 4), Output("b", 4)):
        with pytest.raises(OptionError, match="what is inside toys:Linear is not known"):
            output(generator, ws)
    with pytest.raises(OptionError, match="no space p"):
        METHODS["orojar"](generator, Settings(space="p", samples=8))


@pytest.mark.parametrize(("side", "size"), [(6, 6), (8, 8), (28, 14), (30, 10), (48, 12), (64, 16), (96, 96), (192, 64), (256, 64)])
def test_the_default_output_divides_the_image(side: int, size: int) -> None:
    own = SimpleNamespace(z_dim=2, forward=lambda z: z[:, :1, None, None].expand(-1, 1, side, side), identity="")
    generator = adapt(own, "toys:own")
    output = default_output(generator)
    assert output == Output("image", size)
    assert np.isfinite(output(generator, generator.mapping(torch.randn(1, 2))).numpy()).all()


def test_a_known_network_behind_the_protocol_has_the_directions_it_has_by_itself(shapes) -> None:
    net = shapes.generator
    own = SimpleNamespace(z_dim=64, net=net, mapping=net.mapping, synthesis=net.synthesis, w_avg=net.mapping.w_avg)
    generator = adapt(own, "toys:shapes")
    assert (generator.num_ws, generator.w_dim, generator.img_resolution, generator.img_channels) == (8, 64, 32, 3)
    assert generator.forward_mode
    at = seed_latents(net, [0, 1])
    assert torch.allclose(generator(at.z, psi=0.7, cutoff=3), net(at.z, psi=0.7, cutoff=3), atol=1e-6)
    # Counted while drawing, or known from the layers: within a factor of two the same.
    by_itself = sum(cost.multiplications for cost in net.config.costs())
    assert 0.5 < generator.config.costs()[0].multiplications / by_itself < 2
    settings = Settings(space="w", samples=3, num=2, outputs=(Output("image", 8),))
    ours, theirs = (METHODS["jacobian-pca"](network, settings) for network in (generator, net))
    assert torch.allclose(ours.directions, theirs.directions, atol=1e-5) and torch.allclose(ours.sigma, theirs.sigma, rtol=1e-5)
    assert torch.allclose(ours.activeness, theirs.activeness, rtol=1e-4)
