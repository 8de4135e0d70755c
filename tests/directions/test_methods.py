from __future__ import annotations

import argparse
import math
import sys

import pytest
import torch
from held_out import Record
from paths import REFERENCES
from toys import alignment, linear, rotated_product

from orojar_cli import load_checkpoint
from orojar_cli.diagonaliser import normalise_by_trace, orojar_loss
from orojar_cli.directions import METHODS, Settings
from orojar_cli.directions.ganspace import latents_in_parts
from orojar_cli.directions.optimised import gram_schmidt
from orojar_cli.directions.sefa import style_factors, style_weights
from orojar_cli.errors import OptionError
from orojar_cli.response.outputs import Output
from orojar_cli.response.recomputation import graph_bytes, recomputed

pytestmark = pytest.mark.usefixtures("rough")
SMALL = {"orojar-sgd": {"steps": 3, "batch": 4}, "hessian": {"steps": 3, "batch": 4}, "ganspace": {"num_samples": 2000}}


def settings(method: str = "orojar", **changes) -> Settings:
    return Settings(**{"num": 5, "samples": 12, "outputs": (Output("image", 8),), "options": SMALL.get(method, {})} | changes)


@pytest.mark.parametrize("space", ["z", "w"])
def test_orojar_finds_the_basis_of_a_rotated_product(space: str) -> None:
    generator, basis = rotated_product(6)
    found = METHODS["orojar"](generator, Settings(space=space, whiten=False, num=6, samples=64, subspace=6))
    assert alignment(torch.eye(6), basis) < 0.95
    assert alignment(found.directions, basis) > 1 - 1e-5
    assert found.options["held_out_loss"] < 1e-8


def test_orojar_finds_it_inside_its_active_subspace_too() -> None:
    generator, basis = rotated_product(6)
    found = METHODS["orojar"](generator, Settings(space="z", num=3, samples=256, subspace=6))
    assert len(found) == 3
    assert alignment(found.directions, basis) > 1 - 1e-5


def test_the_papers_optimisation_goes_the_same_way() -> None:
    generator, basis = rotated_product(4)
    options = {"steps": 300, "batch": 32, "lr": 0.02}
    found = METHODS["orojar-sgd"](generator, Settings(space="z", num=4, options=options))
    assert alignment(found.directions, basis) > 0.97


def test_jacobian_pca_of_a_linear_generator_are_its_singular_vectors() -> None:
    matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(3))
    found = METHODS["jacobian-pca"](linear(matrix), Settings(space="z", num=5, samples=8))
    _, values, vectors = torch.linalg.svd(matrix)
    assert alignment(found.directions, vectors) > 1 - 1e-5
    assert torch.allclose(found.scores["eigenvalue"].sqrt(), values, rtol=1e-4)


def test_ganspace_components_are_the_latents_principal_axes(shapes) -> None:
    found = METHODS["ganspace"](shapes.generator, settings("ganspace"))
    w = shapes.generator.mapping.w(Settings().latents(shapes.generator, 20_000, 77).z)
    assert torch.allclose(found.sigma, (w @ found.directions.T).std(0), rtol=0.1)
    assert bool((found.sigma.diff() < 0).all())


def test_ganspace_draws_in_parts_what_one_draw_has(shapes) -> None:
    generator, asked = shapes.generator, settings("ganspace", seed=3)
    whole = asked.latents(generator, 1000, 4)
    for size in (16, 48, 1024):
        parts = list(latents_in_parts(generator, asked, 1000, size))
        assert max(map(len, parts)) <= size
        assert torch.equal(torch.cat([part.z for part in parts]), whole.z)
    found = METHODS["ganspace"](generator, asked)
    w = generator.mapping.w(asked.latents(generator, 2000, 4).z)
    assert torch.allclose(
        found.scores["variance"].double(), torch.linalg.eigvalsh(w.double().T.cov()).flip(0)[: len(found.directions)], rtol=1e-6
    )


def test_sefa_is_the_svd_of_the_stacked_unit_rows(shapes) -> None:
    weights = style_weights(shapes.generator, range(8))
    assert [len(weight) for weight in weights] == [32] * 8
    stack = torch.cat([weight / weight.norm(dim=1, keepdim=True) for weight in weights]).double()
    _, values, vectors = torch.linalg.svd(stack, full_matrices=False)
    found, singular = style_factors(weights)
    assert torch.allclose(singular, values, rtol=1e-6)
    assert alignment(found[:10], vectors[:10]) > 1 - 1e-8
    plain, _ = style_factors(weights, normalise=False)
    assert alignment(plain[:3], torch.linalg.svd(torch.cat(weights).double()).Vh[:3]) > 1 - 1e-6


def test_sefa_uses_torgb_only_for_the_last_entry(shapes) -> None:
    state = shapes.generator.state_dict()
    weights = style_weights(shapes.generator, (1, 7))
    assert weights[0].data_ptr() == state["synthesis.b8.conv0.affine.weight"].data_ptr()
    assert weights[1].data_ptr() == state["synthesis.b32.torgb.affine.weight"].data_ptr()


