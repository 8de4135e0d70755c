"""Measure how cheaply estimators of the OroJaR loss find its gradient: python examples/estimator_noise.py [--seconds 10] [--out FILE].

The gradient of the normalised loss E [sum_{i != j} M_ij^2 / (tr M)^2] with respect to all weights of the mapping, on coarse images of
the demonstration network, as trained and after the warm start of `orojar finetune --mode mapping`.  The expectation is over a fixed pool
of latents, so that the reference, all axes by exact columns at all of them, has no noise.  Each estimator is drawn again and again at
latents from the pool; its signal is its mean's component along the reference, its noise the standard deviation of the whole vector
around the mean.  With n draws averaged a signal-to-noise ratio S (of squares) becomes S n, so the seconds to reach 1 are the seconds of
a draw over S.  Estimators from probes, which cannot normalise a latent without bias, get its exact trace and share for nothing.
The reference is what automatic differentiation gives: it holds the kinks of leaky rectifiers where they are.
Seconds are the processor's, and estimators are drawn in turns.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orojar_cli import load_checkpoint
from orojar_cli.cli.process import keep_freed_memory
from orojar_cli.directions import Settings
from orojar_cli.response.outputs import default_output
from orojar_cli.tuning.estimators import Draw, axis_grams, gram_energies, probe_energies
from orojar_cli.tuning.mapping import MappingOptions, prepare, tune_mapping

ROOT = Path(__file__).parent.parent
Energies = Callable[[Any, Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclass
class Pool:
    """Latents z [N, z_dim] with the exact share and squared trace [N] of each, and the exact gradient of the mean share."""

    z: Tensor
    share: Tensor
    squared_trace: Tensor
    gradient: Tensor

    @classmethod
    def of(cls, exact: Estimator, mapping: Any, count: int) -> Pool:
        z = torch.randn(count, mapping.config.z_dim, generator=torch.Generator().manual_seed(7))
        shares, traces, gradients = [], [], []
        for part in z.split(exact.batch):
            off, total = exact.energies(mapping, part, torch.Generator())
            gradients.append(flat_gradient((off / total).mean(), mapping) * len(part) / count)
            shares.append((off / total).detach())
            traces.append(total.detach())
        return cls(z, torch.cat(shares), torch.cat(traces), torch.stack(gradients).sum(0))


@dataclass
class Estimator:
    """`energies(mapping, z, rng)` gives (off-diagonal energy, squared trace) [N] at `batch` latents; the rest is what was measured."""

    name: str
    batch: int
    energies: Energies
    probes: bool = False
    seconds: float = 0.0
    gradients: list[Tensor] = field(default_factory=list)

    def draw(self, mapping: Any, pool: Pool, seed: int) -> None:
        """One more draw of the gradient of the mean share, and its time."""
        rng = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(pool.z), generator=rng)[: self.batch]
        started = time.process_time()
        off, total = self.energies(mapping, pool.z[chosen], rng)
        # The gradient of a ratio, with the exact numbers of each latent in place of the noisy ones.
        share = (off - pool.share[chosen] * total) / pool.squared_trace[chosen] if self.probes else off / total
        gradient = flat_gradient(share.mean(), mapping)
        self.seconds += time.process_time() - started
        self.gradients.append(gradient)


def flat_gradient(loss: Tensor, mapping: Any) -> Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(mapping.parameters()))]).double()


def estimators(generator: Any, anchor: Any, surrogate: Any, batch: int) -> list[Estimator]:
    """All that are compared; the paper's first."""
    output = default_output(generator)

    def image(mapping: Any) -> Draw:
        return lambda z, label: (output(generator, mapping(z)),)

    def probes(k: int) -> Energies:
        return lambda mapping, z, rng: probe_energies(image(mapping), z, z[:, :0], k, rng=rng)

    def axes(dims: int, method: str) -> Energies:
        return lambda mapping, z, rng: gram_energies(axis_grams(image(mapping), z, z[:, :0], dims, method)[0])

    def imitated(mapping: Any, z: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return gram_energies(
            axis_grams(lambda point, label: (surrogate(anchor.of(mapping.w(point))),), z, z[:, :0], z.shape[1], "exact")[0]
        )

    every = generator.z_dim
    return [
        Estimator("paper: k = 2 Rademacher, forward difference", batch, probes(2), probes=True),
        Estimator("k = 8 Rademacher, forward difference", batch, probes(8), probes=True),
        Estimator("k = 32 Rademacher, forward difference", batch, probes(32), probes=True),
        Estimator("all axes, central differences", batch // 4, axes(every, "central")),
        Estimator("all axes, exact columns", batch // 4, axes(every, "exact")),
        Estimator("10 most active axes, central differences", batch, axes(10, "central")),
        Estimator("10 most active axes, exact columns", batch, axes(10, "exact")),
        Estimator("surrogate, all axes, exact columns", 48, imitated),
    ]


def measure(mapping: Any, candidates: list[Estimator], seconds: float, latents: int) -> tuple[Pool, list[dict[str, Any]]]:
    """The pool and a row for every estimator; each is drawn for about `seconds`, and at least 8 times."""
    exact = next(item for item in candidates if item.name.startswith("all axes, exact"))
    pool = Pool.of(exact, mapping, latents)
    for item in candidates:
        item.draw(mapping, pool, 10**8)
        item.seconds, item.gradients = 0.0, []
    seed, busy = 0, list(candidates)
    while busy:
        for item in busy:
            item.draw(mapping, pool, seed)
        seed += 1
        busy = [item for item in candidates if item.seconds < seconds or len(item.gradients) < 8]
    return pool, [row(item, pool.gradient / pool.gradient.norm()) for item in candidates]


def row(item: Estimator, direction: Tensor) -> dict[str, Any]:
    """Signal, noise and cost of one estimator."""
    draws = torch.stack(item.gradients)
    count, mean = len(draws), draws.mean(0)
    noise = float((draws - mean).square().sum() / (count - 1))
    along = draws @ direction
    error = float(along.std() / count**0.5)
    # The mean of n draws is longer than the true mean by the noise that is left in it.
    length = max(float(mean.square().sum()) - noise / count, 0.0) ** 0.5
    signal, each = float(along.mean()), item.seconds / count
    ratio = signal**2 / noise
    return {
        "name": item.name,
        "batch": item.batch,
        "draws": count,
        "seconds": each,
        "cosine": min(signal / length, 1.0) if length else None,
        "signal": signal,
        "signal_error": error,
        "ratio": ratio,
        "seconds_to_1": each / ratio,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| estimator | latents | seconds a draw | cosine with the exact gradient | S a draw | seconds to S = 1 | cheaper than paper's |",
        "|---|---|---|---|---|---|---|",
    ]
    for item in rows:
        cosine = "unresolved" if item["cosine"] is None else f"{item['cosine']:.2f}"
        spread = 2 * item["signal_error"] / abs(item["signal"])
        cells = [item["name"], str(item["batch"]), f"{item['seconds']:.4f}", cosine, f"{item['ratio']:.3g} ± {100 * spread:.0f} %"]
        cells += [f"{item['seconds_to_1']:.3g}", f"{rows[0]['seconds_to_1'] / item['seconds_to_1']:.1f} x"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "shapes32.pkl")
    parser.add_argument("--seconds", type=float, default=10, help="processor time spent on drawing each estimator")
    parser.add_argument("--batch", type=int, default=8, help="latents a draw (fewer where all axes are taken, 48 for the surrogate)")
    parser.add_argument("--latents", type=int, default=128, help="size of the pool")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few latents and steps, to see that everything runs")
    parser.add_argument("--out", type=Path, metavar="JSON")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    generator = load_checkpoint(options.checkpoint).generator
    settings = Settings(space="z")
    quick = options.quick
    training = MappingOptions(
        steps=0, regression_steps=50 if quick else 1500, surrogate_steps=50 if quick else 4000, images=1000 if quick else 12_000
    )

    def report(stage: str, done: int, total: int) -> None:
        if done == total:
            print(stage, file=sys.stderr, flush=True)

    anchor, surrogate, _ = prepare(generator, settings, training, report)
    candidates = estimators(generator, anchor, surrogate, options.batch)
    warm, _ = tune_mapping(generator, anchor, surrogate, settings, training, report)
    results = {}
    for state, mapping in (("after the warm start", warm), ("as trained", copy.deepcopy(generator.mapping))):
        pool, rows = measure(mapping.requires_grad_(True), candidates, options.seconds, options.latents)
        results[state] = rows
        print(f"\n{state}, loss {float(pool.share.mean()):.4f}:\n\n{table(rows)}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
