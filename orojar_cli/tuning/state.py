"""Where a training run is: parameters, Adam's moments and records, kept in a `Partial` every so many steps to continue from."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from orojar_cli.distributed import is_first
from orojar_cli.runs.resume import Partial

_SECTION = "training"
Parts = dict[str, tuple[nn.Module, torch.optim.Adam]]


class TrainingState:
    """Parameters and Adam's moments of everything that trains, stage, step and records of a run; without a file it keeps nothing."""

    def __init__(self, kept: Partial | None = None, every: int = 100) -> None:
        """Continue from what is `kept`, and keep the state at every `every`-th step."""
        self._kept = kept or Partial()
        self.every = every
        self._tensors = self._kept.read(_SECTION)
        record: dict[str, Any] = {"stage": 0, "step": 0, "history": []} | self._kept.record
        self.stage, self.step = record["stage"], record["step"]
        self.history: list[dict[str, Any]] = record["history"]

    def restore(self, parts: Parts) -> int:
        """Load what was kept into modules and optimisers, at the first call; the step to continue at (0 where nothing was kept)."""
        saved, self._tensors = self._tensors, {}
        if not saved:
            return 0
        for prefix, (module, optimiser) in parts.items():
            for name, parameter in module.named_parameters():
                with torch.no_grad():
                    parameter.copy_(saved[f"{prefix}parameter.{name}"])
                if f"{prefix}first.{name}" in saved:
                    optimiser.state[parameter] = {
                        "step": saved[f"{prefix}count.{name}"].clone(),
                        "exp_avg": saved[f"{prefix}first.{name}"].to(parameter, copy=True),
                        "exp_avg_sq": saved[f"{prefix}second.{name}"].to(parameter, copy=True),
                    }
        return self.step

    def save(self, parts: Parts, stage: int, step: int, *, last: bool) -> None:
        """Write the state at every `every`-th step and at the last of a stage; `parts` by the prefix of their names."""
        if self._kept.path is None or (step % self.every and not last) or not is_first():
            return
        tensors = {}
        for prefix, (module, optimiser) in parts.items():
            for name, parameter in module.named_parameters():
                tensors[f"{prefix}parameter.{name}"] = parameter
                # A parameter that no loss has reached yet has no moments.
                if moments := optimiser.state.get(parameter):
                    tensors[f"{prefix}count.{name}"] = moments["step"]
                    tensors[f"{prefix}first.{name}"], tensors[f"{prefix}second.{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
        # Training goes on in place: an interruption between two savings must find the last one as it was.
        copies = {key: tensor.detach().cpu().clone() for key, tensor in tensors.items()}
        self._kept.record = {"stage": stage, "step": step, "history": list(self.history)}
        self._kept.write(_SECTION, copies, at_once=True)
