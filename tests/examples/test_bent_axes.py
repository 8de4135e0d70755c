"""The measurement in examples/bent_axes.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from paths import ROOT


@pytest.fixture
def bent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return __import__("bent_axes")


def test_twists_keep_the_normal_distribution(bent) -> None:
    """Lengths stay and so do volumes, with angles of some radians."""
    torch.manual_seed(0)
    move = bent.turned(4).requires_grad_(False)
    z = torch.randn(6, 7)
    assert torch.equal(move(z), z)
    for twist in move:
        torch.nn.init.normal_(twist.angle[-1].weight)
    assert float((move(z) - z).abs().max()) > 1 and torch.equal(move(z)[:, 4:], z[:, 4:])
    assert torch.allclose(move(z).norm(dim=1), z.norm(dim=1), atol=1e-5)
    for point in z:
        slope = torch.func.jacrev(lambda point: move(point[None])[0])(point)
        assert float(torch.linalg.det(slope)) == pytest.approx(1, abs=1e-3)
        assert float((slope.T @ slope - torch.eye(7)).abs().max()) > 0.1  # no rotation of the whole


def test_the_criterion_sees_every_axis_alike(bent) -> None:
    columns = torch.tensor([[[1.0, 0], [100, 100]], [[2, 0], [0, 3]]])
    assert float(bent.squared_cosines(columns)) == pytest.approx(0.25)


@pytest.mark.slow
def test_the_table_is_made_and_cosines_fall(bent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    out = tmp_path / "bent.json"
    monkeypatch.setattr("sys.argv", ["bent_axes.py", "--steps", "60", "--samples", "8", "--latents", "32", "--out", str(out)])
    bent.main()
    table = json.loads(out.read_text())
    assert list(table) == ["straight", "turned", "free"] and capsys.readouterr().out.count("\n") == 3
    assert table["free"]["cosine"] < 0.9 * table["straight"]["cosine"]
    for name in ("straight", "turned"):
        assert 0.9 < table[name]["least"] <= table[name]["most"] < 1.1
    assert all(0 <= row[score] <= 1 for row in table.values() for score in ("disentanglement", "completeness", "best"))
