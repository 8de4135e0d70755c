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

from orojar_cli.distributed import as_first, is_first, is_shared
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import write_bytes

FORMAT = "orojar-training-2"
Parts = dict[str, tuple[nn.Module, torch.optim.Adam]]


class TrainingState:
    """Parameters and Adam's moments of everything that trains, stage, step and records of a run; without a path it keeps nothing.

    In a group of processes the first one reads and writes, so only its machine needs the file.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, every: int = 100, identity: dict[str, Any] | None = None) -> None:
        """`identity` says what is being trained; a file of another run is refused."""
        self.path = Path(path) if path is not None else None
        self.every, self.identity = every, identity or {}
        self.stage, self.step = 0, 0
        self.history: list[dict[str, Any]] = []
        self._tensors: dict[str, torch.Tensor] = {}
        if self.path is not None and (data := _first_process_bytes(self.path)):
            self._load(data)

    def _load(self, data: bytes) -> None:
        try:
            self._tensors = safetensors.torch.load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            record = json.loads(header["__metadata__"]["orojar"])
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise InputFileError(f"{self.path} is not the state of a training run; start again without --resume") from error
        if record.get("format") != FORMAT or record.get("identity") != json.loads(json.dumps(self.identity)):
            raise OptionError(f"{self.path} belongs to a run with other settings or another network; use the same command to resume")
        self.stage, self.step, self.history = record["stage"], record["step"], record["history"]

    def restore(self, parts: Parts) -> int:
        """Load what was read into modules and optimisers, at the first call; the step to continue at (0 where nothing was read)."""
        saved, self._tensors = self._tensors, {}
        if not saved:
            return 0
        for prefix, (module, optimiser) in parts.items():
            for name, parameter in module.named_parameters():
                with torch.no_grad():
                    parameter.copy_(saved[f"{prefix}parameter.{name}"])
                if f"{prefix}first.{name}" in saved:
                    optimiser.state[parameter] = {
                        "step": saved[f"{prefix}count.{name}"],
                        "exp_avg": saved[f"{prefix}first.{name}"].to(parameter),
                        "exp_avg_sq": saved[f"{prefix}second.{name}"].to(parameter),
                    }
        return self.step

    def save(self, parts: Parts, stage: int, step: int, *, last: bool) -> None:
        """Write the state at every `every`-th step and at the last of a stage; `parts` by the prefix of their names."""
        if self.path is None or (step % self.every and not last) or not is_first():
            return
        tensors = {}
        for prefix, (module, optimiser) in parts.items():
            for name, parameter in module.named_parameters():
                tensors[f"{prefix}parameter.{name}"] = parameter.detach()
                # A parameter that no loss has reached yet has no moments.
                if moments := optimiser.state.get(parameter):
                    tensors[f"{prefix}count.{name}"] = moments["step"]
                    tensors[f"{prefix}first.{name}"], tensors[f"{prefix}second.{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
        record = {"format": FORMAT, "identity": self.identity, "stage": stage, "step": step, "history": self.history}
        stored = {key: tensor.cpu().contiguous() for key, tensor in tensors.items()}
        write_bytes(self.path, safetensors.torch.save(stored, {"orojar": json.dumps(record)}))


def _first_process_bytes(path: Path) -> bytes:
    """The file as the first process of the group finds it; empty where there is none."""
    data, problem = b"", None
    if is_first() and path.exists():
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = error
    size = int(as_first(torch.tensor(-1 if problem else len(data))))
    if size < 0:
        raise InputFileError(f"{path} cannot be read; check its permissions or start again without --resume") from problem
    if not is_shared():
        return data
    numbers = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(size, dtype=torch.uint8)
    return as_first(numbers).numpy().tobytes()
