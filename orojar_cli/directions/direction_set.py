"""A set of latent directions: what every method returns, what traversals apply, one .safetensors file."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from orojar_cli.containers.safetensors_file import encoded_header
from orojar_cli.directions.applied import displaced
from orojar_cli.directions.kept import kept_path
from orojar_cli.directions.proposal import Proposal
from orojar_cli.errors import DirectionSetError, InputFileError, OptionError
from orojar_cli.files import write_bytes
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.latents.projected import ProjectedLatents
from orojar_cli.latents.spaces import SPACES, space_dim, style_offsets

FORMAT = "orojar-directions-1"
DEGENERATE = "degenerate"
_INACTIVE = 1e-6


@dataclass(frozen=True, repr=False)
class DirectionSet:
    """K directions in one latent space of one network.

    `directions[3]`, `directions["smile"]` and slices are sets with those rows, and iterating gives sets of one; `apply` and `images`
    move a network's latents or ws along one.

    `directions` [K, D] float32, unit rows; `sigma` [K] the length of one strength unit along each (one standard deviation of the
    latent); `activeness` [K] how much the image changes (OroJaR, section 4.1); `layers` the entries of `ws` they are applied to;
    `checkpoint` the SHA-256 of the network's file; `labels` the names that people gave, `proposals` those that were measured;
    `scores` further numbers [K] of the method, such as its singular values; the score `degenerate` is -1, or the number of a group of
    directions any rotation of which would have done as well.
    """

    directions: Tensor
    sigma: Tensor
    activeness: Tensor
    method: str
    space: str
    layers: tuple[int, ...]
    checkpoint: str
    labels: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Tensor] = field(default_factory=dict)
    proposals: tuple[Proposal | None, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.directions)
        if not self.labels:
            object.__setattr__(self, "labels", ("",) * count)
        if not any(self.proposals):
            object.__setattr__(self, "proposals", (None,) * count)
        vectors = (self.sigma, self.activeness, *self.scores.values())
        if (
            self.directions.ndim != 2
            or not count
            or any(vector.shape != (count,) for vector in vectors)
            or {len(self.labels), len(self.proposals)} != {count}
        ):
            raise DirectionSetError("a direction set needs directions [K, D] and sigma, activeness, labels and proposals of K entries")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in (self.directions, *vectors)):
            raise DirectionSetError("a direction set holds numbers that are not finite; make it again")
        if self.space not in SPACES or not self.layers:
            raise DirectionSetError(f"a direction set in the unknown space {self.space!r}, or without layers")

    def __len__(self) -> int:
        return len(self.directions)

    def __getitem__(self, rows: int | str | slice | Sequence[int | str]) -> DirectionSet:
        """The set of a dimension (number or label), of several, or of a slice; raises OptionError for one there is not."""
        if isinstance(rows, slice):
            return self.select(range(len(self))[rows])
        return self.select([self.index(row) for row in ([rows] if isinstance(rows, int | str) else rows)])

    def __iter__(self) -> Iterator[DirectionSet]:
        return (self.select([row]) for row in range(len(self)))

    def __contains__(self, dimension: object) -> bool:
        """Whether there is a dimension of this number or label."""
        if isinstance(dimension, int):
            return 0 <= dimension < len(self)
        return isinstance(dimension, str) and bool(self._called(dimension))

    def __repr__(self) -> str:
        first, last = self.layers[0], self.layers[-1]
        layers = f"{first}-{last}" if self.layers == tuple(range(first, last + 1)) and first < last else ",".join(map(str, self.layers))
        named = ", ".join(filter(None, map(self.shown, range(len(self)))))
        return f"<{len(self)} {self.method} directions in {self.space}, layers {layers}" + (f": {named}>" if named else ">")

    def _repr_html_(self) -> str:
        """A table of the dimensions, for notebooks."""
        lines = "".join(f"<tr>{self._cells(row)}</tr>" for row in range(len(self)))
        head = "".join(f"<th>{name}</th>" for name in ("dim", "label", "activeness", "sigma", ""))
        return f"<p>{html.escape(repr(self)[1:-1])}</p><table><tr>{head}</tr>{lines}</table>"

    def _cells(self, row: int) -> str:
        """The cells of a dimension in the table."""
        texts = (str(row), self.shown(row), f"{self.activeness[row]:.4g}", f"{self.sigma[row]:.4g}", self.note(row))
        return "".join(f"<td>{html.escape(text)}</td>" for text in texts)

    def to(self, device: str | torch.device) -> DirectionSet:
        """A copy whose tensors are on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("directions", "sigma", "activeness")}
        return replace(self, **moved, scores={name: score.to(device) for name, score in self.scores.items()})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set as .safetensors, whole or not at all."""
        save_directions(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> DirectionSet:
        """The set in a file; raises what `load_directions` raises."""
        return load_directions(path)

    def displacement(self, index: int, strength: float | Tensor) -> Tensor:
        """`strength` sigmas along direction `index`: [D], or [S, D] for strengths [S]."""
        step = self.directions[index] * self.sigma[index]
        return strength.to(step).unsqueeze(-1) * step if isinstance(strength, Tensor) else strength * step

    def index(self, dimension: str | int) -> int:
        """The row of a dimension given by number, label or, where no label is so, by its measured name.

        Raises OptionError naming what there is."""
        text = str(dimension).strip()
        if text.lstrip("-").isdigit():
            number = int(text)
            if not 0 <= number < len(self):
                raise OptionError(f"no dimension {number}: this direction set has {len(self)} (0-{len(self) - 1})")
            return number
        matches = self._called(text)
        if len(matches) != 1:
            known = ", ".join(sorted({label for label in (*self.labels, *map(_attribute, self.proposals)) if label}))
            known = known or "none; set them with orojar label"
            raise OptionError(f"{'no' if not matches else 'more than one'} dimension has the label {text!r} (labels: {known})")
        return matches[0]

    def _called(self, text: str) -> list[int]:
        """The rows with this label, else those with this measured name."""
        for names in (self.labels, tuple(map(_attribute, self.proposals))):
            if rows := [row for row, name in enumerate(names) if name and name.casefold() == text.casefold()]:
                return rows
        return []

    def shown(self, index: int) -> str:
        """A dimension's label, else what was measured, marked as such ("~brightness +0.92"), else nothing."""
        proposal = self.proposals[index]
        return self.labels[index] or ("" if proposal is None else proposal.text)

    def name(self, index: int) -> str:
        """ "dim 3", with its label, or the name that was measured, where it has one."""
        return f"dim {index}" + (f"  {self.shown(index)}" if self.shown(index) else "")

    def note(self, index: int) -> str:
        """What a user should know about a direction: "inactive", "degenerate with dim 4, 7", or nothing."""
        if self.activeness.max() > 0 and self.activeness[index] <= _INACTIVE * self.activeness.max():
            return "inactive"
        groups = self.scores.get(DEGENERATE)
        if groups is None or groups[index] < 0:
            return ""
        others = [str(row) for row in (groups == groups[index]).nonzero().flatten().tolist() if row != index]
        return f"degenerate with dim {', '.join(others)}" if others else ""

    def labelled(self, index: int, label: str) -> DirectionSet:
        """A copy with one label set."""
        labels = list(self.labels)
        labels[index] = label
        return replace(self, labels=tuple(labels))

    def select(self, rows: Sequence[int] | Tensor) -> DirectionSet:
        """A copy with only these rows, in this order."""
        rows = torch.as_tensor(rows, device="cpu")
        return replace(
            self,
            directions=self.directions[rows],
            sigma=self.sigma[rows],
            activeness=self.activeness[rows],
            labels=tuple(self.labels[row] for row in rows.tolist()),
            proposals=tuple(self.proposals[row] for row in rows.tolist()),
            scores={name: score[rows] for name, score in self.scores.items()},
        )

    def apply(
        self,
        generator: Generator,
        at: Latents | ProjectedLatents | Tensor,
        dimension: str | int,
        strength: float | Tensor,
        layers: Sequence[int] | None = None,
        *,
        keep: Sequence[int | str] = (),
    ) -> Tensor:
        """ws [N, num_ws, w_dim] of the points `at`, moved `strength` sigmas (a number, or [N]) along a dimension (number or label).

        `at` are latents z [N, z_dim] (with label and truncation as `Latents`) or ws [N, num_ws, w_dim].  Moved are the set's own layers,
        or `layers`.  What the dimensions `keep` do to the picture is taken out of the movement (`directions.kept`).
        Raises OptionError for directions in s, which do not move ws, for those in z or p with ws, and for unknown dimensions or layers;
        DirectionSetError for a set of another network.
        """
        if self.space == "s":
            raise OptionError("directions in s move styles, not ws: draw them with images()")
        at, step = self._moved(generator, at, dimension, strength, layers, keep)
        return displaced(generator, at, self, step, layers)

    def images(
        self,
        generator: Generator,
        at: Latents | ProjectedLatents | Tensor,
        dimension: str | int,
        strength: float | Tensor,
        layers: Sequence[int] | None = None,
        noise_mode: str = "const",
        *,
        keep: Sequence[int | str] = (),
    ) -> Tensor:
        """Images [N, C, H, W] in about [-1, 1] of the points `at` moved as by `apply`, in every space: in s the styles are displaced.

        Noise of mode "random" is that of the points' seeds, as `seed_latents` gives them, else drawn from torch's own generator.
        """
        at, step = self._moved(generator, at, dimension, strength, layers, keep)
        ws = displaced(generator, at, self, step, layers)
        styles = style_offsets(generator, step, self.space, self.layers)
        # Only a displacement in s needs the argument, which other families do not have.
        further: dict[str, Any] = {} if styles is None else {"style_offsets": styles}
        if noise_mode == "random" and at.seeds is not None:
            further["rng"] = at.seeds
        drawn: Tensor = generator.synthesis(ws, noise_mode=noise_mode, **further)
        return drawn

    def _moved(
        self,
        generator: Generator,
        at: Latents | ProjectedLatents | Tensor,
        dimension: str | int,
        strength: float | Tensor,
        layers: Sequence[int] | None,
        keep: Sequence[int | str],
    ) -> tuple[Latents | ProjectedLatents, Tensor]:
        """(the points, their displacements [N, D]); raises as `apply` does."""
        self.check_fits(generator, generator.sha256 or self.checkpoint)
        if isinstance(at, Tensor):
            if at.ndim == 3 and self.space in ("z", "p"):
                raise OptionError(f"directions in {self.space} move latents: give z [N, {generator.z_dim}] instead of ws")
            at = ProjectedLatents(at) if at.ndim == 3 else Latents(at)
        if isinstance(strength, Tensor) and strength.shape not in ((), (len(at),)):
            raise OptionError(f"strengths of shape {list(strength.shape)} for {len(at)} points; give a number, or one for each point")
        if not bool(torch.as_tensor(strength, device="cpu").isfinite().all()):
            raise OptionError("a strength is not finite")
        if keep:
            path, _ = kept_path(generator, at, self, [(self.index(dimension), 1.0)], [self.index(row) for row in keep], layers=layers)
            return at, path(strength)
        step = self.displacement(self.index(dimension), strength)
        like = at.ws if isinstance(at, ProjectedLatents) else at.z
        return at, step.to(like).expand(len(at), -1)

    def check_fits(self, generator: Generator, sha256: str) -> None:
        """Raise DirectionSetError unless the set was made for this network, in a space and at layers it has."""
        if self.checkpoint != sha256:
            raise DirectionSetError(
                f"this direction set was made for another network (checkpoint {self.checkpoint[:12]}…, not {sha256[:12]}…); "
                "pass the run's own checkpoint, or make directions for this one"
            )
        if max(self.layers) >= generator.num_ws or self.directions.shape[1] != space_dim(generator, self.space, self.layers):
            raise DirectionSetError(
                f"this direction set has {self.directions.shape[1]} numbers per direction in {self.space}, which does not fit the network"
            )


