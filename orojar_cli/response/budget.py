"""What a computation may cost: from the arithmetic that a person waits for to counts of samples, columns and images.

Counts come from the network's own table of costs, not from a clock, so that a command gives the same numbers on every machine.  The
clock only says how long it will take, and chooses counts where somebody asks for a time (`fitting`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import torch

from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.response.outputs import Output, computed_layers, is_small

MINUTE = 6e12
"""Multiplications of half a minute to a minute on one core of a present processor."""
# How long the clock is watched, and how often what it watches is done, at most.
_SECONDS, _ROUNDS = 1.0, 2


def arithmetic(generator: Generator, outputs: Sequence[Output]) -> float:
    """Multiplications of one point's responses, at least 1."""
    return float(max(1, sum(cost.multiplications for cost in computed_layers(generator, outputs))))


def affordable(each: float, most: float, least: float, multiplications: float = MINUTE) -> int:
    """How many times something of so many multiplications `each` fits, from `least` to `most`."""
    return int(max(least, min(most, multiplications / each)))


def timed_batch(generator: Generator) -> int:
    """How many points to measure `seconds_each` at: two, or of small networks, which are faster together, sixteen."""
    return 16 if is_small(generator) else 2


def expected_seconds(generator: Generator, at: Latents, work: Iterable[tuple[Sequence[Output], float]]) -> float:
    """Seconds that responses to so many points take, of each of several outputs: measured as `seconds_each` does."""
    return sum(count * seconds_each(generator, outputs, at) for outputs, count in work if count)


def fitting(seconds: float, images: Callable[[int], float], each: float, least: int, most: int) -> int:
    """The count, from `least` to `most`, whose `images` (of `each` seconds) take so many seconds; they grow by as much with every one."""
    more = (images(2 * most) - images(most)) / most
    return int(max(least, min(most, (seconds / each - (images(most) - more * most)) / more)))


@torch.no_grad()
def seconds_each(generator: Generator, outputs: Sequence[Output], at: Latents) -> float:
    """Seconds that one point's responses take now, in the batch `at`: measured as `seconds_of` does."""

    def draw() -> None:
        ws = generator.mapping(at.z, at.label, at.psi, at.cutoff)
        for output in outputs:
            output(generator, ws)

    return seconds_of(draw) / len(at)


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that `work` takes now: measured for up to a second, twice at most.

    The first time, in which memory is found, is not counted, unless it takes that second by itself.
    """
    started = time.perf_counter()
    work()
    first = time.perf_counter() - started
    if first > _SECONDS:
        return first
    started, rounds = time.perf_counter(), 0
    while rounds < _ROUNDS and time.perf_counter() - started < _SECONDS:
        work()
        rounds += 1
    return (time.perf_counter() - started) / rounds
