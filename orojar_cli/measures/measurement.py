"""What a metric gives: a number with its interval, and enough beside it to be reproduced and compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """One number of one subject (a direction set, a network).

    `metric` and `subject` name what was measured on what; `value` lies in `interval`, a 95 % interval, see `uncertainty` (None where
    one number was all there was); `better` says which way is better (None: neither); `per_latent` [N] holds the values whose mean is
    `value`, in the order of the latents, so that two subjects measured at the same latents can be compared in pairs; `settings` are the
    sample counts, seeds and the detector; `source` is the paper and its equation; `details` holds whatever belongs beside the number
    (per-dimension values, matrices as nested lists), JSON-serialisable.
    """

    metric: str
    subject: str
    value: float
    interval: tuple[float, float] | None
    better: str | None
    source: str
    settings: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    per_latent: np.ndarray | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, without `per_latent`."""
        return {
            "metric": self.metric,
            "subject": self.subject,
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "better": self.better,
            "source": self.source,
            "settings": self.settings,
            "details": self.details,
        }