def _attribute(proposal: Proposal | None) -> str:
    return "" if proposal is None else proposal.attribute


def save_directions(directions: DirectionSet, path: str | os.PathLike[str]) -> None:
    """Write a direction set as .safetensors (whole or not at all); raises OptionError for another suffix."""
    if Path(path).suffix != ".safetensors":
        raise OptionError(f"cannot write {Path(path).name}: a direction set's name ends in .safetensors")
    tensors = {"directions": directions.directions, "sigma": directions.sigma, "activeness": directions.activeness}
    tensors |= {f"score.{name}": score for name, score in directions.scores.items()}
    metadata = {
        "method": directions.method,
        "space": directions.space,
        "layers": list(directions.layers),
        "checkpoint": directions.checkpoint,
        "labels": list(directions.labels),
        "options": directions.options,
    }
    if any(directions.proposals):
        metadata["proposals"] = [None if proposal is None else proposal.to_dict() for proposal in directions.proposals]
    payload = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in sorted(tensors.items())}
    entries = {name: ("F32", list(tensor.shape), 4 * tensor.numel()) for name, tensor in payload.items()}
    header = encoded_header(entries, {"format": FORMAT, "orojar": json.dumps(metadata)})
    write_bytes(path, header + b"".join(tensor.numpy().tobytes() for tensor in payload.values()))


def load_directions(path: str | os.PathLike[str]) -> DirectionSet:
    """Read a direction set.  Raises InputFileError where there is none, DirectionSetError where the file is something else."""
    name = Path(path).name
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise DirectionSetError(
                    f"{name} is not a direction set of this version (format {header.get('format')!r}, expected {FORMAT!r})"
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        metadata = json.loads(header["orojar"])
        return DirectionSet(
            directions=tensors["directions"],
            sigma=tensors["sigma"],
            activeness=tensors["activeness"],
            method=str(metadata["method"]),
            space=str(metadata["space"]),
            layers=tuple(map(int, metadata["layers"])),
            checkpoint=str(metadata["checkpoint"]),
            labels=tuple(map(str, metadata["labels"])),
            proposals=tuple(None if told is None else Proposal.from_dict(told) for told in metadata.get("proposals", ())),
            options=dict(metadata["options"]),
            scores={key[6:]: tensor for key, tensor in tensors.items() if key.startswith("score.")},
        )
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DirectionSetError(
            f"{name} is not a direction set ({type(error).__name__}); pass a directions.safetensors of a run"
        ) from error
