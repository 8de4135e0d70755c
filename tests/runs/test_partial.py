from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toys import linear, rotated_product

from orojar_cli.directions import METHODS, Settings
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import activeness
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.runs import partial as partial_module
from orojar_cli.runs.partial import Partial


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything kept is written at once."""
    monkeypatch.setattr(partial_module, "_INTERVAL", -1.0)
    monkeypatch.setattr(partial_module, "_SHARE", 0)


def stopping_after(count: int):
    """A progress callback that interrupts at its `count`-th call."""
    calls: list[tuple] = []

    def progress(*arguments) -> None:
        calls.append(arguments)
        if len(calls) == count:
            raise KeyboardInterrupt

    return progress


def test_gram_matrices_go_on_where_they_stopped(eager, tmp_path: Path) -> None:
    generator, _ = rotated_product(5)
    at = Latents(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)))
    expected = gram_matrices(Response(generator), at, torch.eye(5), budget=1)
    path = tmp_path / "partial.safetensors"
    with pytest.raises(KeyboardInterrupt):
        kept = Partial(path).section("fit")
        gram_matrices(Response(generator), at, torch.eye(5), budget=1, callback=stopping_after(4), kept=kept)
    seen: list[int] = []
    again = gram_matrices(Response(generator), at, torch.eye(5), budget=1, callback=seen.append, kept=Partial(path).section("fit"))
    assert torch.equal(again, expected)
    assert seen == [5, 6, 7]


def test_activeness_goes_on_where_it_stopped(eager, tmp_path: Path) -> None:
    response = Response(linear(torch.randn(16, 5, generator=torch.Generator().manual_seed(2))))
    at = Latents(torch.zeros(3, 5))
    path = tmp_path / "partial.safetensors"
    with pytest.raises(KeyboardInterrupt):
        activeness(response, at, torch.eye(5), callback=stopping_after(2), kept=Partial(path).section("a"))
    seen: list[int] = []
    again = activeness(response, at, torch.eye(5), callback=seen.append, kept=Partial(path).section("a"))
    assert torch.equal(again, activeness(response, at, torch.eye(5)))
    assert seen == [3, 4, 5]


@pytest.mark.parametrize(
    ("method", "calls"),
    [("orojar", 1), ("orojar", 4), ("orojar", 8), ("jacobian-pca", 1), ("orojar-sgd", 3), ("hessian", 5), ("hessian", 6)],
)
def test_an_interrupted_method_ends_as_if_nothing_had_happened(eager, tmp_path: Path, method: str, calls: int) -> None:
    generator, _ = rotated_product(5)
    options = {"steps": 6, "batch": 4} if method in ("orojar-sgd", "hessian") else {}
    settings = {"space": "z", "num": 5, "samples": 64, "subspace": 5, "options": options}
    expected = METHODS[method](generator, Settings(**settings))
    path = tmp_path / "partial.safetensors"
    with pytest.raises(KeyboardInterrupt):
        METHODS[method](generator, Settings(**settings, partial=Partial(path)), stopping_after(calls))
    assert path.exists()
    again = METHODS[method](generator, Settings(**settings, partial=Partial(path)))
    assert torch.equal(again.directions, expected.directions)
    assert torch.equal(again.activeness, expected.activeness)
    assert again.options == expected.options


def test_nothing_is_written_before_it_is_worth_it(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "partial.safetensors")
    partial.section("a").write({"x": torch.zeros(2)})
    assert not list(tmp_path.iterdir())
    assert partial.flush() and partial.path is not None and partial.path.exists()
    partial.remove()
    assert not list(tmp_path.iterdir())
    assert not Partial().flush()


def test_another_computation_and_another_file_are_refused(eager, tmp_path: Path) -> None:
    path = tmp_path / "partial.safetensors"
    Partial(path, {"seed": 0}).section("a").write({"x": torch.zeros(2)})
    assert torch.equal(Partial(path, {"seed": 0}).read("a")["x"], torch.zeros(2))
    with pytest.raises(OptionError, match="other settings"):
        Partial(path, {"seed": 1})
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputFileError, match="start again"):
        Partial(path)
