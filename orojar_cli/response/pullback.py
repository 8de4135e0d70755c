"""Gram matrices of the axes of z by way of the few directions that move the images: M_z = (U J_m)^T M_U (U J_m).

J_m is the Jacobian of the mapping, which costs next to nothing; M_U the Gram matrix of the images' changes along the active subspace U of
w, a few columns instead of one for every axis of z.  Where z feeds the synthesis itself, U lies in z and J_m is the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.devices import on_processor
from orojar_cli.distributed import gathered, share
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.subspace import Subspace
from orojar_cli.runs.resume import Section

# Points whose mapping is differentiated at once.
_POINTS = 256


@dataclass(frozen=True)
class Pullback:
    """How a network's z moves its images: `steps` [k, D] displacements of w (or z) in the active subspace of `response`.

    `coordinates` [D, k] takes a displacement of w to its part in that subspace; `captured` is the share of squared gradients inside.
    """

    response: Response
    steps: Tensor
    coordinates: Tensor
    captured: float

    @classmethod
    def of(cls, response: Response, frame: Tensor, subspace: Subspace, size: int | None = None) -> Pullback:
        """The first `size` directions of a subspace (all) in the coordinates of `frame` [d, D], whose rows are independent."""
        basis = torch.cat([subspace.basis, subspace.complement])[: len(subspace) if size is None else size]
        wide = on_processor(frame)
        coordinates = torch.linalg.pinv(wide) @ basis.T
        return cls(response, (basis @ wide).to(frame), coordinates.to(frame), subspace.captured)

    def __len__(self) -> int:
        return len(self.steps)

    def factors(
        self, at: Latents, *, method: str = "exact", callback: Callable[[int], None] | None = None, kept: Section | None = None
    ) -> Tensor:
        """Factors F [N, k, z_dim] (float64) of the Gram matrices F^T F of the z axes at N points; arguments and errors as for
        `gram_matrices`."""
        grams = gram_matrices(self.response, at, self.steps, method=method, callback=callback, kept=kept)
        mine = share(len(at))
        values, vectors = torch.linalg.eigh(grams[mine.start : mine.stop])
        roots = (vectors * values.clamp_min(0).sqrt().unsqueeze(1)).transpose(1, 2)
        return gathered(roots @ on_processor(self.through_mapping(at[mine.start : mine.stop])), len(at))

    def through_mapping(self, at: Latents) -> Tensor:
        """[N, k, z_dim] the coordinates in the subspace that every axis of z moves, at every point."""
        if self.response.space == "z":
            return self.coordinates.T.expand(len(at), -1, -1)
        parts = [self._through_mapping(at[start : start + _POINTS]) for start in range(0, max(1, len(at)), _POINTS)]
        return torch.cat(parts)

    def _through_mapping(self, at: Latents) -> Tensor:
        z = at.z.detach().requires_grad_(True)
        with torch.enable_grad():
            w = self.response.generator.mapping(z, at.label, at.psi, at.cutoff)[:, -1 if at.cutoff is None else 0]
            moved = (w @ self.coordinates).sum(0)
            rows = [torch.autograd.grad(value, z, retain_graph=True)[0] for value in moved]
        return torch.stack(rows, 1)


def is_mapped(generator: Generator) -> bool:
    """Whether z reaches the images through layers that can be differentiated apart from these."""
    return hasattr(generator.mapping, "layers") and getattr(generator, "differentiable", True)
