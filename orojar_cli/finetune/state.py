"""Where a training run is: written every so many steps, whole or not at all, and read back to continue."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import write_bytes

FORMAT = "orojar-training-1"


class TrainingState:
    """Parameters, Adam's moments, stage and step of a run; without a path it keeps nothing."""

    def __init__(self, path: str | os.PathLike[str] | None = None, every: int = 100, identity: dict[str, Any] | None = None) -> None:
        """`identity` says what is being trained; a file of another run is refused."""
        self.path = Path(path) if path is not None else None
        self.every, self.identity = every, identity or {}
        self.stage, self.step = 0, 0
        self.history: list[dict[str, float]] = []
        self._tensors: dict[str, torch.Tensor] = {}
        if self.path is not None and self.path.exists():
            self._load()

    def _load(self) -> None:
        assert self.path is not None
        try:
            with safetensors.safe_open(self.path, "pt") as file:
                record = json.loads((file.metadata() or {})["orojar"])
                self._tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
            raise InputFileError(f"{self.path} is not the state of a training run; start again without --resume") from error
        if record.get("format") != FORMAT or record.get("identity") != json.loads(json.dumps(self.identity)):
            raise OptionError(f"{self.path} belongs to a run with other settings or another network; use the same command to resume")
        self.stage, self.step, self.history = record["stage"], record["step"], record["history"]

    def restore(self, module: nn.Module, optimiser: torch.optim.Adam) -> int:
        """Load what was read into module and optimiser, at the first call; the step to continue at (0 where nothing was read)."""
        saved, self._tensors = self._tensors, {}
        if not saved:
            return 0
        parameters = dict(module.named_parameters())
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(saved[f"parameter.{name}"])
        for name, parameter in parameters.items():
            optimiser.state[parameter] = {
                "step": torch.tensor(float(self.step)),
                "exp_avg": saved[f"first.{name}"].to(parameter),
                "exp_avg_sq": saved[f"second.{name}"].to(parameter),
            }
        return self.step

    def save(self, module: nn.Module, optimiser: torch.optim.Adam, stage: int, step: int, *, last: bool) -> None:
        """Write the state at every `every`-th step and at the last of a stage."""
        if self.path is None or (step % self.every and not last):
            return
        tensors = {}
        for name, parameter in module.named_parameters():
            moments = optimiser.state[parameter]
            tensors[f"parameter.{name}"] = parameter.detach().cpu()
            tensors[f"first.{name}"] = moments["exp_avg"].cpu()
            tensors[f"second.{name}"] = moments["exp_avg_sq"].cpu()
        record = {"format": FORMAT, "identity": self.identity, "stage": stage, "step": step, "history": self.history}
        write_bytes(
            self.path, safetensors.torch.save({key: tensor.contiguous() for key, tensor in tensors.items()}, {"orojar": json.dumps(record)})
        )
