"""Where points are along a direction set: how many sigmas of each direction they have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from orojar_cli.devices import on_processor
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.projected import Points, ProjectedLatents, before_activation
from orojar_cli.latents.spaces import pre_activation, styled_layers


@dataclass(frozen=True)
class Coordinates:
    """Of points in sigmas along the K directions of a set, seen from the mean latent: a step of one sigma along one of them adds 1 to its
    own coordinate and nothing to the others.

    `reading` [D, K] takes offsets from the mean to coordinates, by least squares in the frame that the set was found in: where the latents
    are isotropic for a whitened one, in the space as it is for others, whose axes along which latents hardly vary would count far too
    much in the former.
    """

    generator: Generator
    directions: DirectionSet
    frame: Frame
    reading: Tensor

    @classmethod
    def of(cls, generator: Generator, directions: DirectionSet, settings: Settings | None = None) -> Coordinates:
        """The coordinates of a set of this network; the settings' seed and class say which latents have the mean (and are whitened)."""
        whiten = bool(directions.options.get("whiten", False))
        settings = replace(settings or Settings(), space=directions.space, layers=directions.layers, whiten=whiten)
        frame = Frame.of(generator, settings)
        steps = on_processor(frame.steps)
        # The rows of a frame are orthogonal: this undoes it.
        white = steps.T / steps.square().sum(1)
        own = on_processor(directions.directions * directions.sigma.unsqueeze(1)) @ white
        return cls(generator, directions, frame, white @ torch.linalg.pinv(own))

    @torch.no_grad()
    def __call__(self, at: Points) -> Tensor:
        """[N, K] float64 on the processor.  In w the mean of the entries of ws counts that the set moves, with their truncation.

        Raises OptionError for points without coordinates in the set's space: ws in z, and in p behind an activation that cannot be undone.
        """
        return on_processor(self._offsets(at)) @ self.reading

    def _offsets(self, at: Points) -> Tensor:
        """[N, D] what the points have beyond the mean latent, in the set's space."""
        generator, space, layers = self.generator, self.directions.space, list(self.directions.layers)
        if space == "z":
            if isinstance(at, ProjectedLatents):
                raise OptionError("a projected w has no z: give seeds, or use directions in w, w+ or p, e.g. of orojar discover --space w")
            return at.z
        assert self.frame.moments is not None, "only z is without"
        mean = self.frame.moments.mean.to(generator.device, torch.float32)
        if space == "p":
            if not isinstance(at, ProjectedLatents):
                return pre_activation(generator, at.z, at.label) - mean
            return before_activation(at.ws[:, layers], generator.mapping.layers[-1].activation).mean(1) - mean
        ws = at.ws if isinstance(at, ProjectedLatents) else generator.mapping(at.z, at.label, at.psi, at.cutoff)
        offsets = ws - mean
        if space == "s":
            assert self.frame.affine is not None, "a frame of s has one"
            entries = [layer.ws for layer in styled_layers(generator, layers)]
            counts = [generator.config.shapes()[layer.affine][0] for layer in styled_layers(generator, layers)]
            parts = zip(entries, self.frame.affine.split(counts), strict=True)
            return torch.cat([offsets[:, entry] @ weight.to(offsets).T for entry, weight in parts], 1)
        return offsets[:, layers].flatten(1) if space == "w+" else offsets[:, layers].mean(1)
