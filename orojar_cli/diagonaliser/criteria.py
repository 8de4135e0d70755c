"""What joint diagonalisation minimises: the OroJaR loss and Pham's log-likelihood, their values and derivatives for a rotation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.errors import NumericalError

CRITERIA = ("orojar", "loglik")
# A singular M_n has log-diagonals that fall without bound; a ridge of this share of its mean diagonal keeps them finite.
RIDGE = 1e-9
# Numbers worked on at once: they stay in the processor's cache, and the Gram matrices are never copied as a whole.
_CHUNK = {"cpu": 1 << 20}
_CHUNK_ELSEWHERE = 1 << 26
_ASYMMETRY = 1e-5
# Least curvature of a pair against a typical one: a pair with equal diagonals has none, and would turn without bound.
_CURVATURE_FLOOR = 1e-3


def chunks(grams: Tensor) -> list[Tensor]:
    """Views of grams [N, d, d], a few matrices each."""
    size = _CHUNK.get(grams.device.type, _CHUNK_ELSEWHERE)
    return list(grams.split(max(1, size // grams.shape[1] ** 2)))


def traces(grams: Tensor) -> Tensor:
    """[N] tr M_n, in float64."""
    return grams.diagonal(dim1=1, dim2=2).double().sum(1)


def off_diagonal_energy(grams: Tensor, rotation: Tensor | None = None) -> Tensor:
    """[N] float64: sum over i != j of (V M_n V^T)_ij^2 for grams [N, d, d] and rotation V [d, d] (None: the identity).

    The OroJaR loss of each sample (Wei et al. 2021, eq. 4).
    """
    energies = []
    for chunk in chunks(grams):
        matrices = chunk.double().clone()
        if rotation is not None:
            matrices = rotation.to(matrices) @ matrices @ rotation.to(matrices).T
        # Zeroed rather than subtracted: the difference of two large sums would lose a small energy to rounding.
        matrices.diagonal(dim1=1, dim2=2).zero_()
        energies.append(matrices.square_().sum((1, 2)))
    return torch.cat(energies)


def normalise_by_trace(grams: Tensor) -> Tensor:
    """M_n / tr M_n, so that every sample counts the same.  Raises NumericalError where a trace is not positive and finite."""
    sums = grams.diagonal(dim1=1, dim2=2).sum(1)
    if not bool((torch.isfinite(sums) & (sums > 0)).all()):
        raise NumericalError("a Gram matrix is not finite or is zero; there the image does not change along any direction")
    return grams / sums[:, None, None]


def orojar_loss(grams: Tensor, rotation: Tensor | None = None) -> float:
    """The OroJaR loss free of scale: E_n sum_{i != j} (V M_n V^T)_ij^2 / E_n (tr M_n)^2 (Wei et al. 2021, eq. 4-6)."""
    return float(off_diagonal_energy(grams, rotation).mean() / traces(grams).square().mean())


def log_likelihood_loss(grams: Tensor, rotation: Tensor | None = None) -> float:
    """Pham's criterion (2001) for orthogonal V: mean over samples and dimensions of log (V M_n V^T)_ii - log det(M_n) / d.

    Not negative, and zero where every V M_n V^T is diagonal.  Each M_n is given a ridge of 1e-9 of its mean diagonal, so that
    singular matrices count too.  Raises NumericalError for matrices that are zero or not positive semi-definite.
    """
    criterion = Criterion(grams, "loglik")
    start = torch.eye(grams.shape[1], dtype=torch.float64, device=grams.device) if rotation is None else rotation
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
    """One of CRITERIA over grams [N, d, d].

    Both criteria depend on the diagonals of V M_n V^T only, because the total energy and the determinant do not change with V.
    Hence one product M_n V^T per sample gives the loss, the gradient and the curvature, at half the cost of rotating the matrices.
    """

    def __init__(self, grams: Tensor, name: str) -> None:
        assert name in CRITERIA
        _check(grams)
        self.grams, self.name = grams, name
        self.dim = grams.shape[1]
        self.traces = traces(grams)
        self.mean = grams.mean(0, dtype=torch.float64)
        self.ridge = self.traces * (RIDGE / self.dim)
        if name == "orojar":
            self.scale = 1 / float(self.traces.square().mean())
            self.offset = self.scale * sum(float(chunk.double().square().sum()) for chunk in chunks(grams)) / len(grams)
            # Losses closer than this differ by rounding only.
            self.rounding = 1e-15 * self.offset
            self.mean_offset = self.scale * float(self.mean.square().sum())
        else:
            if not bool((self.traces > 0).all()):
                raise NumericalError("a Gram matrix is zero or not positive semi-definite; the log-likelihood criterion needs it to be")
            self.scale = 1 / self.dim
            self.offset = self.mean_offset = -self._log_determinants() / self.dim
            self.rounding = 1e-15 * max(1.0, abs(self.offset))

    def pieces(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(matrices, their ridges), a few at a time."""
        parts = chunks(self.grams)
        return zip(parts, self.ridge.split([len(part) for part in parts]), strict=True)

    def loss(self, rotation: Tensor) -> float:
        """The criterion at V alone, equal to `orojar_loss` or `log_likelihood_loss` up to rounding."""
        columns = rotation.T.contiguous()
        return self._value(torch.cat([self._products(chunk, columns)[1] for chunk in chunks(self.grams)]), self.ridge, self.offset)

    def at(self, rotation: Tensor) -> Point:
        """The criterion and its derivatives at V."""
        columns = rotation.T.contiguous()
        weighted = torch.zeros_like(rotation)
        diagonals = []
        for chunk, ridge in self.pieces():
            products, diagonal = self._products(chunk, columns)
            diagonals.append(diagonal)
            weighted += products.mul_(self._weights(diagonal, ridge)[:, None, :]).sum(0)
        mean_products, mean_diagonal = self._products(self.mean[None], columns)
        mean_ridge = self.ridge.mean()[None]
        mean_weighted = mean_products[0] * self._weights(mean_diagonal, mean_ridge)
        return Point(
            rotation,
            self._slope(rotation, torch.cat(diagonals), self.ridge, weighted / len(self.grams), self.offset),
            self._slope(rotation, mean_diagonal, mean_ridge, mean_weighted, self.mean_offset),
        )

    def _products(self, chunk: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """(M_n V^T [n, d, d], the diagonals [n, d] of V M_n V^T)."""
        products = (chunk.double().reshape(-1, self.dim) @ columns).view(-1, self.dim, self.dim)
        return products, (products * columns).sum(1)

    def _weights(self, diagonal: Tensor, ridge: Tensor) -> Tensor:
        return diagonal if self.name == "orojar" else 1 / self._ridged(diagonal, ridge)

    def _ridged(self, diagonal: Tensor, ridge: Tensor) -> Tensor:
        """Diagonals of V (M_n + ridge) V^T; rounding may leave a null direction slightly negative."""
        if bool((diagonal < -1e-6 * self.dim / RIDGE * ridge[:, None]).any()):
            raise NumericalError("a Gram matrix is not positive semi-definite; the log-likelihood criterion needs it to be")
        return diagonal.clamp_min(0) + ridge[:, None]

    def _value(self, diagonal: Tensor, ridge: Tensor, offset: float) -> float:
        if self.name == "orojar":
            return max(0.0, offset - self.scale * float(diagonal.square().sum(1).mean()))
        return max(0.0, offset + self.scale * float(self._ridged(diagonal, ridge).log().sum(1).mean()))

    def _slope(self, rotation: Tensor, diagonal: Tensor, ridge: Tensor, weighted: Tensor, offset: float) -> Slope:
        """Turning the pair (i, j) by t moves M_ii by 2 t M_ij - t^2 (M_ii - M_jj) + O(t^3), and M_jj the other way."""
        coupling = (rotation @ weighted).T
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
            (self.scale * factor) * (coupling - coupling.T),
            self.scale * curvature.clamp_min(_CURVATURE_FLOOR * float(typical) + torch.finfo(curvature.dtype).tiny),
        )

    def _log_determinants(self) -> float:
        """Mean over samples of log det (M_n + ridge)."""
        total, identity = 0.0, torch.eye(self.dim, dtype=torch.float64, device=self.grams.device)
        for chunk, ridge in self.pieces():
            # Cholesky, not LU: batched LU of 512 x 512 has been seen to give wrong determinants (oneMKL DLASWP errors, torch 2.13).
            factors, failed = torch.linalg.cholesky_ex(chunk.double() + ridge[:, None, None] * identity)
            logarithms = 2 * factors.diagonal(dim1=1, dim2=2).log().sum(1)
            for index in failed.nonzero().flatten().tolist():
                # Singular up to rounding, or indefinite: the eigenvalues tell.
                values = torch.linalg.eigvalsh(chunk[index].double())[None]
                logarithms[index] = self._ridged(values, ridge[index : index + 1]).log().sum()
            total += float(logarithms.sum())
        return total / len(self.grams)


def _check(grams: Tensor) -> None:
    if grams.ndim != 3 or grams.shape[1] != grams.shape[2] or 0 in grams.shape:
        raise NumericalError(f"Gram matrices must be [N, d, d], not {list(grams.shape)}")
    for chunk in chunks(grams):
        largest = chunk.abs().amax((1, 2))
        if not bool(torch.isfinite(largest).all()):
            raise NumericalError("a Gram matrix holds numbers that are not finite")
        if bool(((chunk - chunk.transpose(1, 2)).abs().amax((1, 2)) > _ASYMMETRY * largest).any()):
            raise NumericalError("a Gram matrix is not symmetric")
    if not float(traces(grams).square().mean()) > 0:
        raise NumericalError("the Gram matrices are zero: the image does not change along any direction")
