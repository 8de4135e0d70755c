"""How well codes tell factors: the scores of the field's tables, from codes [N, K] and measured factors [N, F].

The tables are of encoders, whose factors can be set.  Here the code of an image is its latent's coordinates along the dimensions, and its
factors are those measured in it: where a paper holds a factor fixed, the images with it in the same of 20 bins are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orojar_cli.measures.factors import Factor
from orojar_cli.measures.mutual_information import BINS, binned

_BATCH = 20
_PENALTIES = np.geomspace(0.003, 0.3, 9)
_SWEEPS = 1000


def factor_vae_score(codes: np.ndarray, factors: np.ndarray, kinds: Sequence[Factor], rows: np.ndarray | None = None) -> float:
    """The FactorVAE score (Kim & Mnih, ICML 2018, section 4): how often the code that varies least says which factor was fixed.

    Images whose factor lies in the same of 20 bins of equal counts (or is of the same category) are dealt to batches of about 20; of
    each the code with the smallest variance, over that of all images, is a vote for the factor.  Every code stands for the factor that
    gives it most votes; the score is the share of votes that are right, each factor weighing the same.  It is at most K / F for K codes.
    With the indices of some images as `rows` it is theirs, in the batches of all.
    """
    everything, rows = len(codes), np.arange(len(codes)) if rows is None else rows
    codes, factors = codes[rows], factors[rows]
    spread = codes.var(0)
    votes = np.zeros((codes.shape[1], factors.shape[1]))
    for index, kind in enumerate(kinds):
        values = factors[:, index]
        bins = values.astype(int) if kind.categories is not None else binned(values)
        batches = max(1, everything // (_BATCH * (kind.categories or BINS)))
        cells = bins * batches + rows % batches
        counts = np.bincount(cells)
        used = np.flatnonzero(counts > 1)
        means, squares = (
            np.stack([np.bincount(cells, column) for column in power.T])[:, used] / counts[used] for power in (codes, codes**2)
        )
        least = ((squares - means**2) / spread[:, None]).argmin(0)
        votes[:, index] = np.bincount(least, minlength=codes.shape[1]) / max(len(used), 1)
    return float(votes.max(1).sum() / factors.shape[1])


def sap(codes: np.ndarray, factors: np.ndarray, kinds: Sequence[Factor]) -> float:
    """SAP, the separated attribute predictability (Kumar et al., ICLR 2018, section 3): mean over factors of the difference of the two
    codes that predict it best, by their score (`predictability_scores`)."""
    ordered = np.sort(predictability_scores(codes, factors, kinds), 0)
    return float((ordered[-1] - (ordered[-2] if len(ordered) > 1 else 0.0)).mean())


def predictability_scores(codes: np.ndarray, factors: np.ndarray, kinds: Sequence[Factor]) -> np.ndarray:
    """[K, F] how well each code alone predicts each factor: R^2 of a line, for an angle R^2 of the code by the angle's cosine and sine
    (Mardia 1976), for a category the balanced accuracy of thresholds (20 bins of the code, of equal counts)."""
    columns = []
    for index, kind in enumerate(kinds):
        targets = kind.targets(factors[:, index])
        if kind.categories is not None:
            columns.append([_balanced_accuracy(binned(code), targets) for code in codes.T])
            continue
        design = targets - targets.mean(0)
        centred = codes - codes.mean(0)
        fitted = design @ np.linalg.lstsq(design, centred, rcond=None)[0]
        columns.append(fitted.var(0) / centred.var(0))
    return np.array(columns).T


def _balanced_accuracy(bins: np.ndarray, members: np.ndarray) -> float:
    """Mean over the categories that occur of the share told rightly, where each bin tells the category with the largest share in it."""
    sizes = members.sum(0)
    shares = np.stack([np.bincount(bins, column, minlength=BINS) for column in members[:, sizes > 0].T]) / sizes[sizes > 0, None]
    return float(shares.max(0).sum() / len(shares))


def importances(
    codes: np.ndarray, factors: np.ndarray, kinds: Sequence[Factor], rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(importance R [K, F], R^2 [F]) of the codes for the factors, by linear models with an L1 penalty (Eastwood & Williams, ICLR 2018).

    Codes and targets are standardised; an importance is the absolute coefficient, for an angle or a category the root mean square over
    its targets (cosine and sine, or indicators).  The penalty of each target is that of nine, 0.003 to 0.3, with the least error on the
    second half of the images after fitting the first; R^2 is that on the second half.  With the indices of some images as `rows` the fits
    are to these, at the penalties of all.
    """
    found = [kind.targets(factors[:, index]) for index, kind in enumerate(kinds)]
    owner = np.repeat(np.arange(len(found)), [targets.shape[1] for targets in found])
    targets, inputs = _standardised(np.concatenate(found, 1)), _standardised(codes)
    everything = np.arange(len(codes))
    fits = np.stack([_held_out(inputs, targets, np.full(targets.shape[1], penalty), everything) for penalty in _PENALTIES])
    penalties = _PENALTIES[fits.argmin(0)]
    kept = everything if rows is None else rows
    squares = np.square(lasso(inputs[kept], targets[kept], penalties))
    explained = 1 - _held_out(inputs, targets, penalties, kept)
    return (
        np.sqrt(np.stack([squares[:, owner == index].mean(1) for index in range(len(kinds))], 1)),
        np.array([explained[owner == index].mean() for index in range(len(kinds))]),
    )


def _held_out(inputs: np.ndarray, targets: np.ndarray, penalties: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[M] squared error over the variance, on those of the rows in the second half after fitting those in the first; 1 for constants."""
    first, second = rows[rows < len(inputs) // 2], rows[rows >= len(inputs) // 2]
    errors = np.square(inputs[second] @ lasso(inputs[first], targets[first], penalties) - targets[second]).mean(0)
    variances = targets[second].var(0)
    return np.divide(errors, variances, out=np.ones_like(variances), where=variances > 0)


def lasso(inputs: np.ndarray, targets: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """[K, M] the B of least |Y - X B|^2 / 2 N + sum of penalties |B|, by coordinate descent, for X [N, K], Y [N, M], penalties [M]."""
    gram, against = inputs.T @ inputs / len(inputs), inputs.T @ targets / len(inputs)
    found = np.zeros_like(against)
    for _ in range(_SWEEPS):
        before = found.copy()
        for index in range(len(gram)):
            rest = against[index] - gram[index] @ found + gram[index, index] * found[index]
            found[index] = np.sign(rest) * np.maximum(np.abs(rest) - penalties, 0) / max(gram[index, index], 1e-12)
        if np.abs(found - before).max() < 1e-7:
            break
    return found


def _standardised(values: np.ndarray) -> np.ndarray:
    deviations = values.std(0)
    return (values - values.mean(0)) / np.where(deviations > 0, deviations, 1)
