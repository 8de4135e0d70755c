"""What the names in a pickle mean to a reader that looks none of them up: data to be kept inert, or something asked to be executed.

Names of Python and of the libraries are known: those on the lists here are data (what Python's pickler writes for paths, dates, partial
functions, optimisers), all others are what no checkpoint asks for.  Everybody's own classes and functions are data, whatever they are
called, but for tools whose purpose is to run or fetch something, and for ways around the lists.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

from orojar_cli.containers.records import PlainObject, Span, Token

# What belongs to Python or to the libraries; modules that later versions of Python left out stand here by name.
_LIBRARIES = (
    sys.stdlib_module_names
    | {"__builtin__", "asynchat", "asyncore", "cPickle", "cgi", "commands", "copy_reg", "crypt", "distutils", "idlelib", "imp"}
    | {"lib2to3", "nis", "pipes", "smtpd", "telnetlib", "turtledemo", "numpy", "torch"}
)
# Tools that run, fetch or unpickle: nobody's training code is called so.
_TOOLS = (
    {"IPython", "aiohttp", "cffi", "cloudpickle", "dask", "dill", "fabric", "hydra", "httpx", "invoke", "ipykernel", "joblib"}
    | {"jsonpickle", "numexpr", "paramiko", "pexpect", "pip", "pkg_resources", "plumbum", "psutil", "ptyprocess", "pyximport"}
    | {"ray", "requests", "setuptools", "sh", "twisted", "urllib3", "yaml"}
)
_TOOLS_WITHIN = frozenset((("pandas", "io"), ("pandas", "read_pickle"), ("pandas", "eval"), ("pandas", "core", "computation")))
# As a part of a name, these lead out of a module to what it imported.
_WAYS_OUT = {"builtins", "__builtin__", "ctypes", "importlib", "marshal", "multiprocessing", "nt", "os", "pickle", "posix"} | {
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
}
_RUNNERS = {"system", "popen", "eval", "exec"}
# The containers' own packages: their classes are data, their functions import and run what they are given.
_OF_THE_CONTAINERS = frozenset(("dnnlib", "torch_utils"))
_BUILTINS = frozenset(dir(builtins))

Arguments = tuple[Any, ...]


def _anything(arguments: Arguments) -> bool:
    return True


def _nothing(arguments: Arguments) -> bool:
    return not arguments


def _numbers(arguments: Arguments) -> bool:
    return len(arguments) <= 3 and all(type(item) in (int, float, bool, type(None)) for item in arguments)


def _a_list(arguments: Arguments) -> bool:
    return len(arguments) == 1 and type(arguments[0]) is list


def _bytes(arguments: Arguments) -> bool:
    return not arguments or type(arguments[0]) is Span


def _a_function(arguments: Arguments) -> bool:
    return len(arguments) == 1 and type(arguments[0]) in (Token, PlainObject)


def _a_factory(arguments: Arguments) -> bool:
    return not arguments or _a_function(arguments) or arguments == (None,)


def _of_a_class(arguments: Arguments) -> bool:
    """copyreg's way to make an empty object: a class, object, None."""
    if len(arguments) != 3 or type(arguments[0]) is not Token or type(arguments[1]) is not Token:
        return False
    return (arguments[1].module in ("builtins", "__builtin__")) and arguments[1].name == "object" and arguments[2] is None


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
RECONSTRUCTOR = "_reconstructor"
# What Python's pickler calls for plain values of the libraries, and the arguments that it writes.
_CALLED: dict[tuple[str, str], Callable[[Arguments], bool]] = {
    ("functools", "partial"): _a_function,
    ("collections", "defaultdict"): _a_factory,
    ("collections", "Counter"): _anything,
    ("collections", "deque"): _anything,
    ("datetime", "date"): _anything,
    ("datetime", "datetime"): _anything,
    ("datetime", "time"): _anything,
    ("datetime", "timedelta"): _anything,
    ("datetime", "timezone"): _anything,
    ("decimal", "Decimal"): _anything,
    ("fractions", "Fraction"): _anything,
    ("itertools", "count"): _numbers,
    ("logging", "getLogger"): _anything,
    ("types", "SimpleNamespace"): _nothing,
    ("builtins", "bytearray"): _bytes,
    ("builtins", "complex"): _numbers,
    ("builtins", "frozenset"): _a_list,
    ("builtins", "range"): _numbers,
    ("builtins", "slice"): _numbers,
    ("copyreg", RECONSTRUCTOR): _of_a_class,
    ("copy_reg", RECONSTRUCTOR): _of_a_class,
}
_CALLED |= {("__builtin__", name): _CALLED[module, name] for module, name in [*_CALLED] if module == "builtins"}
_CALLED |= dict.fromkeys(((module, name) for module in ("pathlib", "pathlib._local") for name in _PATHS), _anything)
_CALLED |= dict.fromkeys((("numpy.random._pickle", f"__{what}_ctor") for what in ("randomstate", "bit_generator", "generator")), _anything)
_CALLED |= dict.fromkeys([("numpy.random", "__RandomState_ctor")], _anything)
# What is only named, as a default factory or a type among options.
_TYPES = ("bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple")
_NAMED = frozenset((module, name) for module in ("builtins", "__builtin__") for name in _TYPES) | {
    *(("numpy", f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *(("numpy", name) for name in ("float16", "float32", "float64", "bool_", "bool")),
    *((f"numpy.random._{name.lower()}", name) for name in ("MT19937", "PCG64", "Philox", "SFC64")),
    ("torch", "Tensor"),
    ("torch._tensor", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
}
# Layouts of memory, which are named through whatever module of torch is looked through first.
_FORMATS = frozenset(f"{torch}{name}_format" for torch in ("", "torch.") for name in ("contiguous", "preserve"))
_FORMATS |= frozenset(f"{torch}{name}" for torch in ("", "torch.") for name in ("channels_last", "channels_last_3d", "strided"))
# What has objects, made empty and then filled: by the first parts of its module.
_WITH_OBJECTS = (
    ("uuid",),
    ("torch", "nn", "modules"),
    ("torch", "nn", "functional"),
    ("torch", "optim"),
    ("torch", "amp", "grad_scaler"),
    ("torch", "cuda", "amp", "grad_scaler"),
    ("torch", "utils", "data", "dataset"),
    ("torch", "utils", "data", "dataloader"),
    ("torch", "utils", "data", "sampler"),
    ("torch", "utils", "data", "distributed"),
)
_OPTIMISERS = ("torch", "optim")


def is_data(module: str, name: str) -> bool:
    """Whether a name stands for data that is kept inert; all others ask for something that checkpoints never need."""
    path, inner = tuple(module.split(".")), tuple(name.split("."))
    if not all(part.isascii() and part.isidentifier() for part in (*path, *inner)):
        return False
    if path[0] in _LIBRARIES:
        if _has_objects(path):
            return name.isidentifier() and (name[0].isupper() or (path[:3] == ("torch", "nn", "functional") and name[0] != "_"))
        return (module, name) in _CALLED or (module, name) in _NAMED or (path[0] == "torch" and name in _FORMATS)
    if path[0] in _BUILTINS or path[0] in _TOOLS or any((*path, name)[: len(tool)] == tool for tool in _TOOLS_WITHIN):
        return False
    # A dotted name is a class in a class; it could also be a module's import, or go down to the machinery below a class.
    dunder = any(part.startswith("__") and part.endswith("__") for part in inner)
    return not (_WAYS_OUT & {*path, *inner} or inner[-1] in _RUNNERS or (len(inner) > 1 and (dunder or inner[0] in _LIBRARIES)))


def may_be_called(module: str, name: str, arguments: Arguments) -> bool:
    """Whether a call of a name that `is_data`, with these arguments, is how objects are written rather than something to be executed."""
    path = module.split(".")
    if path[0] in _LIBRARIES:
        check = _CALLED.get((module, name))
        return check(arguments) if check is not None else tuple(path[:2]) == _OPTIMISERS
    return path[0].casefold() not in _OF_THE_CONTAINERS


def has_objects(module: str) -> bool:
    """Whether objects of a class in that module, of a name that `is_data`, may be made empty and filled."""
    path = tuple(module.split("."))
    return path[0] not in _LIBRARIES or _has_objects(path)


def _has_objects(path: tuple[str, ...]) -> bool:
    return any(path[: len(known)] == known for known in _WITH_OBJECTS)
