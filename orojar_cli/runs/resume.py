"""Going on after an interruption: finished parts of long work in one file of a run's folder, refused by any other work."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from orojar_cli.distributed import as_first, is_first, is_shared
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import write_bytes
from orojar_cli.progress import Notice

FORMAT = "orojar-resume-1"
PARTIAL, TRAINING = "partial.safetensors", "training.safetensors"
_INTERVAL = 15.0  # seconds of work that an interruption may cost
_SHARE = 20  # of the time, at most one part in this many is spent writing


class Partial:
    """Named sections of tensors, and a `record` of JSON beside them.  Without a path it remembers nothing and costs nothing.

    In a group of processes the first one reads and writes, so only its machine needs the file.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, identity: dict[str, Any] | None = None, began: Callable[[], None] | None = None
    ) -> None:
        """`identity` says what is being computed: what another computation left is refused.  `began` is called at the first writing.

        Raises InputFileError for a file that is something else, OptionError for one of another computation.
        """
        self.path = None if path is None else Path(path)
        self.identity = json.loads(json.dumps(identity or {}))
        self.record: dict[str, Any] = {}
        self._began = began
        self._sections: dict[str, dict[str, Tensor]] = {}
        self._due = time.monotonic() + _INTERVAL
        if self.path is not None and (data := _first_process_bytes(self.path)):
            self._load(self.path, data)

    def _load(self, path: Path, data: bytes) -> None:
        try:
            tensors = safetensors.torch.load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            kept = json.loads(header["__metadata__"]["orojar"])
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise InputFileError(f"{path} is not the state of an interrupted command; start again without --resume") from error
        if kept.get("format") != FORMAT or kept.get("identity") != self.identity:
            raise OptionError(f"{path} belongs to other settings or another network; repeat the interrupted command to resume it")
        self.record = kept["record"]
        for key, tensor in tensors.items():
            section, _, name = key.partition("/")
            self._sections.setdefault(section, {})[name] = tensor

    def number(self, name: str, choose: Callable[[], int]) -> int:
        """What `choose` gave the first time: an interrupted computation goes on with a number that a clock chose, as does every process."""
        number = self.read(name).get("number")
        if number is None:
            number = as_first(torch.tensor(choose(), device="cpu"))
            self.write(name, {"number": number})
        return int(number)

    def section(self, name: str) -> Section:
        """One part of the work by its name, which has no slash."""
        return Section(self, name)

    def read(self, name: str) -> dict[str, Tensor]:
        """What was kept of a section, empty where there is nothing."""
        return self._sections.get(name, {})

    def write(self, name: str, tensors: dict[str, Tensor], *, at_once: bool = False) -> None:
        """Keep these tensors as the section's present state; everything kept goes to the file every quarter of a minute, or `at_once`."""
        if self.path is None:
            return
        self._sections[name] = tensors
        if at_once or time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> bool:
        """Write what is kept now; False where there is nothing to write."""
        if self.path is None or not self._sections or not is_first():
            return False
        started = time.monotonic()
        payload = {
            f"{section}/{name}": tensor.detach().cpu().contiguous()
            for section, tensors in self._sections.items()
            for name, tensor in tensors.items()
        }
        kept = {"format": FORMAT, "identity": self.identity, "record": self.record}
        write_bytes(self.path, safetensors.torch.save(payload, {"orojar": json.dumps(kept)}))
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


@contextmanager
def resumable(
    folder: Path | None, identity: dict[str, Any], *, file: str = PARTIAL, keep: bool = False, notice: Notice | None = None
) -> Iterator[Partial]:
    """Yield what keeps the finished parts of long work in a run's folder; without a folder nothing is kept.

    `notice` is told how to continue, at the first writing and when the work is interrupted.  When the work is done the file is removed,
    unless `keep`.
    """
    hint = f"to continue, repeat the command with --resume {shlex.quote(str(folder))}"
    tell: Notice = notice or (lambda line: None)
    partial = Partial(None if folder is None else folder / file, identity, began=lambda: tell(f"after an interruption {hint}"))
    try:
        yield partial
    except KeyboardInterrupt:
        if partial.flush():
            tell(hint)
        raise
    if not keep:
        partial.remove()


def _first_process_bytes(path: Path) -> bytes:
    """The file as the first process of the group finds it; empty where there is none."""
    data, problem = b"", None
    if is_first() and path.exists():
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = error
    size = int(as_first(torch.tensor(-1 if problem else len(data), device="cpu")))
    if size < 0:
        raise InputFileError(f"{path} cannot be read; check its permissions or start again without --resume") from problem
    if not is_shared():
        return data
    numbers = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.zeros(size, dtype=torch.uint8, device="cpu")
    return as_first(numbers).numpy().tobytes()
