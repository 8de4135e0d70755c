"""What was measured, kept as JSON: each run is written as it comes, and one that is there is not measured again."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from orojar_cli.errors import InputFileError
from orojar_cli.files import write_text


def processor() -> str:
    """The processor's model, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def subject(sha256: str, yardstick: dict[str, int]) -> dict[str, Any]:
    """What all figures of a record share: the checkpoint's SHA-256, how it is measured, and on what."""
    return {
        "sha256": sha256,
        "yardstick": yardstick,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": processor(),
    }


def read(path: Path) -> dict[str, Any]:
    """The record in a file.  Raises InputFileError when it is missing or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputFileError(f"nothing was measured yet: {path} is missing; run without --write-only first") from error
    except ValueError as error:
        raise InputFileError(f"{path} is damaged ({error}); delete it and measure again") from error
    return record


class Record:
    """The runs of a subject's rows by seed.  What the file holds about another subject is dropped at the first run added."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        known = read(path) if path.exists() else {"subject": about}
        self.other = sorted(key for key, value in about.items() if known["subject"].get(key) != value)
        self.content: dict[str, Any] = {"subject": about, "rows": {}} if self.other or "rows" not in known else known

    def has(self, row: Any, seed: int) -> bool:
        """Whether that run was measured with the row's present settings."""
        known = self.content["rows"].get(row.name)
        return known is not None and known["settings"] == asdict(row) and any(run["seed"] == seed for run in known["runs"])

    def add(self, row: Any, seed: int, figures: dict[str, float]) -> None:
        """Put a run in the place of an earlier one of that seed, and write the file."""
        known = self.content["rows"].get(row.name)
        if known is None or known["settings"] != asdict(row):
            known = {"settings": asdict(row), "runs": []}
        runs = [run for run in known["runs"] if run["seed"] != seed] + [{"seed": seed} | figures]
        self.content["rows"][row.name] = known | {"runs": sorted(runs, key=lambda run: run["seed"])}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.content, indent=1) + "\n")
