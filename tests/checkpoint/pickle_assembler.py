"""Checkpoint pickles written opcode by opcode, so that any piece of them can be made wrong.

Nothing here is ever unpickled: these files are only for orojar's own reader.  Plain Python values stand for themselves;
`Global`, `Call`, `New`, `Build`, `Pairs`, `SetOf` and `Opcodes` stand for what plain values cannot say.  A value that occurs
twice (the same object) is written once and recalled from the memo, as Python's pickler does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import torch

from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

LOCATION = "cuda:0"  # where the tensors were when they were saved; it must not matter
SOURCE = "class Generator: ...\nclass Discriminator: ...\n"


@dataclass(eq=False)
class Global:
    module: str
    name: str


@dataclass(eq=False)
class Call:
    """function(*arguments), that is REDUCE."""

    function: Any
    arguments: Any


@dataclass(eq=False)
class New:
    """cls.__new__(cls, *arguments), that is NEWOBJ."""

    cls: Any
    arguments: Any = ()


@dataclass(eq=False)
class Build:
    """target with `state` set, that is BUILD."""

    target: Any
    state: Any


@dataclass(eq=False)
class Pairs:
    """A dictionary written item by item, so that keys can repeat and need not be texts."""

    items: list[tuple[Any, Any]]


@dataclass(eq=False)
class SetOf:
    items: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Opcodes:
    """Raw instructions that leave one value."""

    code: bytes


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def global_line(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


class Assembler:
    """Writes values as pickle opcodes of protocol 3 or 4."""

    def __init__(self, protocol: int = 4) -> None:
        self.protocol = protocol
        self.out = bytearray()
        self.memo: dict[Any, int] = {}
        self.count = 0
        self.alive: list[Any] = []

    def memoize(self, key: Any, value: Any) -> None:
        self.alive.append(value)
        self.memo[key] = self.count
        if self.protocol >= 4:
            self.out += b"\x94"
        else:
            self.out += b"q" + bytes([self.count]) if self.count < 256 else b"r" + struct.pack("<I", self.count)
        self.count += 1

    def write(self, value: Any) -> None:
        key = ("text", value) if type(value) is str else id(value)
        if key in self.memo:
            index = self.memo[key]
            self.out += b"h" + bytes([index]) if index < 256 else b"j" + struct.pack("<I", index)
            return
        if self._plain(value):
            return
        if type(value) is str:
            data = value.encode("utf-8", "surrogatepass")
            short = self.protocol >= 4 and len(data) < 256
            self.out += b"\x8c" + bytes([len(data)]) + data if short else text(value)
        elif type(value) is bytes:
            self.out += b"C" + bytes([len(value)]) + value if len(value) < 256 else b"B" + struct.pack("<I", len(value)) + value
        elif type(value) is tuple:
            self._tuple(value)
        elif type(value) in (dict, list):
            self.out += b"}" if type(value) is dict else b"]"
            self.memoize(key, value)  # before the items, as the pickler does: a container can hold itself
            self._items(list(value.items()) if type(value) is dict else [(item,) for item in value], b"u" if type(value) is dict else b"e")
            return
        elif type(value) is Pairs:
            self.out += b"}"
            self.memoize(key, value)
            self._items(value.items, b"u")
            return
        elif type(value) is SetOf:
            if self.protocol >= 4:
                self.out += b"\x8f"
                self.memoize(key, value)
                self._items([(item,) for item in value.items], b"\x90")
                return
            self._call(Call(Global("builtins", "set"), (value.items,)))
        elif type(value) is Global:
            if self.protocol >= 4:
                self.write(value.module)
                self.write(value.name)
                self.out += b"\x93"
            else:
                self.out += global_line(value.module, value.name)
        elif type(value) is Call:
            self._call(value)
        elif type(value) is New:
            self.write(value.cls)
            self.write(value.arguments)
            self.out += b"\x81"
        elif type(value) is Build:
            self.write(value.target)
            self.write(value.state)
            self.out += b"b"
            return
        elif type(value) is Opcodes:
            self.out += value.code
            return
        else:
            raise TypeError(type(value))
        self.memoize(key, value)

    def _call(self, value: Call) -> None:
        self.write(value.function)
        self.write(value.arguments)
        self.out += b"R"

    def _plain(self, value: Any) -> bool:
        if value is None or type(value) is bool:
            self.out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif type(value) is int:
            if 0 <= value < 256:
                self.out += b"K" + bytes([value])
            elif -(1 << 31) <= value < 1 << 31:
                self.out += b"J" + struct.pack("<i", value)
            else:
                # Two's complement of the fewest bytes: -2**79 still fits ten, and Python's own pickler writes it so.
                size = (value + (value < 0)).bit_length() // 8 + 1
                self.out += b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        elif type(value) is float:
            self.out += b"G" + struct.pack(">d", value)
        elif type(value) is tuple and not value:
            self.out += b")"
        else:
            return False
        return True

    def _tuple(self, value: tuple[Any, ...]) -> None:
        if len(value) > 3:
            self.out += b"("
        for item in value:
            self.write(item)
        self.out += b"t" if len(value) > 3 else b"\x85\x86\x87"[len(value) - 1 : len(value)]

    def _items(self, rows: list[tuple[Any, ...]], opcode: bytes) -> None:
        if rows:
            self.out += b"("
            for row in rows:
                for item in row:
                    self.write(item)
            self.out += opcode


def assemble(value: Any, protocol: int = 4, *, framed: bool = True) -> bytes:
    """The whole pickle of `value`."""
    assembler = Assembler(protocol)
    assembler.write(value)
    body = bytes(assembler.out) + b"."
    return bytes([0x80, protocol]) + (b"\x95" + struct.pack("<Q", len(body)) if framed and protocol >= 4 else b"") + body


def ordered_dict() -> Call:
    return Call(Global("collections", "OrderedDict"), ())


def blob(
    data: bytes,
    numel: int,
    *,
    kind: str = "FloatStorage",
    written: int | None = None,
    declared: int | None = None,
    keys: bytes | None = None,
    little_endian: bool = True,
    view: bytes = b"N",
    magic: int = 0x1950A86A20F9469CFC6C,
    version: int = 1001,
    storage_global: bytes | None = None,
    extra: bytes = b"",
) -> bytes:
    """A legacy torch.save stream of one storage: what `torch.storage._load_from_bytes` is given in real files."""
    key = "94312345678901"
    system = b"}(" + text("protocol_version") + b"M\xe9\x03" + text("little_endian") + (b"\x88" if little_endian else b"\x89")
    system += text("type_sizes") + b"}(" + text("short") + b"K\x02" + text("int") + b"K\x04" + text("long") + b"K\x04uu."
    declared = numel if declared is None else declared
    size = declared.bit_length() // 8 + 1
    identity = b"(" + text("storage") + (storage_global or global_line("torch", kind)) + text(key) + text(LOCATION)
    identity += b"\x8a" + bytes([size]) + declared.to_bytes(size, "little", signed=True) + view + b"tQ."
    return b"".join(
        (
            b"\x80\x02\x8a\x0a" + magic.to_bytes(10, "little") + b".",
            b"\x80\x02M" + struct.pack("<H", version) + b".",
            b"\x80\x02" + system,
            b"\x80\x02" + extra + identity,
            b"\x80\x02" + (b"]" + text(key) + b"a" if keys is None else keys) + b".",
            struct.pack("<q", numel if written is None else written),
            data,
        )
    )


_KINDS = {torch.float32: "FloatStorage", torch.float16: "HalfStorage", torch.float64: "DoubleStorage", torch.int64: "LongStorage"}


def storage_of(tensor: torch.Tensor) -> Call:
    """The tensor's numbers, in the order of its memory, as a storage record."""
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.as_strided(tensor.shape, tensor.stride()).copy_(tensor)
    return Call(Global("torch.storage", "_load_from_bytes"), (blob(flat.numpy().tobytes(), tensor.numel(), kind=_KINDS[tensor.dtype]),))


