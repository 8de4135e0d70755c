from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from orojar_cli.directions import Settings
from orojar_cli.errors import NumericalError
from orojar_cli.runs.resume import Partial
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.training import Stage, ramp, run_stages
from orojar_cli.tuning.watch import Watch, has_stalled, stalled_at


def quadratic(mapping: nn.Linear, step: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
    x = torch.randn(8, 3, generator=rng)
    return {"total": (mapping(x) - x.flip(1)).square().mean()}


def linear() -> nn.Linear:
    module = nn.Linear(3, 3)
    with torch.no_grad():
        module.weight.copy_(torch.eye(3))
        module.bias.zero_()
    return module


class Opponent:
    """A companion that trains a number of its own."""

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            self.module.weight.fill_(2.0)
        self.optimiser = torch.optim.Adam(self.module.parameters(), 0.1)
        self.parts = {"opponent.": (self.module, self.optimiser)}

    def step(self, mapping: nn.Linear, step: int, rng: torch.Generator) -> dict[str, float]:
        loss = (self.module.weight * torch.randn(1, generator=rng) - mapping.weight.detach().sum()).square().sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"opponent": float(loss.detach())}


class Pencil:
    """A watch that records given losses."""

    def __init__(self, totals: list[float], every: int = 5, patience: int = 2) -> None:
        self.totals, self.every, self.patience = totals, every, patience

    def look(self, mapping, losses, history, stage: int, step: int, steps: int) -> None:
        seen = [entry["held_out"]["total"] for entry in history if entry["stage"] == stage and "held_out" in entry]
        record = {"stage": stage, "step": step, "held_out": {"total": self.totals[len(seen)]}}
        if stalled_at(history, stage) is None and has_stalled([*seen, self.totals[len(seen)]], self.patience):
            record["stalled"] = True
        history.append(record)


@pytest.mark.parametrize("stop", [3, 12, 17, 33])
def test_a_run_with_a_companion_resumes_bit_by_bit(tmp_path: Path, stop: int) -> None:
    def run(state: TrainingState, interrupted_at: int | None = None) -> tuple[nn.Linear, Opponent]:
        mapping, opponent = linear(), Opponent()

        def losses(mapping: nn.Linear, step: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
            return {"total": quadratic(mapping, step, rng)["total"] + opponent.module.weight.detach().sum() * mapping.bias.sum()}

        def progress(stage: str, done: int, total: int) -> None:
            if interrupted_at is not None and done + (10 if stage == "second" else 0) == interrupted_at:
                raise KeyboardInterrupt

        stages = (Stage("first", 10, 0.1, quadratic, watched=False), Stage("second", 60, 0.1, losses, companion=opponent))
        run_stages(mapping, stages, 3, state, progress, Pencil([1.0, 0.5, 0.5, 0.5, 0.5, 0.5]))  # type: ignore[arg-type]
        return mapping, opponent

    whole, whole_opponent = run(TrainingState())
    path = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(TrainingState(Partial(path), every=4), stop)
    state = TrainingState(Partial(path), every=4)
    again, opponent = run(state)
    assert torch.equal(whole.weight, again.weight) and torch.equal(whole.bias, again.bias)
    assert torch.equal(whole_opponent.module.weight, opponent.module.weight)
    # Stalled at the fourth record of the second stage; then five more steps for the rate to come down.
    assert stalled_at(state.history, 1) == 20
    assert state.history[-1]["step"] == 25


def test_the_rate_falls_by_a_cosine_and_after_a_stall_in_a_line() -> None:
    def rates(totals: list[float]) -> list[float]:
        seen: list[float] = []
        mapping = linear()
        original = torch.optim.Adam.step

        def step(self, *arguments):
            seen.append(self.param_groups[0]["lr"])
            return original(self, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim.Adam, "step", step)
            run_stages(mapping, (Stage("only", 40, 0.2, quadratic),), 0, TrainingState(), None, Pencil(totals))  # type: ignore[arg-type]
        return seen

    whole = rates([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    assert len(whole) == 40 and whole[0] == pytest.approx(0.2) and whole[-1] < 0.012
    assert whole[20] == pytest.approx(0.2 * 0.525)
    stalled = rates([8.0, 8.0, 8.0] + [0.0] * 5)
    assert len(stalled) == 20 and stalled[:15] == whole[:15]
    assert stalled[15] == pytest.approx(whole[15]) and stalled[19] < whole[19]
    bends = [first - 2 * second + third for first, second, third in zip(stalled[15:18], stalled[16:19], stalled[17:], strict=True)]
    assert max(map(abs, bends)) < 1e-9


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    with pytest.raises(NumericalError, match="step 1 of broken"):
        run_stages(linear(), (Stage("broken", 5, 0.1, lambda *_: {"total": torch.tensor(float("nan"))}),), 0, TrainingState())


def test_stalls_and_ramps() -> None:
    assert not has_stalled([3, 2, 1], 1)
    assert has_stalled([3, 2, 1.999], 1)
    assert not has_stalled([3, 2, 1.999], 2)
    assert has_stalled([-1.0, -1.0, -1.0], 2) and not has_stalled([-1.0, -1.1, -1.2], 2)
    assert not has_stalled([1.0] * 50, 0)
    assert [ramp(step, 4) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert ramp(0, 0) == 1.0


def test_held_out_losses_are_of_batches_that_no_step_trains_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of every stage has samples of its own, the watch others, the same at every look, with all weights warmed up."""
    trained, watched = [], []

    def losses(mapping: nn.Linear, step: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
        (trained if torch.is_grad_enabled() else watched).append((step, rng.initial_seed()))
        return quadratic(mapping, step, rng)

    monkeypatch.setattr(Watch, "measure", lambda self, mapping: {})
    watch = Watch(None, None, None, Settings(seed=3), every=4)  # type: ignore[arg-type]
    run_stages(linear(), (Stage("first", 8, 0.1, losses), Stage("second", 8, 0.1, losses)), 3, TrainingState(), None, watch)
    seeds = [seed for _, seed in trained]
    assert len(set(seeds)) == len(seeds) == 16
    assert len(watched) == 8 and {step for step, _ in watched} == {8}
    assert len({seed for _, seed in watched}) == 2 and not {seed for _, seed in watched} & set(seeds)
