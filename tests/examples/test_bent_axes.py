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


class _Toy:
    """Images exp(0.5 z_0) * (z_1, 1): whatever the other coordinates of z [N, 5] are."""

    def __init__(self, bent) -> None:
        self.bent = bent

    def columns(self, z: torch.Tensor) -> torch.Tensor:
        grown = (0.5 * z[:, 0]).exp()
        first = torch.stack([0.5 * grown * z[:, 1], 0.5 * grown], 1)
        second = torch.stack([grown, torch.zeros_like(grown)], 1)
        constant = torch.tensor([[1.0, 0], [0, 2], [3, 4]])[:, :2].expand(len(z), -1, -1)
        return torch.cat([torch.stack([first, second], 1), constant], 1)


def test_changes_of_columns_are_those_of_the_formula(bent) -> None:
    """Along z_0 both columns grow by half their length; along z_1 only the first one changes; along all others nothing does."""
    z = torch.tensor([[0.3, 0.7, 0, 0, 0]]).expand(300, -1)
    mixed, norms = bent.column_changes(_Toy(bent), z, torch.Generator().manual_seed(0))
    seen = sorted({tuple(round(value, 4) for value in row) for row in torch.cat([mixed, norms], 1).tolist()})
    # d J_0 / d z_1 = (0.5, 0) exp(0.5 z_0), |J_0| = 0.5 exp(0.5 z_0) sqrt(z_1^2 + 1), and d log |J_0| / d z_1 = z_1 / (z_1^2 + 1).
    expected = [
        (0, 0, 0, 0, 0, 0, 0, 0),
        (0.25, 0, 0, 0, 0.25, 0, 0, 0),
        (1 / 1.49, 0, 0, 0, (0.7 / 1.49) ** 2, 0, 0, 0),
    ]
    assert len(seen) == 3
    for row, told in zip(seen, expected, strict=True):
        assert row == pytest.approx(told, abs=3e-3)


def test_a_column_of_few_pixels_is_sparse(bent) -> None:
    columns = torch.tensor([[[1.0, 1, 1, 1], [0, 0, -5, 0]]])
    assert float(bent.spread_out(columns)) == pytest.approx((1 + 0.5) / 2)


def test_a_held_map_bends_and_keeps_its_volume(bent) -> None:
    """The second axis turns into the first by as much as the sixth says: the map takes most of that back, and no axis vanishes."""

    def surrogate(c: torch.Tensor) -> torch.Tensor:
        return torch.stack([c[:, 0] + 0.7 * c[:, 1] * c[:, 5].tanh(), c[:, 1], c[:, 2], c[:, 3], c[:, 4]], 1)

    def columns(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return bent.axis_columns(lambda z, _: (lambda c: (surrogate(c), c))(move(z)), z, z[:, :0], 5)

    torch.manual_seed(0)
    move, z = bent.Held(7, 5, 24), bent.normal(500, 7, 1)
    before = bent.squared_cosines(columns(z)[0]).item()
    move.train_on(surrogate, torch.ones(7), 150)
    images, coordinates = (part.detach() for part in columns(z))
    assert bent.squared_cosines(images) < 0.5 * before
    assert torch.linalg.slogdet(coordinates[:, :, :5])[1].abs().mean() < 0.1
    assert torch.equal(move(z)[:, 5:], z[:, 5:])


def test_unknown_criteria_are_told(bent, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["bent_axes.py", "--criterion", "cosines+norm"])
    with pytest.raises(SystemExit):
        bent.main()
    assert "unknown criterion norm; choose of cosines, mixed, norms, sparse" in capsys.readouterr().err


@pytest.mark.slow
def test_the_table_is_made_and_cosines_fall(bent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    out = tmp_path / "bent.json"
    monkeypatch.setattr(
        "sys.argv", ["bent_axes.py", "--steps", "60", "--samples", "8", "--images", "2000", "--latents", "32", "--out", str(out)]
    )
    bent.main()
    table = json.loads(out.read_text())
    assert list(table) == ["straight", "turned, cosines", "free, cosines", "held, cosines"] and capsys.readouterr().out.count("\n") == 4
    assert table["free, cosines"]["cosines"] < 0.9 * table["straight"]["cosines"]
    for name in ("straight", "turned, cosines", "held, cosines"):
        assert 0.9 < table[name]["least"] <= table[name]["most"] < 1.1
    assert all(0 <= row[score] <= 1 for row in table.values() for score in ("disentanglement", "completeness", "best"))


def test_a_sum_of_criteria_is_minimised(bent) -> None:
    """Columns of a linear generator that are far from orthogonal become so under a map that nothing holds, beside another criterion."""
    mixing = torch.eye(7)
    mixing[0, 1] = mixing[2, 3] = mixing[4, 0] = 0.8

    class Linear:
        num_ws = 1

        @staticmethod
        def synthesis(ws: torch.Tensor) -> torch.Tensor:
            return (ws[:, 0] @ mixing)[:, None, None]

    torch.manual_seed(0)
    move = bent.Bent(Linear(), torch.zeros(7), torch.eye(7), bent.Free(5, 24))
    z = bent.normal(200, 7, 1)
    before = bent.squared_cosines(move.columns(z)).item()
    assert before > 0.02
    move.train("cosines+norms", {"cosines": before, "norms": 1.0}, 120)
    assert bent.squared_cosines(move.columns(z)).item() < 0.5 * before
    assert bent.CRITERIA["norms"](move, z, torch.Generator().manual_seed(0)).item() < 0.1
