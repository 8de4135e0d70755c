"""Run directories: numbered folders with run.json, the artefacts and pictures of one command; finding the newest."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from orojar_cli.errors import InputFileError, OutputFileError
from orojar_cli.files import write_text
from orojar_cli.progress import Notice
from orojar_cli.runs.clock import began

FORMAT = "orojar-run-1"
DEFAULT_OUTDIR = "orojar-runs"
DIRECTIONS, METRICS, MANIFEST = "directions.safetensors", "metrics.jsonl", "run.json"
_LARGEST = 1 << 24  # bytes of a manifest
# What a manifest holds, as JSON gives it.
_FIELDS: dict[str, type] = {
    "command": str,
    "argv": list,
    "options": dict,
    "checkpoint": dict,
    "artefacts": dict,
    "device": str,
    "seconds": float,
    "finished": str,
    "versions": dict,
}
_NUMBERED = re.compile(r"(\d{5,})-")
# Folders being made: whoever ends this process between making one and beginning to write into it must not leave it behind.
_MADE: set[Path] = set()


@atexit.register
def _remove_empty() -> None:
    for path in _MADE:
        with contextlib.suppress(OSError):
            path.rmdir()


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and its manifest."""

    path: Path
    manifest: dict[str, Any]

    @property
    def directions(self) -> Path:
        return self.path / DIRECTIONS

    @property
    def checkpoint(self) -> Path:
        """The network its directions belong to: an artefact of the run, or the file it was given."""
        inside = self.manifest.get("artefacts", {}).get("checkpoint")
        return self.path / inside if inside else Path(self.manifest["checkpoint"]["path"])


def written_at(run: Run | None) -> str:
    """ ", run PATH" for the short description of a result, nothing where it was not written."""
    return "" if run is None else f", run {run.path}"


class RunWriter:
    """A run being made.  The manifest is written last, so a folder without one is unfinished and never picked up.

    As a context it removes the folder where work ended by any exception before something was written into it.
    """

    def __init__(
        self,
        outdir: str | os.PathLike[str],
        command: str,
        checkpoint: str | os.PathLike[str],
        resume: str | os.PathLike[str] | None = None,
        *,
        label: str | None = None,
        argv: Sequence[str] = (),
    ) -> None:
        """Create the next numbered folder `NNNNN-label-name` (`label`: the command where nothing else is said), or go on in `resume`.

        `argv` is the command line.  The time taken counts from when the work began (see `clock`).
        Raises OutputFileError where that cannot be done, InputFileError where there is no folder to continue in.
        """
        self.command, self.argv = command, list(argv)
        self.started = began()
        self._metrics: list[str] = []
        if resume is not None:
            self.path = Path(resume)
            if not self.path.is_dir():
                raise InputFileError(f"{self.path} is not the folder of a run; pass the one the interrupted command named")
            return
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(checkpoint).stem)[:40].strip("-.") or "network"
        self.path = _next_folder(Path(outdir), f"{label or command}-{name}")

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def metric(self, **values: Any) -> None:
        """Add one line to metrics.jsonl."""
        self._metrics.append(json.dumps(values))
        write_text(self.path / METRICS, "\n".join(self._metrics) + "\n")

    def finish(self, *, options: dict[str, Any], checkpoint: dict[str, str], device: str, artefacts: dict[str, str]) -> Run:
        """Write run.json, which makes the run one that others can use."""
        manifest = {
            "format": FORMAT,
            "command": self.command,
            "argv": self.argv,
            "options": options,
            "checkpoint": checkpoint,
            "artefacts": artefacts,
            "device": device,
            "seconds": round(time.time() - self.started, 3),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": versions(),
        }
        write_text(self.path / MANIFEST, json.dumps(manifest, indent=2) + "\n")
        return Run(self.path, manifest)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("orojar", "torch", "numpy", "scipy", "pillow")
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"python": platform.python_version(), "platform": sys.platform}


def _numbers(outdir: Path) -> list[tuple[int, Path]]:
    if not outdir.is_dir():
        return []
    return sorted((int(match[1]), path) for path in outdir.iterdir() if (match := _NUMBERED.match(path.name)))


def _next_folder(outdir: Path, name: str) -> Path:
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        number = max((number for number, _ in _numbers(outdir)), default=-1) + 1
        while True:
            path = outdir / f"{number:05d}-{name}"
            # Another process may have taken the number under another name.
            if not any(taken == number for taken, _ in _numbers(outdir)):
                _MADE.add(path)
                path.mkdir()
                return path
            number += 1
    except OSError as error:
        raise OutputFileError(f"cannot make a run folder in {outdir}: {error.strerror or error}; choose another --outdir") from error


def check_outdir(outdir: str | os.PathLike[str]) -> None:
    """Raise OutputFileError where no run folder could be made: to be asked before long work."""
    for folder in (path := Path(outdir).absolute(), *path.parents):
        if folder.exists() or folder.is_symlink():
            if not folder.is_dir():
                raise OutputFileError(f"cannot make a run folder in {outdir}: {folder} is not a folder; choose another --outdir")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise OutputFileError(f"cannot make a run folder in {outdir}: {folder} may not be written; choose another --outdir")
            return


def load_run(path: str | os.PathLike[str]) -> Run:
    """The run in a folder, or around a file in it; raises InputFileError where there is none."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    try:
        with open(folder / MANIFEST, "rb") as file:
            manifest = json.loads(file.read(_LARGEST))
        _check(manifest)
    except OSError as error:
        raise InputFileError(f"{folder} is not a finished run (no readable {MANIFEST}); pass a run folder or a checkpoint") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputFileError(f"{folder / MANIFEST} is not the manifest of a run; pass another run folder") from error
    return Run(folder, manifest)


def _check(manifest: Any) -> None:
    """Raise KeyError, TypeError or ValueError unless a manifest is what `finish` writes: it is data that anybody may have changed."""
    if manifest["format"] != FORMAT:
        raise ValueError("format")
    for name, kind in _FIELDS.items():
        if type(manifest[name]) is not kind and not (kind is float and type(manifest[name]) is int):
            raise TypeError(name)
    # Of the network only what is used as a name of a file: the rest is shown where it is a text, and else passed over.
    made_from = {name: value for name, value in manifest["checkpoint"].items() if name != "generator"} | {
        "path": manifest["checkpoint"]["path"]
    }
    for values in (made_from.values(), manifest["artefacts"].values(), manifest["versions"].values(), manifest["argv"]):
        if not all(type(value) is str and "\0" not in value for value in values):
            raise TypeError("text")


def is_in_run(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a run folder or an artefact of one."""
    path = Path(path)
    return ((path if path.is_dir() else path.parent) / MANIFEST).is_file()


def latest_run(outdir: str | os.PathLike[str], notice: Notice | None = None) -> Run | None:
    """The finished run with the highest number that has directions, or None; `notice` is told of newer ones that are damaged."""
    return next(_with_directions(Path(outdir), notice), None)


def runs_with_directions(outdir: str | os.PathLike[str]) -> list[Run]:
    """The finished runs that have directions, newest first."""
    return list(_with_directions(Path(outdir), None))


def _with_directions(outdir: Path, notice: Notice | None) -> Iterator[Run]:
    for _, path in reversed(_numbers(outdir)):
        if (path / MANIFEST).is_file() and (path / DIRECTIONS).is_file():
            try:
                yield load_run(path)
            except InputFileError as error:
                if notice is not None:
                    notice(f"passed over: {error}")
