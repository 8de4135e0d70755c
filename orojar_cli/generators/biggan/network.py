"""The BigGAN generator (Brock et al. 2019, arXiv 1809.11096), with self-attention (Zhang et al. 2019, arXiv 1805.08318)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.base import BaseGenerator, BaseMapping
from orojar_cli.generators.biggan.config import ATTENTION, IMAGE, BigGANConfig
from orojar_cli.generators.checks import check_latents, check_noise_mode, check_only_image, check_ws, last_resolution
from orojar_cli.generators.noise import Randomness
from orojar_cli.generators.unmapped_config import START


def statistics_position(psi: float, statistics: int) -> float:
    """Where between its sets of batch statistics a network is at truncation `psi`; 0 for the first, whole numbers are sets themselves.

    The sets lie at truncations 0, 1 / (statistics - 1), ..., 1.  Between two the published model weighs them the wrong way round: it
    is nearly at the upper one just above the lower.  Double precision decides on which side of a set a truncation lies.
    """
    place = psi / (1.0 / (statistics - 1))
    whole = int(place)
    return float(whole) if place == whole else whole + (1.0 - (place - whole))


class BigGANMapping(BaseMapping):
    """z [N, z_dim] and label -> ws [N, num_ws, w_dim], all entries alike: z, the class vector, and for networks with several sets of
    batch statistics the place between these.

    The label is [N, c_dim], one-hot or any mixture of classes, or the numbers of the classes [N], or for networks with a shared
    embedding a vector [N, y_dim] in it.  Truncation by psi scales z and chooses the statistics where there are several sets; other
    networks know none (their z is drawn from a truncated distribution instead, `BigGAN.z_limit`).
    """

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        self.config = config
        if config.shared:
            self.embedding = nn.Linear(config.c_dim, config.y_dim, bias=False)
        self.register_buffer("w_avg", torch.empty(config.w_dim))

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """[z, class vector(, place of the statistics of no truncation)].  Raises OptionError for what does not fit."""
        config = self.config
        embedded = config.shared and isinstance(label, Tensor) and label.ndim == 2 and label.shape[1] == config.y_dim != config.c_dim
        if isinstance(label, Tensor) and label.ndim == 1 and not label.is_floating_point():
            if label.numel() and not 0 <= int(label.min()) <= int(label.max()) < config.c_dim:
                raise OptionError(f"this network is conditional: give classes from 0 to {config.c_dim - 1}")
            label = F.one_hot(label.long(), config.c_dim)
        check_latents(z, label, config.z_dim, config.y_dim if embedded else config.c_dim, self.w_avg.device)
        y = label.to(z)  # type: ignore[union-attr]
        y = self.embedding(y) if config.shared and not embedded else y
        place = [torch.full_like(z[:, :1], config.statistics - 1)] if config.statistics > 1 else []
        return torch.cat([z, y, *place], -1)

    def spread(self, w: Tensor, psi: float, cutoff: int | None) -> Tensor:
        """w for each entry; with several sets of statistics psi z, and the statistics of psi, in the first `cutoff` entries."""
        config = self.config
        ws = w.unsqueeze(1).expand(-1, config.num_ws, -1)
        if config.statistics == 1 or psi == 1 or cutoff == 0:
            return ws
        if not 0 < psi <= 1:
            raise OptionError(f"psi = {psi}: this network has statistics for truncations above 0 up to 1")
        place = torch.full_like(w[:, :1], statistics_position(psi, config.statistics))
        truncated = torch.cat((psi * w[:, : config.z_dim], w[:, config.z_dim : -1], place), -1)
        count = config.num_ws if cutoff is None else cutoff
        return (
            torch.cat((truncated.unsqueeze(1).expand(-1, count, -1), ws[:, count:]), 1)
            if count < config.num_ws
            else (truncated.unsqueeze(1).expand(-1, config.num_ws, -1))
        )


class _Normalised(nn.Module):
    """A linear layer or convolution whose weight is divided by its largest singular value, about (Miyato et al. 2018, arXiv 1802.05957).

    The numbers stored are those before the division.  "power": one step of the power method from the stored u; "stored": the value of
    u^T W v; "none": 1.
    """

    def __init__(self, config: BigGANConfig, shape: tuple[int, ...], bias: bool, normalised: bool = True) -> None:
        super().__init__()
        self.kind = config.spectral if normalised else "none"
        self.epsilon = config.spectral_epsilon
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0])) if bias else None
        if self.kind != "none":
            self.register_buffer("u", torch.empty(shape[0]))
        if self.kind == "stored":
            self.register_buffer("v", torch.empty(self.weight[0].numel()))

    def sigma(self) -> Tensor:
        """What the weight is divided by."""
        if self.kind == "none":
            return self.weight.new_ones(())
        matrix, u = self.weight.flatten(1), self.u
        if self.kind == "stored":
            return u @ (matrix @ self.v)  # type: ignore[operator]
        v = self._unit(u @ matrix)  # type: ignore[operator]
        product = matrix @ v
        return product @ self._unit(product)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / vector.norm().clamp_min(self.epsilon)

    def forward(self, x: Tensor) -> Tensor:
        # What comes in is divided instead of the weight, whose copy would take a fifth of the time of a picture.
        x = x if self.kind == "none" else x / self.sigma()
        if self.weight.ndim == 2:
            return F.linear(x, self.weight, self.bias)
        return F.conv2d(x, self.weight, self.bias, padding=int(self.weight.shape[-1]) // 2)


class _Statistics(nn.Module):
    """Batch statistics of `width` channels, in one set or in several for the truncations of a grid."""

    mean: Tensor
    var: Tensor

    def __init__(self, config: BigGANConfig, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.register_buffer("mean", torch.empty(config.statistics, width))
        self.register_buffer("var", torch.empty(config.statistics, width))

    def normalised(self, x: Tensor, place: Tensor | None, gain: Tensor, offset: Tensor) -> Tensor:
        """(x - mean) / sqrt(var + epsilon) * gain + offset for x [N, C, H, W], gain and offset [N, C] or [C], at places [N] (None: 0)."""
        mean, var = self.mean[0], self.var[0]
        if place is not None:
            place = place.clamp(0, len(self.mean) - 1)
            low = place.detach().floor().long().clamp(max=len(self.mean) - 2)
            share = (place - low).unsqueeze(-1)
            mean, var = (torch.lerp(table[low], table[low + 1], share) for table in (self.mean, self.var))
        scale = gain * (var + self.epsilon).rsqrt()
        return x * scale[..., None, None] + (offset - mean * scale)[..., None, None]


class _Conditional(_Statistics):
    """Batch normalisation whose gain and offset the latent and the class make."""

    def __init__(self, config: BigGANConfig, width: int, inputs: int) -> None:
        super().__init__(config, width, config.norm_epsilon)
        self.gain = _Normalised(config, (width, inputs), False, config.shared)
        self.offset = _Normalised(config, (width, inputs), False, config.shared)

    def forward(self, x: Tensor, e: Tensor, place: Tensor | None) -> Tensor:
        return self.normalised(x, place, 1 + self.gain(e), self.offset(e))


class _Last(_Statistics):
    """Batch normalisation with a gain and offset of its own."""

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__(config, config.channels[-1], config.output_epsilon)
        self.weight, self.bias = nn.Parameter(torch.empty(config.channels[-1])), nn.Parameter(torch.empty(config.channels[-1]))

    def forward(self, x: Tensor, place: Tensor | None) -> Tensor:
        return self.normalised(x, place, self.weight, self.bias)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)


class _Block(nn.Module):
    """A residual block: normalisation and ReLU before every convolution, nearest upsampling in both branches.

    Plain blocks upsample before the first convolution and have a 1x1 convolution on their shortcut; bottlenecks upsample before their
    first 3x3 convolution, and their shortcut keeps the first channels.
    """

    def __init__(self, config: BigGANConfig, block: int) -> None:
        super().__init__()
        self.deep, self.doubles, self.outputs = config.deep, config.doubling[block] == "1", config.channels[block + 1]
        self.convolutions = [name for name, *_ in config.convolutions(block) if name != "skip"]
        for index, (name, inputs, outputs, kernel) in enumerate(config.convolutions(block)):
            if name != "skip":
                self.add_module(f"norm{index}", _Conditional(config, inputs, config.inputs(block + 1)))
            self.add_module(name, _Normalised(config, (outputs, inputs, kernel, kernel), True))

    def forward(self, x: Tensor, e: Tensor, place: Tensor | None) -> Tensor:
        h = x
        for index, name in enumerate(self.convolutions):
            h = F.relu(self.get_submodule(f"norm{index}")(h, e, place))
            if self.doubles and index == (1 if self.deep else 0):
                h = _doubled(h)
            h = self.get_submodule(name)(h)
        x = x[:, : self.outputs] if self.deep else x
        x = _doubled(x) if self.doubles else x
        return h + (x if self.deep else self.get_submodule("skip")(x))


class _Attention(nn.Module):
    """gamma times what every pixel gathers from the pixels of a 2x2 max-pooled map, by the softmax of inner products; added to x."""

    def __init__(self, config: BigGANConfig, block: int) -> None:
        super().__init__()
        for name, shape in config.attended(block).items():
            self.add_module(name, _Normalised(config, (*shape, 1, 1), False))
        self.gamma = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g, o = (self.get_submodule(name) for name in ATTENTION)
        queries = theta(x).flatten(2)
        keys, values = (F.max_pool2d(part(x), 2).flatten(2) for part in (phi, g))
        shares = (queries.transpose(1, 2) @ keys).softmax(-1)
        gathered = (values @ shares.transpose(1, 2)).unflatten(2, x.shape[2:])
        result: Tensor = self.gamma * o(gathered) + x
        return result


class BigGANSynthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, 3, R, R] in [-1, 1]: entry 0 drives the first layer, entry i + 1 block i."""

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        self.config = config
        self.first = _Normalised(config, (START**2 * config.channels[0], config.inputs(0)), True)
        for block in range(config.blocks):
            self.add_module(f"block{block}", _Block(config, block))
            if block in config.attention:
                self.add_module(f"attention{block}", _Attention(config, block))
        self.norm = _Last(config)
        self.torgb = _Normalised(config, (config.image_rows, config.channels[-1], 3, 3), True)

    def _read(self, ws: Tensor, entry: int) -> Tensor:
        """What an entry's layers read of it: its part of z, then the class vector."""
        config, here = self.config, ws[:, entry]
        part = config.z_range(entry)
        z, y = here[:, part.start : part.stop], here[:, config.z_dim : config.z_dim + config.y_dim]
        return torch.cat((z, y), -1) if config.reads_class(entry) else z

    def _place(self, ws: Tensor, entry: int) -> Tensor | None:
        return ws[:, entry, -1] if self.config.statistics > 1 else None

    def run(self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: Randomness = None) -> tuple[Tensor, Tensor | None]:
        """(features, image) of the last block of resolution `until`; the image is None before the last resolution.

        There is no noise: the mode is checked and has no effect.  Raises OptionError for an unknown mode or resolution.
        """
        config, resolutions = self.config, self.config.resolutions
        check_noise_mode(noise_mode)
        until = last_resolution(until, resolutions, "layer")
        check_ws(ws, config.num_ws, config.w_dim, self.norm.weight.device, self.norm.weight.dtype)
        x = self.first(self._read(ws, 0)).unflatten(1, (-1, START, START))
        for block in range(config.blocks):
            if config.block_resolution(block) > until:
                return x, None
            x = self.get_submodule(f"block{block}")(x, self._read(ws, block + 1), self._place(ws, block + 1))
            if block in config.attention:
                x = self.get_submodule(f"attention{block}")(x)
        image = self.torgb(F.relu(self.norm(x, self._place(ws, -1))))[:, :IMAGE]
        return x, torch.tanh(image)

    def forward(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: Randomness = None) -> Tensor:
        """The image.  Raises OptionError for a `resolution` other than the image's own: there are no images on the way."""
        check_only_image(resolution, self.config.family, self.config.img_resolution)
        _, image = self.run(ws, noise_mode, None, rng)
        assert image is not None
        return image