def test_rosinalitys_factorisation_is_that_of_the_files_own_tensors() -> None:
    """Every "modulation.weight" but those of "to_rgbs": raw, with the first ToRGB's and without the last one's."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        stored = torch.load(REFERENCES / "rosinality_full_32.pt", weights_only=True)["g_ema"]
    names = [name for name in stored if name.endswith("modulation.weight") and "to_rgbs" not in name]
    assert len(names) == 8 and "to_rgb1.conv.modulation.weight" in names
    _, values, vectors = torch.linalg.svd(torch.cat([stored[name] for name in names]).double(), full_matrices=False)
    generator = load_checkpoint(REFERENCES / "rosinality_full_32.pt").generator
    chosen = {"variant": "rosinality", "activeness": False}
    found = METHODS["sefa"](generator, Settings(num=14, whiten=False, options=chosen))
    assert float((found.directions.double() * vectors).sum(1).abs().min()) > 1 - 1e-5
    ratio = found.scores["singular_value"].double() / values
    assert torch.allclose(ratio, ratio[:1], rtol=1e-5)
    authors = METHODS["sefa"](generator, Settings(num=14, whiten=False, options=chosen | {"variant": "authors"}))
    assert float((authors.directions.double() * vectors).sum(1).abs().min()) < 0.99
    part = METHODS["sefa"](generator, Settings(num=2, whiten=False, layers=(1,), options=chosen))
    own = torch.cat([stored[name] for name in ("to_rgb1.conv.modulation.weight", "convs.0.conv.modulation.weight")]).double()
    assert float((part.directions.double() * torch.linalg.svd(own, full_matrices=False).Vh[:2]).sum(1).abs().min()) > 1 - 1e-5
    with pytest.raises(OptionError, match="leaves out all ToRGB layers but the first"):
        METHODS["sefa"](generator, Settings(layers=(7,), options=chosen))
    with pytest.raises(OptionError, match="a ToRGB layer in every block"):
        METHODS["sefa"](linear(torch.eye(4)), Settings(options=chosen))


def test_sefa_lives_in_w(shapes) -> None:
    with pytest.raises(OptionError, match="live in w"):
        METHODS["sefa"](shapes.generator, settings(space="z"))


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_gives_a_deterministic_set_of_unit_directions(tiny, method: str) -> None:
    first, second = (METHODS[method](tiny.generator, settings(method, samples=8)) for _ in range(2))
    assert first.method == method and first.directions.shape == (5, 16)
    assert torch.equal(first.directions, second.directions) and torch.equal(first.activeness, second.activeness)
    assert torch.allclose(first.directions.norm(dim=1), torch.ones(5), atol=1e-5)
    assert bool((first.sigma > 0).all()) and bool((first.activeness > 0).all())
    assert bool((first.directions.gather(1, first.directions.abs().argmax(1, keepdim=True)) > 0).all())


@pytest.mark.parametrize("space", ["z", "w", "p", "w+"])
def test_orojar_works_in_every_space_and_on_chosen_layers(tiny, space: str) -> None:
    found = METHODS["orojar"](tiny.generator, settings(space=space, layers=(0, 1, 2), subspace=4))
    assert found.layers == (0, 1, 2)
    assert found.directions.shape == (5, 48 if space == "w+" else 16)


@pytest.mark.slow
def test_the_rotation_lowers_the_loss_of_latents_that_took_no_part(shapes) -> None:
    found = METHODS["orojar"](shapes.generator, settings(samples=64, subspace=10, whiten=False))
    assert found.options["held_out_loss"] < 0.95 * found.options["held_out_loss_before"]


def test_whitened_directions_move_by_one_standard_deviation(tiny) -> None:
    """Along a whitened axis S a the other whitened coordinates rest, so sigma is |S a|: S^-1 (sigma d) has length one."""
    found = METHODS["random"](tiny.generator, settings(num=16))
    w = tiny.generator.mapping.w(Settings().latents(tiny.generator, 20_000, 78).z).double()
    whitened = torch.linalg.solve(torch.linalg.cholesky(w.T.cov()), (found.directions * found.sigma[:, None]).double().T)
    assert torch.allclose(whitened.norm(dim=0), torch.ones(len(found), dtype=torch.float64), atol=0.1)


def test_the_loglik_criterion_finds_the_basis_too() -> None:
    generator, basis = rotated_product(5)
    found = METHODS["orojar"](generator, Settings(space="z", num=5, samples=64, subspace=5, options={"criterion": "loglik"}))
    assert alignment(found.directions, basis) > 1 - 1e-5


def test_ganspace_from_an_activation_gives_latent_directions(shapes) -> None:
    found = METHODS["ganspace"](shapes.generator, settings(options={"activation": "b8", "num_samples": 1500}))
    assert found.directions.shape == (5, 64)


def test_gram_schmidt_keeps_the_span_and_the_first_direction() -> None:
    matrix = torch.randn(3, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    rows = gram_schmidt(matrix)
    assert torch.allclose(rows @ rows.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(rows[0], matrix[0] / matrix[0].norm())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": (6,)}, "layers 0-5"),
        ({"subspace": 17}, "16 dimensions"),
        ({"space": "q"}, "unknown space"),
        ({"class_index": 0}, "not conditional"),
    ],
)
def test_settings_that_do_not_fit_the_network_are_refused(tiny, changes, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        METHODS["orojar"](tiny.generator, settings(**changes))


@pytest.mark.slow
def test_a_conditional_network_needs_a_class(conditional) -> None:
    with pytest.raises(OptionError, match="class from 0 to 4"):
        METHODS["orojar"](conditional.generator, settings())
    assert len(METHODS["orojar"](conditional.generator, settings(class_index=2, samples=8))) == 5


def test_the_customary_subspace_is_no_demand_on_a_small_space() -> None:
    generator, basis = rotated_product(4)
    found = METHODS["orojar"](generator, Settings(space="z", num=4, samples=64, subspace=10))
    assert found.options["subspace"] == 4 and alignment(found.directions, basis) > 1 - 1e-5


def test_the_search_is_stopped_and_its_losses_taken_at_latents_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _ = rotated_product(6)
    record = Record(sys.modules["orojar_cli.directions.orojar"], monkeypatch)
    found = METHODS["orojar"](generator, Settings(space="z", samples=64, subspace=6))
    # The pilot of the subspace, the rest of the samples, what stops the search, what is held out.
    assert [len(points) for points in record.points] == [48, 16, 16, 16]
    record.check_apart()
    *_, rest, stop, held_out = record.grams
    assert torch.allclose(record.fit[48:], normalise_by_trace(rest)) and len(record.fit) == 64
    assert torch.allclose(record.stop, normalise_by_trace(stop))
    assert found.options["held_out_loss_before"] == orojar_loss(held_out)


@pytest.mark.parametrize(("scales", "size"), [([1.0] * 40, 32), ([9.0] + [0.01] * 9, 4), ([1.0] * 21 + [1e-3] * 19, 20)])
def test_the_automatic_subspace_holds_most_of_the_trace_within_limits(scales: list[float], size: int) -> None:
    """Equal scales: 95 % of 21 are 19.95; of 40 they would be 38, and of one that rules a single one."""
    side = math.ceil(len(scales) ** 0.5)
    matrix = torch.eye(side * side)[:, : len(scales)] * torch.tensor(scales)
    found = METHODS["orojar"](linear(matrix), Settings(space="z", samples=8, subspace=None))
    assert found.options["subspace"] == size


@pytest.mark.parametrize("method", list(METHODS))
def test_no_method_touches_the_global_random_state(tiny, method: str) -> None:
    before = torch.get_rng_state()
    METHODS[method](tiny.generator, settings(method, samples=8, num=2))
    if method == "ganspace":
        METHODS[method](tiny.generator, settings(options={"activation": "b8", "num_samples": 300}, num=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", ["orojar-sgd", "hessian"])
def test_an_optimisation_in_little_memory_finds_the_same(method: str, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The responses of a step are computed again for its gradient where not all of them fit."""
    given, rows = settings(method, space="w", num=3), []

    def recorded(function, count):
        rows.append(count)
        return recomputed(function, count)

    monkeypatch.setattr("orojar_cli.directions.optimised.recomputed", recorded)
    whole = METHODS[method](tiny.generator, given)
    monkeypatch.setattr("orojar_cli.directions.optimised._BUDGET", 3 * graph_bytes(tiny.generator, given.outputs))
    parts = METHODS[method](tiny.generator, given)
    assert rows == [None] * 3 + [3] * 3
    assert torch.allclose(parts.directions, whole.directions, atol=1e-4)


def test_every_step_of_an_optimisation_draws_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _ = rotated_product(4)
    drawn: list[torch.Tensor] = []
    latents = Settings.latents

    def recorded(self, generator, count, stream=0):
        found = latents(self, generator, count, stream)
        drawn.append(found.z)
        return found

    monkeypatch.setattr(Settings, "latents", recorded)
    METHODS["orojar-sgd"](generator, Settings(space="z", num=4, options={"steps": 5, "batch": 8}))
    points = torch.cat(drawn)
    assert len(drawn) == 6 and len(points.unique(dim=0)) == len(points)


def test_orojar_lists_the_most_active_direction_first() -> None:
    generator = linear(torch.diag(torch.tensor([1.0, 3.0, 0.5, 2.0])))
    found = METHODS["orojar"](generator, Settings(space="z", num=4, samples=8, subspace=4))
    assert found.directions.abs().argmax(1).tolist() == [1, 3, 0, 2]
    assert bool((found.activeness.diff() < 0).all())
