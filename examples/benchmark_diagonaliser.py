"""Time joint diagonalisers on synthetic Gram matrices: python examples/benchmark_diagonaliser.py [d,N ...] [--pyriemann-below 128].

Every matrix has the same eigenvectors, spectra of its own, and noise of rank 8 with 0.3 of its trace.  pyriemann's diagonalisers
are compared where it is installed; they work on a copy in NumPy, so large sets are left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, log_likelihood_loss, mean_eigenvectors, normalise_by_trace, orojar_loss

Solver = Callable[[Tensor, Tensor], Tensor]


def synthetic(dim: int, count: int, source: torch.Generator) -> Iterator[Tensor]:
    """Endless sets of unit-trace Gram matrices [count, dim, dim] from one population."""
    truth = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=source)).Q
    spectrum = torch.exp(-4 * torch.arange(dim, dtype=torch.float64) / dim)

    def one() -> Tensor:
        values = spectrum * torch.exp(0.7 * torch.randn(dim, dtype=torch.float64, generator=source))
        factors = (torch.randn(8, dim, dtype=torch.float64, generator=source) * spectrum.sqrt()) @ truth
        noise = factors.T @ factors
        return truth.T @ (values[:, None] * truth) / values.sum() + 0.3 * noise / noise.trace()

    while True:
        yield normalise_by_trace(torch.stack([one() for _ in range(count)]))


def pyriemann_solvers() -> dict[str, Solver]:
    """rjd (Cardoso & Souloumiac) and ajd_pham, the latter made orthogonal; empty without pyriemann."""
    try:
        from pyriemann.geometry.ajd import ajd_pham, rjd
    except ImportError:
        return {}

    def orthogonal(found: Tensor) -> Tensor:
        left, _, right = torch.linalg.svd(found / found.norm(dim=1, keepdim=True))
        return left @ right

    return {
        "pyriemann rjd": lambda grams, _: torch.from_numpy(rjd(grams.numpy(), eps=1e-4, n_iter_max=30)[0].copy()).T,
        "pyriemann ajd_pham": lambda grams, _: orthogonal(torch.from_numpy(ajd_pham(grams.numpy(), n_iter_max=15)[0].copy())),
    }


def main() -> None:
    """Print one row per solver and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["64,200"], help="d,N")
    parser.add_argument("--pyriemann-below", type=int, default=128, help="largest d at which pyriemann is run")
    parser.add_argument("--only", help="run solvers whose name contains this")
    arguments = parser.parse_args()
    ours: dict[str, Solver] = {
        "mean eigenvectors": lambda grams, _: mean_eigenvectors(grams),
        "orojar": lambda grams, _: joint_diagonalise(grams).rotation,
        "orojar, held out": lambda grams, held_out: joint_diagonalise(grams, held_out=held_out).rotation,
        "loglik": lambda grams, _: joint_diagonalise(grams, criterion="loglik").rotation,
    }
    print(f"{'solver':20} {'d':>4} {'N':>5} {'seconds':>8} {'loss':>10} {'held-out':>10} {'loglik':>9}")
    for dim, count in (map(int, size.split(",")) for size in arguments.sizes):
        sets = synthetic(dim, count, torch.Generator().manual_seed(0))
        grams, held_out = next(sets), next(sets)[: max(8, count // 4)]
        solvers = ours | (pyriemann_solvers() if dim <= arguments.pyriemann_below else {})
        for name, solver in solvers.items():
            if arguments.only is not None and arguments.only not in name:
                continue
            begin = time.perf_counter()
            rotation = solver(grams, held_out)
            seconds = time.perf_counter() - begin
            losses = orojar_loss(grams, rotation), orojar_loss(held_out, rotation), log_likelihood_loss(grams, rotation)
            print(f"{name:20} {dim:4} {count:5} {seconds:8.2f} {losses[0]:10.6f} {losses[1]:10.6f} {losses[2]:9.5f}", flush=True)


if __name__ == "__main__":
    main()
