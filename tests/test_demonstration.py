"""The demonstration is part of the package, and `checkpoints/` shows a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import ROOT

from orojar_cli import demonstration as package
from orojar_cli.demonstration import demonstration, is_demonstration
from orojar_cli.errors import InputFileError


@pytest.mark.parametrize("bundled", demonstration(), ids=lambda path: path.name)
def test_the_copy_people_see_is_the_bundled_file(bundled: Path) -> None:
    assert bundled.parent == Path(package.__file__).parent
    assert bundled.read_bytes() == (ROOT / "checkpoints" / bundled.name).read_bytes()


def test_the_directions_are_known_by_their_place(tmp_path: Path) -> None:
    bundled = demonstration()[1]
    assert is_demonstration(bundled) and is_demonstration(ROOT / "checkpoints" / bundled.name)
    own = tmp_path / bundled.name
    own.write_bytes(bundled.read_bytes())
    assert not is_demonstration(own), "a copy of the user's own is the user's"


def test_a_broken_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "files", lambda name: tmp_path)
    with pytest.raises(InputFileError, match=r"missing from .*; install orojar again"):
        demonstration()