def tensor_of(
    tensor: torch.Tensor, *, storage: Any = None, offset: Any = 0, size: Any = None, stride: Any = None, hooks: Any = None
) -> Call:
    arguments = (
        storage_of(tensor) if storage is None else storage,
        offset,
        tuple(tensor.shape) if size is None else size,
        tuple(tensor.stride()) if stride is None else stride,
        False,
        ordered_dict() if hooks is None else hooks,
    )
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def parameter_of(tensor: Any, hooks: Any = None) -> Call:
    return Call(Global("torch._utils", "_rebuild_parameter"), (tensor, False, ordered_dict() if hooks is None else hooks))


_HOOKS = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks")


@dataclass(eq=False)
class Module:
    """A network object under construction; `meta` is what its record holds."""

    class_name: str
    children: dict[str, Module] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        state: dict[str, Any] = {"training": False, "_parameters": {}, "_buffers": {}, "_non_persistent_buffers_set": SetOf()}
        state |= {name: ordered_dict() for name in _HOOKS}
        state |= {"_modules": {}, "_init_args": (), "_init_kwargs": {}}
        self.meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self.class_name, "state": state}
        self.call = Call(Global("torch_utils.persistence", "_reconstruct_persistent_obj"), (self.meta,))

    @property
    def state(self) -> dict[str, Any]:
        return self.meta["state"]

    def at(self, path: str) -> Module:
        module = self
        for name in path.split(".") if path else ():
            module = module.children[name]
        return module

    def child(self, name: str, class_name: str) -> Module:
        if name not in self.children:
            self.children[name] = Module(class_name)
            self.state["_modules"][name] = self.children[name].call
        return self.children[name]

    def replace(self, path: str, record: Any) -> None:
        """Put `record` where the tensor `path` was."""
        owner, _, name = path.rpartition(".")
        state = self.at(owner).state
        state["_parameters" if name in state["_parameters"] else "_buffers"][name] = record


