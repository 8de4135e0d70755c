"""What joint diagonalisation minimises: the OroJaR loss and Pham's log-likelihood, their values and derivatives for a rotation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.diagonaliser.grams import (
    FactoredGrams,
    Grams,
    along,
    checked,
    chunks,
    dimension,
    energy,
    mean_matrix,
    products,
    traces,
    turned,
)
from orojar_cli.diagonaliser.reduction import economical
from orojar_cli.errors import NumericalError

CRITERIA = ("orojar", "loglik")
# A singular M_n has log-diagonals that fall without bound; a ridge of this share of its mean diagonal keeps them finite.
RIDGE = 1e-9
# Least curvature of a pair against a typical one: a pair with equal diagonals has none, and would turn without bound.
_CURVATURE_FLOOR = 1e-3


def off_diagonal_energy(grams: Grams, rotation: Tensor | None = None) -> Tensor:
    """[N] float64: sum over i != j of (V M_n V^T)_ij^2 for grams [N, d, d] and rotation V [d, d] (None: the identity).

    The OroJaR loss of each sample (Wei et al. 2021, eq. 4).
    """
    energies = []
    for matrices in turned(grams, rotation):
        # Zeroed rather than subtracted: the difference of two large sums would lose a small energy to rounding.
        matrices.diagonal(dim1=1, dim2=2).zero_()
        energies.append(matrices.square_().sum((1, 2)))
    return torch.cat(energies)


def orojar_loss(grams: Grams, rotation: Tensor | None = None) -> float:
    """The OroJaR loss free of scale: E_n sum_{i != j} (V M_n V^T)_ij^2 / E_n (tr M_n)^2 (Wei et al. 2021, eq. 4-6)."""
    return float(off_diagonal_energy(grams, rotation).mean() / traces(grams).square().mean())


def log_likelihood_loss(grams: Grams, rotation: Tensor | None = None) -> float:
    """Pham's criterion (2001) for orthogonal V: mean over samples and dimensions of log (V M_n V^T)_ii - log det(M_n) / d.

    Not negative, and zero where every V M_n V^T is diagonal.  Each M_n is given a ridge of 1e-9 of its mean diagonal, so that
    singular matrices count too; those that are zero do not.  Raises NumericalError as `joint_diagonalise` does.
    """
    criterion = Criterion(checked(grams), "loglik")
    start = torch.eye(dimension(grams), dtype=torch.float64) if rotation is None else rotation
    return criterion.loss(start.to(criterion.mean))


@dataclass(frozen=True)
class Slope:
    """A loss with its derivatives at E = 0 for V -> exp(E) V, E skew-symmetric.

    `gradient` [d, d] (skew-symmetric) holds the derivative in each E_ij, i < j; `curvature` [d, d] (symmetric, positive) the second
    derivative of a rotation of that pair alone without the terms in (V M_n V^T)_ij^2, which vanish at a joint diagonaliser, raised
    to a small share of its typical value.
    """

    loss: float
    gradient: Tensor
    curvature: Tensor


@dataclass(frozen=True)
class Point:
    """A rotation with the criterion there: over all samples, and for their mean, which is what complete shrinkage leaves."""

    rotation: Tensor
    samples: Slope
    mean: Slope

    def shrunk(self, weight: float) -> Slope:
        """weight * samples + (1 - weight) * mean: for "orojar" the loss of the matrices mean + sqrt(weight) (M_n - mean)."""
        if weight == 1:
            return self.samples
        return Slope(
            weight * self.samples.loss + (1 - weight) * self.mean.loss,
            weight * self.samples.gradient + (1 - weight) * self.mean.gradient,
            weight * self.samples.curvature + (1 - weight) * self.mean.curvature,
        )


class Criterion:
    """One of CRITERIA over grams [N, d, d], for rotations of all coordinates, or of some directions only.

    Both criteria depend on the diagonals of V M_n V^T only, because the total energy and the determinant do not change with V.
    Hence one product M_n V^T per sample gives the loss, the gradient and the curvature, at half the cost of rotating the matrices; by
    factors, M_n = F_n^T F_n, it is F_n V^T.

    With orthonormal rows `inside` [r, d] and `outside` [d - r, d] a rotation V [r, r] turns those inside and leaves those outside; the
    values are those of cat([V @ inside, outside]).
    """

    def __init__(self, grams: Grams, name: str, inside: Tensor | None = None, outside: Tensor | None = None) -> None:
        assert name in CRITERIA
        self.name, self.whole = name, dimension(grams)
        self.traces = traces(grams)
        self.ridge = self.traces * (RIDGE / self.whole)
        self.grams = grams if inside is None else economical(along(grams, inside))
        self.dim = dimension(self.grams)
        self.mean = mean_matrix(self.grams)
        fixed = None if outside is None else torch.cat([products(chunk, outside.T)[1] for chunk in chunks(grams)])
        if name == "orojar":
            self.scale = 1 / float(self.traces.square().mean())
            self.offset = self.scale * sum(map(energy, chunks(grams))) / len(grams)
            # Losses closer than this differ by rounding only.
            self.rounding = 1e-15 * self.offset
            if fixed is not None:
                self.offset -= self.scale * float(fixed.square().sum(1).mean())
            self.mean_offset = self.scale * float(self.mean.square().sum())
        else:
            if not bool((self.traces > 0).all()):
                raise NumericalError("a Gram matrix is not positive semi-definite; the log-likelihood criterion needs it to be")
            self.scale = 1 / self.whole
            self.offset = -self._log_determinants(grams) / self.whole
            self.rounding = 1e-15 * max(1.0, abs(self.offset))
            if fixed is not None:
                self.offset += self.scale * float(self._ridged(fixed, self.ridge).log().sum(1).mean())
            self.mean_offset = self.offset

    def pieces(self) -> Iterator[tuple[Grams, Tensor]]:
        """(matrices, their ridges), a few at a time."""
        return _with_ridges(self.grams, self.ridge)

    def loss(self, rotation: Tensor) -> float:
        """The criterion at V alone, equal to `orojar_loss` or `log_likelihood_loss` up to rounding."""
        columns = rotation.T.contiguous()
        return self._value(torch.cat([products(chunk, columns)[1] for chunk in chunks(self.grams)]), self.ridge, self.offset)

    def at(self, rotation: Tensor, of_mean: bool = True) -> Point:
        """The criterion and its derivatives at V; those for the mean only if they are asked for."""
        columns = rotation.T.contiguous()
        coupling = torch.zeros_like(rotation)
        diagonals = []
        for chunk, ridge in self.pieces():
            made, diagonal = products(chunk, columns)
            diagonals.append(diagonal)
            weights = self._weights(diagonal, ridge)[:, None, :]
            if isinstance(chunk, Tensor):
                coupling += made.mul_(weights).sum(0)
            else:
                rows = made.flatten(0, 1)
                coupling += rows.T @ (made * weights).flatten(0, 1)
        if isinstance(self.grams, Tensor):
            coupling = rotation @ coupling
        samples = self._slope(torch.cat(diagonals), self.ridge, coupling / len(self.grams), self.offset)
        if not of_mean:
            return Point(rotation, samples, samples)
        mean_products, diagonal = products(self.mean[None], columns)
        ridge = self.ridge.mean()[None]
        mean_coupling = rotation @ (mean_products[0] * self._weights(diagonal, ridge))
        return Point(rotation, samples, self._slope(diagonal, ridge, mean_coupling, self.mean_offset))

    def _weights(self, diagonal: Tensor, ridge: Tensor) -> Tensor:
        return diagonal if self.name == "orojar" else 1 / self._ridged(diagonal, ridge)

    def _ridged(self, diagonal: Tensor, ridge: Tensor) -> Tensor:
        """Diagonals of V (M_n + ridge) V^T; rounding may leave a null direction slightly negative."""
        if bool((diagonal < -1e-6 * self.whole / RIDGE * ridge[:, None]).any()):
            raise NumericalError("a Gram matrix is not positive semi-definite; the log-likelihood criterion needs it to be")
        return diagonal.clamp_min(0) + ridge[:, None]

    def _value(self, diagonal: Tensor, ridge: Tensor, offset: float) -> float:
        if self.name == "orojar":
            return max(0.0, offset - self.scale * float(diagonal.square().sum(1).mean()))
        return max(0.0, offset + self.scale * float(self._ridged(diagonal, ridge).log().sum(1).mean()))

    def _slope(self, diagonal: Tensor, ridge: Tensor, coupling: Tensor, offset: float) -> Slope:
        """From the diagonals of V M_n V^T, and the mean [d, d] of V M_n V^T times the weight that each column's diagonal has.

        Turning the pair (i, j) by t moves M_ii by 2 t M_ij - t^2 (M_ii - M_jj) + O(t^3), and M_jj the other way.
        """
        if self.name == "orojar":
            products = diagonal.T @ diagonal / len(diagonal)
            squares = products.diagonal()
            factor, curvature = -4.0, 4 * (squares[:, None] + squares[None, :] - 2 * products)
            typical = curvature.mean()
        else:
            ridged = self._ridged(diagonal, ridge)
            ratios = ridged.T @ (1 / ridged) / len(ridged)
            factor, curvature = 2.0, 2 * (ratios + ratios.T - 2)
            # Null directions have enormous curvatures, which say nothing about the other pairs'.
            typical = curvature.clamp_max(1).mean()
        return Slope(
            self._value(diagonal, ridge, offset),
            (self.scale * factor) * (coupling.T - coupling),
            self.scale * curvature.clamp_min(_CURVATURE_FLOOR * float(typical) + torch.finfo(curvature.dtype).tiny),
        )

    def _log_determinants(self, grams: Grams) -> float:
        """Mean over samples of log det (M_n + ridge)."""
        if isinstance(grams, FactoredGrams) and grams.rank >= self.whole:
            grams = grams.dense()
        total = 0.0
        for chunk, ridge in _with_ridges(grams, self.ridge):
            if isinstance(chunk, Tensor):
                matrices, null = chunk.double(), 0
            else:
                # F^T F and F F^T differ by zeros among their eigenvalues.
                factors = chunk.factors.double()
                matrices, null = factors @ factors.transpose(1, 2), self.whole - chunk.rank
            identity = torch.eye(matrices.shape[1], dtype=torch.float64, device=matrices.device)
            # Cholesky, not LU: batched LU of 512 x 512 has been seen to give wrong determinants (oneMKL DLASWP errors, torch 2.13).
            triangles, failed = torch.linalg.cholesky_ex(matrices + ridge[:, None, None] * identity)
            logarithms = 2 * triangles.diagonal(dim1=1, dim2=2).log().sum(1)
            for index in failed.nonzero().flatten().tolist():
                # Singular up to rounding, or indefinite: the eigenvalues tell.
                values = torch.linalg.eigvalsh(matrices[index])[None]
                logarithms[index] = self._ridged(values, ridge[index : index + 1]).log().sum()
            total += float((logarithms + null * ridge.log()).sum())
        return total / len(grams)


def _with_ridges(grams: Grams, ridge: Tensor) -> Iterator[tuple[Grams, Tensor]]:
    parts = chunks(grams)
    return zip(parts, ridge.split([len(part) for part in parts]), strict=True)