class BigGAN(BaseGenerator):
    """z and class -> images."""

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__(config, BigGANMapping(config), BigGANSynthesis(config))

    def _readers(self, entry: int) -> list[_Normalised]:
        """The linear layers that read an entry of ws."""
        if not entry:
            return [self.synthesis.first]
        block = self.synthesis.get_submodule(f"block{entry - 1}")
        norms = [getattr(block, f"norm{index}") for index in range(len(block.convolutions))]
        return [layer for norm in norms for layer in (norm.gain, norm.offset)]

    @property
    def z_parts(self) -> list[range]:
        """The coordinates of z that can be rotated among each other: all, or those of each chunk."""
        return [part for part in self.config.z_ranges if part] if self.config.latent == "chunks" else [range(self.z_dim)]

    def z_columns(self, part: int = 0) -> list[Tensor]:
        """The weights [rows, size] that read a part of z, as views: a rotation of the part is folded into them.

        A stored right singular vector is turned with its weight, and then what the weight is divided by stays what it is.
        """
        columns = []
        for entry, own in enumerate(self.config.z_ranges):
            if own == self.z_parts[part]:
                for layer in self._readers(entry):
                    stored = [layer.v.unsqueeze(0)] if layer.kind == "stored" else []  # type: ignore[operator]
                    columns += [tensor[:, : len(own)] for tensor in (layer.weight, *stored)]
        return columns

    @torch.no_grad()
    def style_weights(self, layers: Sequence[int]) -> list[Tensor]:
        """For SeFa: the weights [rows, w_dim] that the chosen entries' parts of z meet first, as used, with zeros for all else.

        Raises OptionError where these entries read nothing of z.
        """
        result = []
        for entry in layers:
            part = self.config.z_range(entry)
            for layer in self._readers(entry) if part else []:
                rows = layer.weight.new_zeros(len(layer.weight), self.w_dim)
                rows[:, part.start : part.stop] = layer.weight[:, : len(part)] / layer.sigma()
                result.append(rows)
        if not result:
            raise OptionError("these layers read nothing of z, so SeFa has nothing to factorise; choose layer 0")
        return result

    def z_limit(self, psi: float) -> float | None:
        """Components of z beyond this are drawn again, None for none: 2 for a network with statistics for every truncation, which
        scales z itself; else the threshold psi, where one is given (Brock et al., section 3.1)."""
        if self.config.statistics > 1:
            return 2.0
        return None if psi == 1 else psi

    def free_coordinates(self, entry: int) -> Any:
        """The coordinates of w (and z) through which an entry of ws can be moved with the class as it is."""
        return self.config.z_range(entry)
