"""What separates two sets of points along few coordinates, and how well it does on points that were not looked at.

A logistic regression with an L1 penalty (Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996), its penalty
chosen by cross-validation with the one-standard-error rule (Breiman et al. 1984; Friedman, Hastie & Tibshirani 2010), scored by the area
under the ROC curve of held-out points (Hanley & McNeil, "The meaning and use of the area under a ROC curve", Radiology 143, 1982).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

LEAST = 4
"""Points of a side, at least: fewer leave nothing to hold out."""
FOLDS, ROUNDS, SHUFFLES = 5, 2, 9_999
_LEVEL = 0.95
# Penalties from just below the one that leaves nothing, by shares of it.
_SHARES = np.geomspace(0.95, 0.03, 25)
_STEPS, _TOLERANCE = 400, 1e-5
# Held-out scores of different folds come from fits that share most of their points: between draws of both sides their AUC varies 1.1 to 1.6
# times as much as Hanley & McNeil's standard error says (10 and 10 points to 40 and 40, 20 and 100; without a difference, and with one of
# a sigma). Taken 1.5 times, the interval held the truth in 92 to 100 of 100 draws; as it is, in 78 to 91.
_SHARED = 1.5
# Of unit length; less turns the direction by under three degrees.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True)
class Separation:
    """`weights` [K] of unit length, most of them 0: where they point is the side of the examples.

    `auc` is the chance that a held-out example lies further along weights found without it than a held-out one of the others, `interval`
    that of 95 % by Hanley & McNeil's standard error, widened for cross-validation (`interval`); `p` the share of shufflings of the two
    sides whose means differ as much along the coordinate where they differ most (exact where `exact`, else 9,999 random ones); `kept` [K]
    in what share of the fits with points held out a coordinate was chosen.
    """

    weights: np.ndarray
    auc: float
    interval: tuple[float, float]
    p: float
    exact: bool
    kept: np.ndarray

    @property
    def better_than_chance(self) -> bool:
        """Whether both say so: the interval lies above 1/2, and shuffled sides hardly ever differ as much."""
        return self.interval[0] > 0.5 and self.p <= 1 - _LEVEL


def separation(examples: np.ndarray, others: np.ndarray, most: int = 5, seed: int = 0) -> Separation:
    """What separates `examples` [N, K] from `others` [M, K] along at most `most` of the K coordinates, each side at least `LEAST` points.

    The score is nested: the penalty of every fit is chosen within its own training points.  Held-out scores are x . weights with weights
    of unit length, without an intercept, so that those of different folds may be compared; coordinates are taken as they are, with their
    zero where the caller has it.  Deterministic in the numbers and `seed`, which divides the points into folds, twice.
    """
    points = np.concatenate([examples, others]).astype(np.float64)
    sides = np.r_[np.ones(len(examples)), np.zeros(len(others))]
    rng = np.random.default_rng(seed)
    everything = np.ones((1, len(points)), bool)
    outer = np.concatenate([everything, *(_training(everything[0], sides, rng) for _ in range(ROUNDS))])
    inner = [_training(training, sides, rng) for training in outer]
    paths = _paths(points, sides, np.concatenate([outer, *inner]), most)
    of_outer, rest = paths[:, : len(outer)], paths[:, len(outer) :]
    chosen = []
    for number, (training, folds) in enumerate(zip(outer, inner, strict=True)):
        own, rest = rest[:, : len(folds)], rest[:, len(folds) :]
        chosen.append(of_outer[_one_standard_error(points, sides, own, training & ~folds), number, 1:])
    weights = _sparse(np.stack(chosen), most)
    held_out = ~outer[1:]
    scores = np.where(held_out, weights[1:] @ points.T, 0).sum(0) / ROUNDS
    value = auc(scores[sides == 1], scores[sides == 0])
    p, exact = shuffled(points, sides, rng)
    kept = (weights[1:] != 0).mean(0)
    return Separation(weights[0], value, interval(value, len(examples), len(others)), p, exact, kept)


def auc(above: np.ndarray, below: np.ndarray) -> float:
    """The share of pairs in which the number of `above` is the larger, ties counted half: the area under the ROC curve."""
    ranks = stats.rankdata(np.concatenate([above, below]))[: len(above)]
    return float((ranks.sum() - len(above) * (len(above) + 1) / 2) / (len(above) * len(below)))


def interval(value: float, above: int, below: int) -> tuple[float, float]:
    """95 % interval of a cross-validated AUC of so many points: the AUCs from which it is no further than 1.96 of their own standard
    errors, these taken 1.5 times as long as those of points that one fit was made without.

    These are Hanley & McNeil's (1982, eq. 2) in Newcombe's symmetric form (2006, method 5), which keeps inside [0, 1] and has a width
    where the AUC is 1.
    """
    reach, half = _SHARED * float(stats.norm.ppf(0.5 + _LEVEL / 2)), (above + below) / 2 - 1

    def beyond(true: float) -> float:
        variance = true * (1 - true) * (1 + half * ((1 - true) / (2 - true) + true / (1 + true))) / (above * below)
        return (value - true) ** 2 - reach**2 * variance

    # At 0 and 1 themselves the standard error is 0, so these are roots, too.
    low = 0.0 if value <= 0 else optimize.brentq(beyond, 0, min(value, 1 - 1e-9))
    high = 1.0 if value >= 1 else optimize.brentq(beyond, max(value, 1e-9), 1)
    return float(low), float(high)


def shuffled(points: np.ndarray, sides: np.ndarray, rng: np.random.Generator) -> tuple[float, bool]:
    """(p, whether it is exact): how often the means of two sides of `points` [N, K], dealt anew, differ as much as those of `sides` [N].

    The difference is that of the coordinate with the largest, in its own standard deviations.  All ways to deal where there are at most
    as many as `SHUFFLES`, else so many random ones, the present one counted among them (Phipson & Smyth 2010).
    """
    deviations = points.std(0)
    scaled = (points - points.mean(0))[:, deviations > 1e-12 * max(float(deviations.max()), 1e-300)]
    scaled = scaled / scaled.std(0)
    count, few = len(sides), int(sides.sum())

    def largest(dealt: np.ndarray) -> np.ndarray:
        # The other side's sum is its negative: how far the means are apart is a multiple of this.
        return np.abs(dealt @ scaled).max(1) if scaled.shape[1] else np.zeros(len(dealt))

    reached = float(largest(sides[None])[0]) - 1e-9
    exact = math.comb(count, few) <= SHUFFLES
    if exact:
        ways = np.array(list(itertools.combinations(range(count), few)))
        dealt = np.zeros((len(ways), count))
        np.put_along_axis(dealt, ways, 1, 1)
        return float((largest(dealt) >= reached).mean()), True
    as_far = sum(int((largest(rng.permuted(np.tile(sides, (part, 1)), axis=1)) >= reached).sum()) for part in [SHUFFLES // 9] * 9)
    return (as_far + 1) / (SHUFFLES + 1), False


def _sparse(weights: np.ndarray, most: int) -> np.ndarray:
    """[B, K] weights of unit length: the `most` largest of each row that make up a twentieth of it or more; rows of 0 stay."""

    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)

    weights = unit(weights)
    least = np.sort(np.abs(weights), axis=1)[:, -min(most, weights.shape[1]), None]
    return unit(np.where(np.abs(weights) >= np.maximum(least, _LEAST_WEIGHT), weights, 0.0))


def _training(among: np.ndarray, sides: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[F, N] the points of `among` [N] that each of the folds trains with; both sides are divided evenly over them."""
    members = [rng.permutation(np.flatnonzero(among & (sides == side))) for side in (1, 0)]
    folds = min(FOLDS, *map(len, members))
    training = np.tile(among, (folds, 1))
    for rows in members:
        training[np.arange(len(rows)) % folds, rows] = False
    return training