MAPPING = MappingConfig(z_dim=8, c_dim=0, w_dim=8, num_ws=4, num_layers=2)
SYNTHESIS = SynthesisConfig(
    w_dim=8, img_resolution=8, img_channels=3, channel_base=32, channel_max=6, resample_filter=(0.125, 0.375, 0.375, 0.125)
)
GENERATOR = StyleGAN2Config(MAPPING, SYNTHESIS)
CRITIC = CriticConfig(c_dim=0, img_resolution=8, img_channels=3, channel_base=32, channel_max=6, resample_filter=SYNTHESIS.resample_filter)
_BUFFERS = ("resample_filter", "noise_const", "w_avg")


def _class_of(path: str, critic: bool) -> str:
    name = path.rpartition(".")[2]
    if name in ("mapping", "synthesis"):
        return {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}[name]
    if name[0] == "b" and name[1:].isdigit():
        return ("DiscriminatorEpilogue" if name == "b4" else "DiscriminatorBlock") if critic else "SynthesisBlock"
    if name in ("affine", "embed", "out") or name.startswith("fc"):
        return "FullyConnectedLayer"
    if name == "torgb":
        return "ToRGBLayer"
    return "Conv2dLayer" if critic or name == "skip" else "SynthesisLayer"


def random_tensors(shapes: dict[str, tuple[int, ...]], taps: tuple[float, ...], seed: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    row = torch.tensor(taps)
    return {name: torch.outer(row, row) if "resample" in name else torch.randn(shape, generator=rng) for name, shape in shapes.items()}


def network(class_name: str, tensors: dict[str, torch.Tensor], init_kwargs: dict[str, Any]) -> Module:
    critic = class_name == "Discriminator"
    root = Module(class_name)
    root.state["_init_kwargs"] = init_kwargs
    for path, tensor in tensors.items():
        *parents, leaf = path.split(".")
        module = root
        for depth, name in enumerate(parents):
            module = module.child(name, _class_of(".".join(parents[: depth + 1]), critic))
        record = tensor_of(tensor)
        if leaf in _BUFFERS:
            module.state["_buffers"][leaf] = record
        else:
            module.state["_parameters"][leaf] = parameter_of(record)
    return root


def generator(seed: int = 0, tensors: dict[str, torch.Tensor] | None = None) -> Module:
    """A StyleGAN2 generator of 8x8 pixels and a few channels."""
    tensors = random_tensors(GENERATOR.shapes(), SYNTHESIS.resample_filter, seed) if tensors is None else tensors
    synthesis = {"channel_base": SYNTHESIS.channel_base, "channel_max": SYNTHESIS.channel_max, "num_fp16_res": 0, "conv_clamp": None}
    kwargs = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 8, "img_channels": 3}
    root = network("Generator", tensors, kwargs | {"mapping_kwargs": {"num_layers": 2}, "synthesis_kwargs": synthesis})
    root.at("mapping").state.update({"num_layers": 2, "w_avg_beta": 0.995, "num_ws": 4})
    root.at("mapping.fc0").state.update({"activation": "lrelu", "bias_gain": 0.01})
    root.at("synthesis.b4").state.update({"architecture": "skip"})
    root.at("synthesis.b4.conv1").state.update({"activation": "lrelu", "conv_clamp": None, "use_noise": True})
    return root


def critic(seed: int = 1) -> Module:
    """The critic that fits `generator`."""
    kwargs = {"c_dim": 0, "img_resolution": 8, "img_channels": 3, "channel_base": CRITIC.channel_base, "channel_max": CRITIC.channel_max}
    kwargs |= {"architecture": "resnet", "epilogue_kwargs": {"mbstd_group_size": 4}}
    return network("Discriminator", random_tensors(CRITIC.shapes(), CRITIC.resample_filter, seed), kwargs)


def checkpoint(g_ema: Module | None = None, **entries: Any) -> dict[str, Any]:
    """The top-level table of a real file, to be given to `assemble`; `entries` are added or replaced."""
    value = {
        "training_set_kwargs": {"class_name": "training.dataset.ImageFolderDataset", "path": "shapes.zip", "xflip": False},
        "G": generator(2).call,
        "D": critic().call,
        "G_ema": (generator() if g_ema is None else g_ema).call,
        "augment_pipe": None,
    }
    return value | entries


def write(path: Any, value: Any, protocol: int = 4) -> Any:
    """Assemble `value` into the file `path` and return it."""
    path.write_bytes(value if type(value) is bytes else assemble(value, protocol))
    return path
