"""Finished parts of long work, kept in a file, so that an interrupted command continues instead of starting again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import write_bytes

FORMAT = "orojar-partial-1"
_INTERVAL = 15.0  # seconds of work that an interruption may cost
_SHARE = 20  # of the time, at most one part in this many is spent writing


class Partial:
    """Named sections of tensors.  Without a path it remembers nothing and costs nothing."""

    def __init__(
        self, path: str | os.PathLike[str] | None = None, identity: dict[str, Any] | None = None, began: Callable[[], None] | None = None
    ) -> None:
        """`identity` says what is being computed: what another computation left is refused.  `began` is called at the first writing.

        Raises InputFileError for a file that is something else, OptionError for one of another computation.
        """
        self.path = None if path is None else Path(path)
        self.identity = json.loads(json.dumps(identity or {}))
        self._began = began
        self._sections: dict[str, dict[str, Tensor]] = {}
        self._due = time.monotonic() + _INTERVAL
        if self.path is not None and self.path.exists():
            self._load(self.path)

    def _load(self, path: Path) -> None:
        try:
            with safetensors.safe_open(path, "pt") as file:
                record = json.loads((file.metadata() or {})["orojar"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
            raise InputFileError(f"{path} is not the state of an interrupted command; start again without --resume") from error
        if record.get("format") != FORMAT or record.get("identity") != self.identity:
            raise OptionError(f"{path} belongs to other settings or another network; repeat the interrupted command to resume it")
        for key, tensor in tensors.items():
            section, _, name = key.rpartition("/")
            self._sections.setdefault(section, {})[name] = tensor

    def section(self, name: str) -> Section:
        """One part of the work by its name."""
        return Section(self, name)

    def read(self, name: str) -> dict[str, Tensor]:
        """What was kept of a section, empty where there is nothing."""
        return self._sections.get(name, {})

    def write(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Keep these tensors as the section's present state; every quarter of a minute everything kept goes to the file."""
        if self.path is None:
            return
        self._sections[name] = tensors
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> bool:
        """Write what is kept now; False where there is nothing to write."""
        if self.path is None or not self._sections:
            return False
        started = time.monotonic()
        payload = {
            f"{section}/{name}": tensor.detach().cpu().contiguous()
            for section, tensors in self._sections.items()
            for name, tensor in tensors.items()
        }
        record = {"format": FORMAT, "identity": self.identity}
        write_bytes(self.path, safetensors.torch.save(payload, {"orojar": json.dumps(record)}))
        if self._began is not None:
            self._began()
            self._began = None
        now = time.monotonic()
        self._due = now + max(_INTERVAL, _SHARE * (now - started))
        return True

    def remove(self) -> None:
        """Delete the file: the work is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class Section:
    """One named part of a `Partial`."""

    def __init__(self, partial: Partial, name: str) -> None:
        self._partial, self._name = partial, name

    def read(self) -> dict[str, Tensor]:
        """What was kept, empty where there is nothing."""
        return self._partial.read(self._name)

    def write(self, tensors: dict[str, Tensor]) -> None:
        """Keep the present state.  Tensors that go on changing in place must be passed as copies, or say themselves how far they are."""
        self._partial.write(self._name, tensors)
