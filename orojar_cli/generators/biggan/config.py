"""What defines a BigGAN generator (Brock et al. 2019, arXiv 1809.11096, appendix B): widths, and which part of z each block reads
(no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes, checked, checked_choice, checked_number
from orojar_cli.generators.unmapped_config import START, IdentityMapping, plain_option

IMAGE = 3
# How z is spread: split among the first layer and the blocks, all of it in the first layer alone, or all of it everywhere.
LATENTS = ("chunks", "first", "everywhere")
# How sigma of a weight is found: by one step of the power method, from both stored singular vectors, or not at all.
SPECTRAL = ("power", "stored", "none")
ATTENTION = ("theta", "phi", "g", "o")


@dataclass(frozen=True)
class BigGANConfig:
    """z and class -> 4x4 pixels of `channels[0]` channels -> residual blocks with outputs `channels[1:]` -> image.

    The first layer and every block have an entry of ws, and read of it their part of z (`latent`) and the class vector of `y_dim`
    numbers: an embedding of the `c_dim` classes where it is `shared`, else the classes themselves.  `doubling` has a 1 for each block
    that doubles the resolution.  `deep` blocks are bottlenecks; `attention` are the blocks that self-attention follows.  `statistics`
    counts the sets of batch statistics, one for each grid point of the truncation; with more than one a last number of w says where
    between them the network is.  `image_rows` are the outputs of the last convolution, the first three of which are the image.
    """

    z_dim: int
    y_dim: int
    c_dim: int
    channels: tuple[int, ...]
    doubling: str
    deep: bool = False
    latent: str = "chunks"
    shared: bool = True
    attention: tuple[int, ...] = ()
    spectral: str = "power"
    statistics: int = 1
    image_rows: int = IMAGE
    norm_epsilon: float = 1e-5
    output_epsilon: float = 1e-5
    spectral_epsilon: float = 1e-6
    assumed: tuple[str, ...] = field(default=(), compare=False)
    family: str = field(default="BigGAN", init=False)

    def __post_init__(self) -> None:
        checked("z_dim", self.z_dim, 1, 8192)
        checked("y_dim", self.y_dim, 1, 65536)
        checked("number of classes", self.c_dim, 1, 65536)
        checked("number of blocks", self.blocks, 1, 64)
        for width in self.channels:
            checked("channels", width, 1, 16384)
        checked_choice("latent", self.latent, LATENTS)
        checked_choice("spectral", self.spectral, SPECTRAL)
        checked("statistics", self.statistics, 1, 1024)
        checked("image_rows", self.image_rows, IMAGE, 16384)
        if len(self.doubling) != self.blocks or not set(self.doubling) <= {"0", "1"} or not 1 <= self.doubling.count("1") <= 9:
            raise UnsupportedCheckpointError(
                f"not supported: doubling = {ascii(self.doubling)[:80]} (a 1 or 0 for each of {self.blocks} blocks, one to nine of them 1)"
            )
        for name in ("norm_epsilon", "output_epsilon", "spectral_epsilon"):
            checked_number(name, getattr(self, name), 1.0)
        if not all(type(index) is int and 0 <= index < self.blocks for index in self.attention) or (
            len(set(self.attention)) < len(self.attention)
        ):
            raise UnsupportedCheckpointError("not supported: a BigGAN with attention behind blocks that it does not have")
        if self.latent == "chunks" and self.z_dim % self.num_ws:
            raise UnsupportedCheckpointError(f"not supported: a z of {self.z_dim} numbers in {self.num_ws} chunks")
        if not self.shared and self.y_dim != self.c_dim:
            raise UnsupportedCheckpointError("not supported: a BigGAN without embedding whose class vectors are not its classes")
        if self.deep and any(not self._fits(*widths) for widths in zip(self.channels[:-1], self.channels[1:], strict=True)):
            raise UnsupportedCheckpointError("not supported: a BigGAN-deep with blocks that do not keep or halve their channels")
        if not {*self.assumed} <= {entry.name for entry in fields(self)}:
            raise UnsupportedCheckpointError("not supported: a network with options left open that orojar does not know")

    @staticmethod
    def _fits(inputs: int, outputs: int) -> bool:
        """Whether a bottleneck can turn so many channels into so many."""
        return inputs >= 4 and outputs in (inputs, inputs // 2)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> BigGANConfig:
        """The inverse of dataclasses.asdict."""
        return cls(**{name: plain_option(value) for name, value in options.items() if name != "family"})

    @property
    def blocks(self) -> int:
        return len(self.channels) - 1

    @property
    def synthesis(self) -> BigGANConfig:
        return self

    @property
    def mapping(self) -> IdentityMapping:
        return IdentityMapping(self.z_dim, self.c_dim)

    @property
    def w_dim(self) -> int:
        return self.z_dim + self.y_dim + (self.statistics > 1)

    @property
    def num_ws(self) -> int:
        return 1 + self.blocks

    @property
    def img_channels(self) -> int:
        return IMAGE

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the image."""
        return self.img_channels, self.img_resolution, self.img_resolution

    @property
    def img_resolution(self) -> int:
        return self.block_resolution(self.blocks - 1)

    @property
    def resolutions(self) -> list[int]:
        return [START << step for step in range(self.doubling.count("1") + 1)]

    @property
    def architecture(self) -> str:
        words = {"chunks": "z in chunks", "first": "z in the first layer", "everywhere": "z in every block"}
        return f"{'bottleneck' if self.deep else 'residual'} blocks, {words[self.latent]}" + (
            f", {self.statistics} sets of statistics" if self.statistics > 1 else ""
        )

    def block_resolution(self, block: int) -> int:
        """Resolution of the output of a block."""
        return START << self.doubling[: block + 1].count("1")

    def z_range(self, entry: int) -> range:
        """The coordinates of z that the entry of ws drives: none, a chunk, or all."""
        if self.latent == "chunks":
            size = self.z_dim // self.num_ws
            return range(entry * size, (entry + 1) * size)
        return range(self.z_dim if self.latent == "everywhere" or not entry else 0)

    @property
    def z_ranges(self) -> list[range]:
        """`z_range` of every entry."""
        return [self.z_range(entry) for entry in range(self.num_ws)]

    @property
    def reads(self) -> tuple[str, ...]:
        """What every entry's layers read, in words: "z 4-7, class"."""
        parts = [f"z {part.start}-{part.stop - 1}" if part else "" for part in self.z_ranges]
        return tuple(", ".join(filter(None, (part, "class" if self.reads_class(entry) else ""))) for entry, part in enumerate(parts))

    def inputs(self, entry: int) -> int:
        """How many numbers the linear layers of an entry read: its part of z, and the class vector where they have it."""
        return len(self.z_range(entry)) + (self.y_dim if self.reads_class(entry) else 0)

    def reads_class(self, entry: int) -> bool:
        """Whether the entry's layers read the class vector: all blocks do, the first layer where z is everywhere."""
        return entry > 0 or self.latent == "everywhere"

    def layers(self) -> list[LayerInfo]:
        """What the entries of ws drive: the first layer, and the normalisations of every block."""
        result = [LayerInfo("first", 0, START, len(self.z_range(0)), self.channels[0])]
        for block, (inputs, outputs) in enumerate(zip(self.channels[:-1], self.channels[1:], strict=True)):
            result.append(LayerInfo(f"block{block}", block + 1, self.block_resolution(block), inputs, outputs))
        return result

    def convolutions(self, block: int) -> list[tuple[str, int, int, int]]:
        """(name, inputs, outputs, kernel) of a block's convolutions in the order of execution; the shortcut's is last."""
        inputs, outputs = self.channels[block : block + 2]
        if self.deep:
            width = inputs // 4
            return [("conv0", inputs, width, 1), ("conv1", width, width, 3), ("conv2", width, width, 3), ("conv3", width, outputs, 1)]
        return [("conv0", inputs, outputs, 3), ("conv1", outputs, outputs, 3), ("skip", inputs, outputs, 1)]

    def attended(self, block: int) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) of the 1x1 convolutions of the attention behind a block."""
        width = self.channels[block + 1]
        return {"theta": (width // 8, width), "phi": (width // 8, width), "g": (width // 2, width), "o": (width, width // 2)}

    def costs(self) -> list[LayerCost]:
        """What the first layer, every convolution, every attention and the last convolution cost."""
        rows = START**2 * self.channels[0]
        costs = [LayerCost(START, rows + self.inputs(0), rows * self.inputs(0))]
        before = START
        for block in range(self.blocks):
            after = self.block_resolution(block)
            for name, inputs, outputs, kernel in self.convolutions(block):
                pixels = (before if self.deep and name == "conv0" else after) ** 2
                costs.append(LayerCost(after, (inputs + outputs) * pixels, inputs * outputs * kernel**2 * pixels))
            if block in self.attention:
                width, pixels = self.channels[block + 1], after**2
                pairs = pixels * pixels // 4
                multiplications = sum(a * b for a, b in self.attended(block).values()) * pixels + pairs * (width // 8 + width // 2)
                costs.append(LayerCost(after, 3 * width * pixels + pairs, multiplications))
            before = after
        pixels, width = self.img_resolution**2, self.channels[-1]
        return [*costs, LayerCost(self.img_resolution, (width + self.image_rows) * pixels, width * self.image_rows * 9 * pixels)]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = self._weight(f"{prefix}first", (START**2 * self.channels[0], self.inputs(0)), True)
        for block in range(self.blocks):
            here = f"{prefix}block{block}"
            norms = [inputs for name, inputs, *_ in self.convolutions(block) if name != "skip"]
            for index, width in enumerate(norms):
                for part in ("gain", "offset"):
                    shapes |= self._weight(f"{here}.norm{index}.{part}", (width, self.inputs(block + 1)), False, self.shared)
                shapes |= {f"{here}.norm{index}.{part}": (self.statistics, width) for part in ("mean", "var")}
            for name, inputs, outputs, kernel in self.convolutions(block):
                shapes |= self._weight(f"{here}.{name}", (outputs, inputs, kernel, kernel), True)
            if block in self.attention:
                for name, (outputs, inputs) in self.attended(block).items():
                    shapes |= self._weight(f"{prefix}attention{block}.{name}", (outputs, inputs, 1, 1), False)
                shapes[f"{prefix}attention{block}.gamma"] = ()
        width = self.channels[-1]
        shapes |= {f"{prefix}norm.{part}": (width,) for part in ("weight", "bias")}
        shapes |= {f"{prefix}norm.{part}": (self.statistics, width) for part in ("mean", "var")}
        shapes |= self._weight(f"{prefix}torgb", (self.image_rows, width, 3, 3), True)
        if self.shared:
            shapes["mapping.embedding.weight"] = (self.y_dim, self.c_dim)
        return shapes | {"mapping.w_avg": (self.w_dim,)}

    def _weight(self, name: str, shape: tuple[int, ...], bias: bool, normalised: bool = True) -> Shapes:
        """A weight with what its spectral normalisation needs."""
        shapes: Shapes = {f"{name}.weight": shape}
        if bias:
            shapes[f"{name}.bias"] = shape[:1]
        if normalised and self.spectral != "none":
            shapes[f"{name}.u"] = shape[:1]
        if normalised and self.spectral == "stored":
            columns = 1
            for size in shape[1:]:
                columns *= size
            shapes[f"{name}.v"] = (columns,)
        return shapes
