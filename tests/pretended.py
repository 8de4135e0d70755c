"""A pretended GPU: tensors on device "pretend:0" hold real numbers in the processor's memory and obey the rules that accelerators have.

    with pretended(float64=False, tf32=True) as traffic:
        network = load_checkpoint(path, "pretend")
        ...
    traffic.uploads, traffic.downloads  # how often, by line of this package

Rules.  As on CUDA, operands must lie on one device (but for single numbers, indices and copies), random generators belong to a device, and
numpy sees nothing.  `float64=False`: as on MPS there is none.  `tf32=True`: the inputs of convolutions and matrix products are rounded to
10 bits of mantissa where `torch.backends` does not forbid it, which for convolutions on NVIDIA's GPUs is the default.

How: PyTorch's backend for Python (PrivateUse1), a wrapper tensor, and a dispatch mode that unwraps, checks, computes and wraps.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import ROOT
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretend"
available = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"), reason="this PyTorch has no backends in Python"
)
aten = torch.ops.aten
_COPIES = {aten.copy_.default, aten._to_copy.default, aten._copy_from.default, aten.copy.default}
_INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default, aten._unsafe_index.Tensor}
# What answers on the processor, and so waits for the device.
_WAITING = {aten.nonzero.default, aten.masked_select.default, aten.equal.default, aten._local_scalar_dense.default}
_CONVOLUTIONS = {aten.convolution.default: 2, aten.convolution_backward.default: 3}
_PRODUCTS = {aten.mm.default: 2, aten.bmm.default: 2, aten.addmm.default: 3, aten.baddbmm.default: 3}
_WIDE = (torch.float64, torch.complex128)


class DeviceError(RuntimeError):
    """What CUDA or MPS would refuse."""


@dataclass
class Traffic:
    """How often numbers went to the device and came back (or were waited for), by the innermost line of the package that did it."""

    uploads: Counter[str] = field(default_factory=Counter)
    downloads: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        self.uploads.clear()
        self.downloads.clear()


@dataclass
class _Rules:
    float64: bool = True
    tf32: bool = False
    memory: float = math.inf
    """Numbers that one tensor may hold; what is larger is out of memory."""
    traffic: Traffic = field(default_factory=Traffic)


_rules = _Rules()
_generators: set[int] = set()


class Held(torch.Tensor):
    """A tensor that says it is on the device; its numbers are in `inner`."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Held:
        held = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device(NAME, 0),
        )
        held.inner = inner
        return held

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(func, args, kwargs or {})

    @property
    def data(self) -> Tensor:
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, value: Held) -> None:
        torch.Tensor.data.__set__(self, value)
        self.inner = value.inner

    def __getitem__(self, index: Any) -> Tensor:
        return torch.Tensor.__getitem__(self, _indices(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        torch.Tensor.__setitem__(self, _indices(index), value)

    def tolist(self) -> Any:
        _rules.traffic.downloads[_line()] += 1
        return self.inner.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.")

    __array__ = numpy

    def new_tensor(self, data: Any, **options: Any) -> Tensor:
        return _new_tensor(self, data, **options)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.dim() == 0 else repr(self)

    def __repr__(self, **_: Any) -> str:
        return f"Held({self.inner})"


def _indices(index: Any) -> tuple[Any, ...]:
    """Lists of numbers become indices on the device, as everywhere: they are sent there."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(_any_tensor(part, device=NAME) if isinstance(part, list) else part for part in parts)


def _line() -> str:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_PLACES):
            return f"{Path(frame.f_code.co_filename).relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


_PLACES = tuple(str(ROOT / folder) for folder in ("orojar_cli", "examples"))


def _computed(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """An operation on the device: checked, done on the processor, its results back on the device."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    held = [tensor for tensor in tensors if isinstance(tensor, Held)]
    others = [tensor for tensor in tensors if not isinstance(tensor, Held)]
    asked = kwargs.get("device")
    there = bool(held) if asked is None else torch.device(asked).type == NAME
    if asked is not None and there:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    _count(func, args, held, others, asked, there)
    _check(func, args, kwargs, held, others, there)
    if func is aten._efficientzerotensor.default:  # tangents of zero, which the processor keeps as no numbers at all
        func = aten.zeros.default
    plain, options = tree_map(lambda leaf: leaf.inner if isinstance(leaf, Held) else leaf, (args, kwargs))
    result = func(*_rounded(func, plain, there), **options)
    if there:
        _check_results(func, result)
    written = [
        kwargs.get(argument.name, args[place] if place < len(args) else None)
        for place, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    returns = func._schema.returns
    if returns and all(one.alias_info is not None and one.alias_info.is_write for one in returns):  # in place, or out=
        return written[0] if len(returns) == 1 else tuple(written[: len(returns)])
    if not there or func is aten._local_scalar_dense.default:
        return result
    return tree_map(lambda leaf: Held(leaf) if isinstance(leaf, Tensor) and not isinstance(leaf, Held) else leaf, result)


def _count(func: Any, args: tuple, held: list, others: list, asked: Any, there: bool) -> None:
    traffic = _rules.traffic
    if func in _WAITING and held:
        traffic.downloads[_line()] += 1
    elif func is aten._to_copy.default and asked is not None and there != bool(held):
        (traffic.uploads if there else traffic.downloads)[_line()] += 1
    elif func is aten.copy_.default and held and others:
        (traffic.uploads if isinstance(args[0], Held) else traffic.downloads)[_line()] += 1
    elif func in _INDEXING and isinstance(args[0], Held) and any(type(index) is Tensor for index in args[1]):
        traffic.uploads[_line()] += 1


def _check(func: Any, args: tuple, kwargs: dict[str, Any], held: list, others: list, there: bool) -> None:
    rng = kwargs.get("generator")
    if rng is not None and (rng._cdata in _generators) != there:
        raise DeviceError(f"Expected a '{NAME if there else 'cpu'}' device type for generator but found another: {func}")
    if held and func not in _COPIES:
        indices = args[1] if func in _INDEXING and isinstance(args[0], Held) else ()
        if any(tensor.dim() and not any(tensor is index for index in indices) for tensor in others):
            raise DeviceError(f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! {func}")
    if _rules.float64 or not there:
        return
    wanted = kwargs.get("dtype") or (others[0].dtype if func is aten._to_copy.default and others else None)
    if wanted in _WIDE:
        raise DeviceError(f"Cannot convert a tensor to float64 dtype: this device has none. {func}")


def _check_results(func: Any, result: Any) -> None:
    for tensor in tree_leaves(result):
        if isinstance(tensor, Tensor):
            if not _rules.float64 and tensor.dtype in _WIDE:
                raise DeviceError(f"this device has no float64: {func}")
            if tensor.numel() > _rules.memory:
                raise torch.OutOfMemoryError(f"Pretended: out of memory. Tried to allocate {tensor.numel()} numbers. {func}")


def _rounded(func: Any, args: tuple, there: bool) -> tuple:
    """The operation's arguments as the device's tensor cores read them."""
    if not (_rules.tf32 and there):
        return args
    if func in _CONVOLUTIONS and torch.backends.cudnn.allow_tf32:
        count = _CONVOLUTIONS[func]
    elif func in _PRODUCTS and torch.backends.cuda.matmul.allow_tf32:
        count = _PRODUCTS[func]
    else:
        return args
    return tuple(_tf32(arg) if index < count and isinstance(arg, Tensor) else arg for index, arg in enumerate(args))


def _tf32(x: Tensor) -> Tensor:
    """x with 10 bits of mantissa, rounded to nearest, ties away from zero."""
    if x.dtype != torch.float32:
        return x
    dense = x.clone(memory_format=torch.preserve_format)
    bits = dense.as_strided((dense.untyped_storage().nbytes() // 4,), (1,), 0).view(torch.int32)
    bits.add_(0x1000).bitwise_and_(~0x1FFF)
    return dense


class _Pretending(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(func, args, kwargs or {})


_Generator = torch.Generator


class _AnyGenerator(_Generator):
    """torch.Generator, which may be asked for on the device."""

    def __new__(cls, device: Any = "cpu") -> Any:
        there = torch.device(device).type == NAME
        made = _Generator.__new__(cls, "cpu" if there else device)
        if there:
            _generators.add(made._cdata)
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


_tensor, _tensor_new_tensor = torch.tensor, torch.Tensor.new_tensor


def _made(make: Callable[[], Tensor], device: Any) -> Tensor:
    """Numbers of Python as a tensor: made on the processor, then brought there."""
    made = make()
    if device is None or torch.device(device).type != NAME:
        return made
    return made.to(NAME)


def _any_tensor(data: Any, *, device: Any = None, requires_grad: bool = False, **options: Any) -> Tensor:
    made = _made(lambda: _tensor(data, **options), device)
    return made.requires_grad_() if requires_grad else made


def _new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _any_tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


class _DeviceModule:
    """torch.pretend: what PyTorch and this package ask a device module."""

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def set_device(self, device: Any = None) -> None:
        pass

    synchronize = set_device

    def empty_cache(self) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)

    @contextlib.contextmanager
    def device(self, device: Any) -> Iterator[None]:
        yield


@contextlib.contextmanager
def pretended(float64: bool = True, tf32: bool = False, memory: float = math.inf) -> Iterator[Traffic]:
    """The device exists, with these rules; `memory` is how many numbers a tensor may hold.  Settings of torch.backends are put back."""
    global _rules
    if not hasattr(torch, NAME):
        backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_DeviceModule())
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    settings = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark
    before, _rules = _rules, _Rules(float64, tf32, memory)
    torch.Generator, torch.tensor, torch.Tensor.new_tensor = _AnyGenerator, _any_tensor, _new_tensor
    try:
        with _Pretending(), torch.autograd.set_multithreading_enabled(False):
            yield _rules.traffic
    finally:
        torch.Generator, torch.tensor, torch.Tensor.new_tensor = _Generator, _tensor, _tensor_new_tensor
        _rules = before
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = settings
