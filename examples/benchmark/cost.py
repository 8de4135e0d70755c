"""What a method costs: processor seconds and generator evaluations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from orojar_cli.response import jacobian


@dataclass
class Cost:
    """`evaluations`: images computed, a Jacobian column counting as one; backward passes (SGD has one a step) are not counted.

    `seconds` of the processor, all threads together: with one thread the wall time of a machine that does nothing else.
    """

    seconds: float = 0.0
    evaluations: int = 0


@contextmanager
def measured(generator: Any) -> Iterator[Cost]:
    """Count what the generator does inside the block; `seconds` is set at its end."""
    cost = Cost()
    columns = jacobian.jacobian_columns

    def counting(response: Any, at: Any, tangents: Any, method: str = "exact") -> Any:
        # The synthesis itself is entered once for all tangents, so the hook below counts only the primal.
        cost.evaluations += len(tangents) * len(at) if method == "exact" else 0
        return columns(response, at, tangents, method)

    def images(module: Any, arguments: Any) -> None:
        cost.evaluations += len(arguments[0])

    hook = generator.synthesis.register_forward_pre_hook(images)
    started = time.process_time()
    try:
        with mock.patch.object(jacobian, "jacobian_columns", counting):
            yield cost
    finally:
        cost.seconds = time.process_time() - started
        hook.remove()
