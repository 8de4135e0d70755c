"""The training loop: stages of Adam on a mapping, every step drawn from the seed and its own number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from orojar_cli.distributed import add_gradients
from orojar_cli.errors import NumericalError
from orojar_cli.progress import Progress
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.watch import Watch, stalled_at

_BETAS = (0.9, 0.99)
_FLOOR = 0.05
_RECORD_EVERY = 50
_LOOK_EVERY = 10
# mapping, step, source of the step's randomness -> "total" and the parts it is made of
Losses = Callable[[Any, int, torch.Generator], dict[str, Tensor]]


class Companion(Protocol):
    """A network trained beside the mapping (a critic): it takes its own step first, and its parts are saved with the state."""

    parts: dict[str, tuple[nn.Module, torch.optim.Adam]]

    def step(self, mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]: ...


class Kept:
    """A companion that does nothing: modules, by the prefix of their names, that a stage needs as they are, saved with its state."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self.parts: dict[str, tuple[nn.Module, torch.optim.Adam]] = {
            prefix: (module, torch.optim.Adam(module.parameters(), 0.0)) for prefix, module in modules.items()
        }

    def step(self, mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Nothing."""
        return {}


@dataclass(frozen=True)
class Stage:
    """One stretch of training: its losses, its length, and the highest learning rate, which falls to a twentieth by a cosine.

    One that is not `needed`, asked with the mapping when it would begin, is left out.  `module` is trained in place of the mapping.
    """

    name: str
    steps: int
    rate: float
    losses: Losses
    watched: bool = True
    companion: Companion | None = None
    needed: Callable[[Any], bool] | None = None
    module: nn.Module | None = None


def run_stages(
    mapping: Any, stages: Sequence[Stage], seed: int, state: TrainingState, progress: Progress | None = None, watch: Watch | None = None
) -> None:
    """Train `mapping` in place through all stages, from where `state` was saved; the records are in `state.history`.

    An interrupted and resumed run ends exactly where an uninterrupted one does.  In a group of processes (torch.distributed) the
    stages' losses are those of the whole batch, of which each process differentiates its share; the gradients are summed.
    Raises NumericalError when a loss is not finite.
    """
    for number, stage in enumerate(stages):
        if number < state.stage:
            continue
        trained = mapping if stage.module is None else stage.module
        optimiser = torch.optim.Adam(trained.parameters(), stage.rate, betas=_BETAS)
        parts = {"": (trained, optimiser)} | (stage.companion.parts if stage.companion is not None else {})
        step = state.restore(parts)
        if step == 0 and stage.needed is not None and not stage.needed(mapping):
            continue
        stalled = stalled_at(state.history, number)
        while step < (end := _end(stage, watch, stalled)):
            for group in optimiser.param_groups:
                group["lr"] = stage.rate * _rate(step, stage.steps, end, stalled)
            rng = torch.Generator().manual_seed(seed * 1_000_003 + (number + 1) * 10_000_019 + step)
            beside = stage.companion.step(trained, step, rng) if stage.companion is not None else {}
            losses = stage.losses(trained, step, rng)
            # Looking waits for the device, and what is once not finite stays so.
            looked = losses["total"].device.type == "cpu" or (step + 1) % _LOOK_EVERY == 0 or step + 1 == end
            if (looked or (step + 1) % state.every == 0) and not bool(torch.isfinite(losses["total"])):
                raise NumericalError(f"the loss is not finite at step {step + 1} of {stage.name}; use smaller weights or fewer steps")
            optimiser.zero_grad()
            losses["total"].backward()
            add_gradients(trained.parameters())
            optimiser.step()
            step += 1
            if step % _RECORD_EVERY == 0:
                values = {name: float(value.detach()) for name, value in (losses | beside).items()}
                state.history.append({"stage": number, "step": step} | values)
            if watch is not None and stage.watched and step % watch.every == 0:
                watch.look(trained, stage.losses, state.history, number, step, stage.steps)
                stalled = stalled_at(state.history, number)
            state.save(parts, number, step, last=step >= _end(stage, watch, stalled))
            if progress is not None:
                progress(stage.name, step, end)


def _end(stage: Stage, watch: Watch | None, stalled: int | None) -> int:
    """The last step: the planned one, or after a stall as many more as the rate needs to come down."""
    return stage.steps if stalled is None or watch is None else min(stage.steps, stalled + watch.every)


def _rate(step: int, steps: int, end: int, stalled: int | None) -> float:
    """The cosine's multiplier; from a stall to the end it goes down in a line."""
    if stalled is None or step < stalled:
        return _FLOOR + (1 - _FLOOR) / 2 * (1 + math.cos(math.pi * step / steps))
    rest = (end - step) / max(1, end - stalled)
    return _FLOOR + rest * (_rate(stalled, steps, end, None) - _FLOOR)


def ramp(step: int, length: int) -> float:
    """A weight's multiplier while it warms up over the first `length` steps."""
    return min(1.0, (step + 1) / length) if length else 1.0
