from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toys import linear, rotated_product

from orojar_cli.directions import METHODS, Settings
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import activeness
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.runs import resume
from orojar_cli.runs.clock import work
from orojar_cli.runs.resume import PARTIAL, Partial, resumable
from orojar_cli.runs.run import RunWriter
from orojar_cli.tuning.state import TrainingState


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything kept is written at once."""
    monkeypatch.setattr(resume, "_INTERVAL", -1.0)
    monkeypatch.setattr(resume, "_SHARE", 0)


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


def test_how_to_continue_is_told_at_the_first_writing_and_when_interrupted(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt), resumable(tmp_path, {"seed": 0}, notice=told.append) as partial:
        partial.write("a", {"x": torch.zeros(2)})
        assert not told
        raise KeyboardInterrupt
    assert len(told) == 2 and all(f"--resume {tmp_path}" in line for line in told)
    with resumable(tmp_path, {"seed": 0}, notice=told.append) as partial:
        assert torch.equal(partial.read("a")["x"], torch.zeros(2))
    assert len(told) == 2 and not (tmp_path / PARTIAL).exists()
    with pytest.raises(KeyboardInterrupt), resumable(None, {}, notice=told.append) as partial:
        partial.write("a", {"x": torch.zeros(2)})
        raise KeyboardInterrupt
    assert len(told) == 2


def test_an_interruption_between_two_savings_leaves_the_last_one(tmp_path: Path) -> None:
    """Parameters go on changing in place; what is written when the work is interrupted is the state of a saving."""
    module = torch.nn.Linear(2, 2)
    parts = {"": (module, torch.optim.Adam(module.parameters()))}
    saved = module.weight.detach().clone()
    with pytest.raises(KeyboardInterrupt), resumable(tmp_path, {}) as partial:
        state = TrainingState(partial, every=2)
        state.save(parts, 0, 2, last=False)
        with torch.no_grad():
            module.weight.add_(1)
        state.history.append({"step": 3})
        state.save(parts, 0, 3, last=False)
        raise KeyboardInterrupt
    again = TrainingState(Partial(tmp_path / PARTIAL))
    assert (again.step, again.history) == (2, [])
    assert again.restore(parts) == 2
    assert torch.equal(module.weight, saved)


@pytest.mark.parametrize("ended", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_folder_that_stayed_empty_is_removed(tmp_path: Path, ended: type[BaseException]) -> None:
    with pytest.raises(ended), RunWriter(tmp_path, "discover", "a.pkl"):
        raise ended
    assert not list(tmp_path.iterdir())
    with work(0.0), pytest.raises(ended), RunWriter(tmp_path, "discover", "a.pkl", label="discover-sefa", argv=("discover",)) as run:
        run.metric(dimension=0)
        raise ended
    assert [path.name for path in tmp_path.iterdir()] == ["00000-discover-sefa-a"]
    finished = run.finish(options={}, checkpoint={"path": "a.pkl"}, device="cpu", artefacts={})
    assert (finished.manifest["command"], finished.manifest["argv"]) == ("discover", ["discover"])
    assert finished.manifest["seconds"] > 1e9


def test_an_interruption_costs_a_quarter_of_a_minute_and_writing_a_twentieth_of_the_time(tmp_path: Path, monkeypatch) -> None:
    """By a clock of the test's own, which writing a file moves on by two seconds."""
    clock, written = [100.0], []

    def slow_write(path: Path, data: bytes) -> None:
        written.append(clock[0])
        clock[0] += 2

    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(resume, "write_bytes", slow_write)
    section = Partial(tmp_path / "partial.safetensors").section("a")
    while clock[0] < 200:
        section.write({"x": torch.zeros(2)})
        clock[0] += 1
    # After 15 seconds; then 20 times as long as the writing took after its end.
    assert written == [115.0, 157.0, 199.0]