def _paths(points: np.ndarray, sides: np.ndarray, training: np.ndarray, most: int) -> np.ndarray:
    """[L, B, 1 + K] intercepts and weights of B fits to the points of `training` [B, N], one for each of L penalties, large to small.

    Minimised is the mean of the logistic loss plus the penalty times the absolute weights, by accelerated proximal gradients with restarts
    (Beck & Teboulle 2009; O'Donoghue & Candes 2015), all fits at once.  From the first penalty on that would keep more than `most`
    weights, the last ones with no more stay.
    """
    share = training / training.sum(1, keepdims=True)  # [B, N]
    design = np.concatenate([np.ones((len(points), 1)), points], 1)
    base = np.log(share @ sides / (1 - share @ sides))
    gradient = (share * (1 / (1 + np.exp(-base))[:, None] - sides)) @ design
    limit = np.abs(gradient[:, 1:]).max(1)
    step = 4 * training.sum(1).min() / np.linalg.norm(design, 2) ** 2
    now = np.zeros((len(training), design.shape[1]))
    now[:, 0] = base
    found = np.zeros((len(_SHARES), *now.shape))
    growing = np.ones(len(training), bool)
    for level, penalty in enumerate(_SHARES):
        now[growing] = _minimum(design, sides, share[growing], now[growing], penalty * limit[growing], step)
        fits = (now[:, 1:] != 0).sum(1) <= most
        if level:
            growing &= fits
            now = np.where(growing[:, None], now, found[level - 1])
        found[level] = now
        if not growing.any():
            found[level:] = now
            break
    return found


def _minimum(design: np.ndarray, sides: np.ndarray, share: np.ndarray, start: np.ndarray, penalty: np.ndarray, step: float) -> np.ndarray:
    """[B, 1 + K] where the penalised losses of `_paths` are least, from `start` on."""
    now, ahead, momentum = start, start, np.ones((len(start), 1))
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-(ahead @ design.T).clip(-50, 50)))
        moved = ahead - step * ((share * (probability - sides)) @ design)
        moved[:, 1:] = np.sign(moved[:, 1:]) * np.maximum(np.abs(moved[:, 1:]) - step * penalty[:, None], 0)
        change = moved - now
        backwards = ((ahead - moved) * change).sum(1, keepdims=True) > 0
        following = np.where(backwards, 1.0, (1 + np.sqrt(1 + 4 * momentum**2)) / 2)
        ahead = moved + np.where(backwards, 0.0, (momentum - 1) / following) * change
        now, momentum = moved, following
        if np.abs(change).max() < _TOLERANCE:
            break
    return now


def _one_standard_error(points: np.ndarray, sides: np.ndarray, paths: np.ndarray, held_out: np.ndarray) -> int:
    """The largest penalty whose loss on the points `held_out` [F, N] is within a standard error (over the F fits) of the least."""
    logits = paths[:, :, 1:] @ points.T + paths[:, :, :1]
    losses = np.logaddexp(0, np.where(sides == 1, -logits, logits))
    per_fold = (losses * held_out).sum(2) / held_out.sum(1)  # [L, F]
    mean = per_fold.mean(1)
    best = int(mean.argmin())
    error = float(per_fold[best].std(ddof=1)) / math.sqrt(len(held_out))
    return int(np.flatnonzero(mean <= mean[best] + error)[0])
