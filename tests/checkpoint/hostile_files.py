"""Hostile checkpoints: every published bypass that applies to our containers, and some of our own.

Each case builds one file and names the error it must be answered with.  The payload, where there is one, is
`os.system("touch CANARY")` or its like: were anything executed, the canary file would appear.
"""

from __future__ import annotations

import io
import json
import pickletools
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pickle_assembler as pa
import torch
from pickle_assembler import Build, Call, Global, Module, New, Opcodes, Pairs, assemble, blob, global_line, tensor_of, text

from orojar_cli.containers.limits import DEFAULT_LIMITS
from orojar_cli.errors import (
    CheckpointError,
    DamagedCheckpointError,
    NotACheckpointError,
    UnsafeCheckpointError,
    UnsupportedCheckpointError,
)

Unsafe, Damaged, Unsupported, NotOne = UnsafeCheckpointError, DamagedCheckpointError, UnsupportedCheckpointError, NotACheckpointError


@dataclass(frozen=True)
class Case:
    """`build(canary)` gives the file's bytes; `memory` bounds the reader's peak in MiB."""

    name: str
    error: type[CheckpointError]
    build: Callable[[str], bytes]
    memory: int = 64


CASES: list[Case] = []


def first_of_each_kind(cases: list[Case], count: int = 3) -> list[Case]:
    """What stands for all of them in the default tests; a case's kind is its name up to the slash."""
    seen: dict[str, list[Case]] = {}
    for case in cases:
        seen.setdefault(case.name.partition("/")[0], []).append(case)
    return [case for kind in seen.values() for case in kind[:count]]


def hostile(name: str, error: type[CheckpointError], memory: int = 64) -> Callable[[Callable[[str], Any]], Callable[[str], Any]]:
    """Register a builder; what it returns other than bytes is assembled."""

    def register(build: Callable[[str], Any]) -> Callable[[str], Any]:
        def data(canary: str) -> bytes:
            value = build(canary)
            return value if type(value) is bytes else assemble(value)

        assert name not in {case.name for case in CASES}, name
        CASES.append(Case(name, error, data, memory))
        return build

    return register


def gadget(canary: str, module: str = "os", name: str = "system") -> Call:
    return Call(Global(module, name), (f"touch {canary}",))


def system_code(canary: str) -> bytes:
    """The gadget as raw protocol-2 instructions that leave one value."""
    return global_line("posix", "system") + text(f"touch {canary}") + b"\x85R"


def altered(change: Callable[[Module], Any]) -> dict[str, Any]:
    """A checkpoint whose G_ema was changed."""
    module = pa.generator()
    change(module)
    return pa.checkpoint(module)


# --- exec/: names that run something -------------------------------------------------------------------------------------

EXECUTING_NAMES = [
    "os.system",
    "posix.system",
    "nt.system",
    "os.popen",
    "os.execv",
    "os.spawnv",
    "posix.posix_spawn",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_output",
    "builtins.eval",
    "builtins.exec",
    "builtins.compile",
    "builtins.__import__",
    "builtins.getattr",
    "builtins.open",
    "builtins.apply",
    "__builtin__.eval",
    "__builtin__.set",
    "pty.spawn",
    "types.FunctionType",
    "types.CodeType",
    "marshal.loads",
    "runpy.run_code",
    "runpy._run_code",
    "runpy.run_path",
    "cProfile.run",
    "cProfile.runctx",
    "profile.run",
    "trace.Trace.run",
    "ctypes.CDLL",
    "ctypes.util.find_library",
    "pydoc.pipepager",
    "pydoc.locate",
    "pip.main",
    "pip._internal.main",
    "ensurepip._run_pip",
    "torch.utils.collect_env.run",
    "multiprocessing.util.spawnv_passfds",
    "webbrowser.open",
    "timeit.timeit",
    "timeit.main",
    "bdb.Bdb.run",
    "pdb.run",
    "code.interact",
    "code.InteractiveInterpreter.runcode",
    "operator.methodcaller",
    "operator.attrgetter",
    "functools.partial",
    "functools.reduce",
    "importlib.import_module",
    "imp.load_source",
    "zipimport.zipimporter",
    "socket.create_connection",
    "shutil.rmtree",
    "shutil.move",
    "asyncio.create_subprocess_shell",
    "doctest.debug_script",
    "lib2to3.pgen2.pgen.ParserGenerator.make_label",
    "idlelib.pyshell.ModifiedInterpreter.runcode",
    "uuid._get_command_stdout",
    "venv.create",
    "distutils.file_util.write_file",
    "logging.config.listen",
    "urllib.request.urlopen",
    "smtplib.SMTP",
    "sqlite3.connect",
    "requests.api.get",
    "aiohttp.ClientSession",
    "tempfile.mktemp",
    "sys.modules",
    "sys.settrace",
    "codecs.decode",
    "_codecs.encode",
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "copyreg.__newobj__",
    "pickle.loads",
    "pickle.load",
    "_pickle.loads",
    "cPickle.loads",
    "dill.loads",
    "cloudpickle.loads",
    "joblib.load",
    "pandas.read_pickle",
    "shelve.open",
    "numpy.load",
    "numpy.testing._private.utils.runstring",
    "numpy.f2py.crackfortran.getlincoef",
    "numpy.f2py.diagnose.run_command",
    "numpy.size",
    "numpy.fromfile",
    "numpy.memmap",
    "numpy.frombuffer",
    "numpy._core.numeric._frombuffer",
    "numpy.core._internal._ctypes",
    "torch.load",
    "torch.hub.load",
    "torch.jit.load",
    "torch.serialization.load",
    "torch.package.PackageImporter",
    "torch.classes.load_library",
    "torch.ops.load_library",
    "torch.compile",
    "torch.nn.Module",
    "torch.nn.modules.linear.Linear",
    "torch.device",
    "torch.Size",
    "torch.FloatStorage",
    "torch.FloatStorage.from_file",
    "torch.storage.UntypedStorage.from_file",
    "torch.storage.TypedStorage",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_wrapper_subclass",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._import_dotted_name",
    "torch._tensor._rebuild_from_type_v2",
    "torch._dynamo.guards.GuardBuilder.get",
    "torch._inductor.codecache.compile_file",
    "torch.utils._config_module.ConfigModule.load_config",
    "torch.utils.data.datapipes.utils.decoder.basichandlers",
    "torch.fx.graph_module.reduce_graph_module",
    "torch.distributed.rpc.internal._internal_rpc_pickler.deserialize",
    "torch.multiprocessing.reductions.rebuild_storage_filename",
    "dnnlib.util.get_obj_by_name",
    "dnnlib.util.call_func_by_name",
    "dnnlib.util.open_url",
    "dnnlib.util.get_module_from_obj_name",
    "dnnlib.tflib.init_tf",
    "torch_utils.persistence._src_to_module",
    "torch_utils.persistence.import_hook",
    "torch_utils.persistence.persistent_class",
    "torch_utils.custom_ops.get_plugin",
    "bytearray.fromhex",
    "builtins.bytearray",
    "builtins.frozenset",
    "builtins.dict",
    "builtins.list",
    "builtins.object",
    "builtins.type",
    "builtins.print",
]

for _dotted in EXECUTING_NAMES:
    _module, _, _name = _dotted.rpartition(".")

    @hostile(f"exec/{_dotted}", Unsafe)
    def _(canary: str, module: str = _module, name: str = _name) -> Any:
        return pa.checkpoint(training_set_kwargs={"path": gadget(canary, module, name)})


LOOKALIKES = {
    "torch_storage_from_file_dotted": ("torch", "FloatStorage.from_file"),
    "dotted_split_ambiguity": ("torch", "_utils._rebuild_tensor_v2"),
    "prefix_module": ("torch_utils.persistence.evil", "_reconstruct_persistent_obj"),
    "prefix_name": ("torch_utils.persistence", "_reconstruct_persistent_obj.__globals__"),
    "suffix_name": ("torch._utils", "_rebuild_tensor_v2x"),
    "joined_differently": ("numpy", "core.multiarray.scalar"),
    "attribute_of_allowed": ("collections", "OrderedDict.fromkeys"),
    "attribute_of_set": ("builtins", "set.__class__"),
    "upper_case": ("Torch_Utils.persistence", "_reconstruct_persistent_obj"),
    "trailing_space": ("torch_utils.persistence ", "_reconstruct_persistent_obj"),
    "homoglyph": ("tоrch._utils", "_rebuild_tensor_v2"),  # a Cyrillic o
    "zero_width": ("torch._utils", "_rebuild_tensor_v2\u200b"),
    "null_byte": ("torch._utils\0", "_rebuild_tensor_v2"),
    "empty": ("", ""),
    "ansi_escape": ("\x1b[2J\x1b[1;31mos", "system\r\x07"),
    "bidi": ("\u202esystem", "os\u2066"),
}

for _case, _pair in LOOKALIKES.items():

    @hostile(f"opcode/lookalike_{_case}", Unsafe)
    def _(canary: str, pair: tuple[str, str] = _pair) -> Any:
        return pa.checkpoint(augment_pipe=gadget(canary, *pair))


@hostile("exec/global_opcode_protocol3", Unsafe)
def _(canary: str) -> Any:
    return assemble(pa.checkpoint(augment_pipe=gadget(canary)), 3)


@hostile("opcode/stack_global_from_memo", Unsafe)
def _(canary: str) -> Any:
    # The texts reach STACK_GLOBAL by way of the memo, far from where they were written.
    return {"name": "system", "module": "os", "payload": Call(Global("os", "system"), (f"touch {canary}",))} | pa.checkpoint()


@hostile("opcode/stack_global_of_a_number", Damaged)
def _(canary: str) -> Any:
    return pa.checkpoint(augment_pipe=Opcodes(b"K\x01K\x02\x93"))


@hostile("opcode/stack_global_memo_overwrite", Damaged)
def _(canary: str) -> Any:
    return b"\x80\x04" + text("OrderedDict") + b"q\x00" + text("system") + b"q\x00" + text("posix") + b"h\x00\x93."


# --- where a payload can sit -----------------------------------------------------------------------------------------------


@hostile("payload/as_the_whole_file", Unsafe)
def _(canary: str) -> Any:
    return gadget(canary)


@hostile("payload/before_the_checkpoint", Unsafe)
def _(canary: str) -> Any:
    return {"first": gadget(canary)} | pa.checkpoint()


@hostile("payload/in_init_kwargs", Unsafe)
def _(canary: str) -> Any:
    return altered(lambda g: g.state["_init_kwargs"].update(z_dim=gadget(canary)))


@hostile("payload/in_module_attribute", Unsafe)
def _(canary: str) -> Any:
    return altered(lambda g: g.at("synthesis.b8").state.update(extra=gadget(canary)))


@hostile("payload/in_augment_pipe", Unsafe)
def _(canary: str) -> Any:
    pipe = Module("AugmentPipe")
    pipe.state["xflip"] = gadget(canary)
    return pa.checkpoint(augment_pipe=pipe.call)


@hostile("payload/in_training_set_kwargs_easydict", Unsafe)
def _(canary: str) -> Any:
    return pa.checkpoint(training_set_kwargs=Build(New(Global("dnnlib.util", "EasyDict")), {"path": gadget(canary)}))


@hostile("payload/in_tensor_hooks", Unsafe)
def _(canary: str) -> Any:
    return altered(lambda g: g.replace("mapping.w_avg", tensor_of(torch.zeros(8), hooks={"hook": gadget(canary)})))


@hostile("payload/in_meta_instead_of_source", Unsafe)
def _(canary: str) -> Any:
    return altered(lambda g: g.meta.update(module_src=gadget(canary)))


@hostile("nested/pickle_in_tensor_bytes", Unsafe)
def _(canary: str) -> Any:
    nested = b"\x80\x02" + system_code(canary) + b"."
    return altered(lambda g: g.replace("mapping.w_avg", tensor_of(torch.zeros(8), storage=_load_from_bytes(nested))))


def _load_from_bytes(data: bytes) -> Call:
    return Call(Global("torch.storage", "_load_from_bytes"), (data,))


def _with_storage(data: bytes) -> dict[str, Any]:
    return altered(lambda g: g.replace("mapping.w_avg", tensor_of(torch.zeros(8), storage=_load_from_bytes(data))))


_ZEROS = bytes(32)


@hostile("nested/pickle_protocol4_in_tensor_bytes", Unsupported)
def _(canary: str) -> Any:
    return _with_storage(assemble(gadget(canary)))


@hostile("nested/payload_in_system_information", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8).replace(b"K\x02", system_code(canary), 1))


@hostile("nested/payload_in_persistent_id", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, view=system_code(canary)))


@hostile("nested/payload_in_storage_keys", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, keys=b"]" + system_code(canary) + b"a"))


@hostile("nested/storage_type_is_system", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, storage_global=global_line("os", "system")))


@hostile("nested/storage_type_dotted", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, storage_global=global_line("torch", "FloatStorage.from_file")))


@hostile("nested/tensor_dtype_quantized", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(bytes(8), 8, kind="QUInt8Storage"))


@hostile("nested/codecs_encode_import", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, extra=global_line("_codecs", "encode")))


@hostile("nested/stack_global_in_blob", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, extra=text("torch") + text("FloatStorage") + b"\x93"))


@hostile("nested/build_in_blob", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8, extra=b"}}b"))


@hostile("nested/lfb_torch_zip", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(_zip(b"\x80\x02" + system_code(canary) + b"."))


@hostile("nested/lfb_torchscript_zip", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(_zip(b"\x80\x02" + system_code(canary) + b".", constants=True))


@hostile("nested/lfb_legacy_tar", Unsafe)
def _(canary: str) -> Any:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = b"\x80\x02" + system_code(canary) + b"."
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return _with_storage(stream.getvalue())


def _zip(pickled: bytes, constants: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        if constants:
            archive.writestr("archive/constants.pkl", pickled)
            archive.writestr("archive/code/__torch__.py", "import os")
    return stream.getvalue()


# --- hooks -----------------------------------------------------------------------------------------------------------------

for _hook in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks", "_load_state_dict_post_hooks"):

    @hostile(f"semantic/hook_in{_hook}", Unsafe)
    def _(canary: str, hook: str = _hook) -> Any:
        return altered(lambda g: g.at("synthesis.b8.conv1").state.update({hook: {"1": "print"}}))


@hostile("semantic/parameter_hooks", Unsafe)
def _(canary: str) -> Any:
    return altered(lambda g: g.replace("mapping.fc0.bias", pa.parameter_of(tensor_of(torch.zeros(8)), hooks={"a": 1})))


# --- opcodes ---------------------------------------------------------------------------------------------------------------

ALLOWED_OPCODES = {
    "PROTO",
    "FRAME",
    "STOP",
    "MARK",
    "NONE",
    "NEWTRUE",
    "NEWFALSE",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "SHORT_BINBYTES",
    "BINBYTES",
    "EMPTY_TUPLE",
    "TUPLE",
    "TUPLE1",
    "TUPLE2",
    "TUPLE3",
    "EMPTY_LIST",
    "APPEND",
    "APPENDS",
    "EMPTY_DICT",
    "SETITEM",
    "SETITEMS",
    "EMPTY_SET",
    "ADDITEMS",
    "GLOBAL",
    "STACK_GLOBAL",
    "MEMOIZE",
    "BINPUT",
    "LONG_BINPUT",
    "BINGET",
    "LONG_BINGET",
    "REDUCE",
    "NEWOBJ",
    "BUILD",
    "NEWOBJ_EX",
    "FROZENSET",
}

for _opcode in pickletools.opcodes:
    if _opcode.name not in ALLOWED_OPCODES:

        @hostile(f"opcode/refused_{_opcode.name}", Unsafe)
        def _(canary: str, code: str = _opcode.code) -> Any:
            # Values and a mark lie below, so that no instruction fails for want of an argument.
            argument = b"\x01\0\0\0\0\0\0\0os\nsystem\n"
            return b"\x80\x04](" + text("a") + text("os") + text("system") + b")}" + code.encode("latin-1") + argument + b"."


@hostile("opcode/second_PROTO", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04}\x80\x04."


@hostile("opcode/obj_then_pop_invisible", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04(" + global_line("os", "system") + text(f"touch {canary}") + b"o0}."


@hostile("opcode/inst", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04(" + text(f"touch {canary}") + b"ios\nsystem\n."


@hostile("opcode/payload_before_garbage", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04" + system_code(canary) + b"\xff\xff\xff\xff"


@hostile("opcode/payload_no_stop", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04" + system_code(canary)


@hostile("opcode/payload_behind_stop", Damaged)
def _(canary: str) -> Any:
    return assemble(pa.checkpoint()) + b"\x80\x04" + system_code(canary) + b"."


@hostile("opcode/unknown_byte", Damaged)
def _(canary: str) -> Any:
    return b"\x80\x04}\xff."


for _target, _code in {
    "list": b"]",
    "tuple": b")",
    "text": text("x"),
    "number": b"K\x01",
    "set": b"\x8f",
    "token": global_line("collections", "OrderedDict"),
    "bytes": b"C\x01a",
}.items():

    @hostile(f"opcode/setitem_on_{_target}", Damaged)
    def _(canary: str, code: bytes = _code) -> Any:
        return b"\x80\x04" + code + text("a") + b"K\x01s."

    @hostile(f"opcode/setitems_on_{_target}", Damaged)
    def _(canary: str, code: bytes = _code) -> Any:
        return b"\x80\x04" + code + b"(" + text("a") + b"K\x01u."

    @hostile(f"opcode/build_on_{_target}", Unsafe)
    def _(canary: str, code: bytes = _code) -> Any:
        return b"\x80\x04" + code + b"}" + text("__class__") + b"K\x01sb."

    if _target != "list":

        @hostile(f"opcode/append_on_{_target}", Damaged)
        def _(canary: str, code: bytes = _code) -> Any:
            return b"\x80\x04" + code + b"K\x01a."

        @hostile(f"opcode/appends_on_{_target}", Damaged)
        def _(canary: str, code: bytes = _code) -> Any:
            return b"\x80\x04" + code + b"(K\x01e."

    if _target != "token":

        @hostile(f"opcode/reduce_of_{_target}", Unsafe)
        def _(canary: str, code: bytes = _code) -> Any:
            return b"\x80\x04" + code + b")R."

        @hostile(f"opcode/newobj_of_{_target}", Unsafe)
        def _(canary: str, code: bytes = _code) -> Any:
            return b"\x80\x04" + code + b")\x81."


@hostile("opcode/build_numpy_function_attr", Unsafe)
def _(canary: str) -> Any:
    return Build(Global("numpy", "ndarray"), {"size": "eval"})


@hostile("opcode/build_class_poison", Unsafe)
def _(canary: str) -> Any:
    return Build(Global("dnnlib.util", "EasyDict"), {"__setitem__": Global("collections", "OrderedDict")})


@hostile("opcode/build_on_persistent_object", Unsafe)
def _(canary: str) -> Any:
    return pa.checkpoint(G=Build(pa.generator().call, {"meta": {}}))


@hostile("opcode/call_ndarray", Unsafe)
def _(canary: str) -> Any:
    return Call(Global("numpy", "ndarray"), ((1 << 40,),))


@hostile("opcode/newobj_ordereddict", Unsafe)
def _(canary: str) -> Any:
    return New(Global("collections", "OrderedDict"))


@hostile("opcode/newobj_with_arguments", Unsafe)
def _(canary: str) -> Any:
    return New(Global("dnnlib.util", "EasyDict"), ("a",))


@hostile("opcode/reduce_newable", Unsupported)
def _(canary: str) -> Any:
    return Call(Global("dnnlib.util", "EasyDict"), ())


@hostile("opcode/reduce_with_list_of_arguments", Unsafe)
def _(canary: str) -> Any:
    return Call(Global("collections", "OrderedDict"), [])


for _name, _code in {
    "stack_underflow_reduce": b"R",
    "stack_underflow_tuple3": b"NN\x87",
    "stack_underflow_setitem": b"}s",
    "stack_underflow_append": b"a",
    "stack_underflow_memoize": b"\x94N",
    "stack_underflow_stack_global": b"\x93",
    "take_across_mark": b"K\x01(\x85",
    "memoize_across_mark": b"K\x01(\x94t",
    "mark_missing_tuple": b"Nt",
    "mark_missing_setitems": b"}Nu",
    "memo_missing_short": b"h\x07",
    "memo_missing_long": b"j\xff\xff\xff\x7f",
    "memo_sparse_index": b"Nr\xff\xff\xff\x7f",
    "memo_index_gap": b"Nq\x01",
    "memo_overwrite": b"Nq\x00q\x00",
    "two_values_at_stop": b"NN",
    "nothing_at_stop": b"",
    "mark_at_stop": b"N(",
    "odd_setitems": b"}(" + text("a") + b"u",
    "number_as_key_twice": b"}(K\x01N" + text("1") + b"Nu",
    "list_as_key": b"}]Ns",
    "dictionary_as_key": b"}}Ns",
    "long_text_as_key": b"}" + text("k" * 5000) + b"Ns",
    "duplicate_key": b"}(" + text("a") + b"N" + text("a") + b"Nu",
    "duplicate_key_setitem": b"}" + text("a") + b"Ns" + text("a") + b"Ns",
    "surrogate_text": text("\ud800"),
    "text_not_utf8": b"X\x02\0\0\0\xff\xfe",
    "name_not_utf8": b"c\xff\nx\n",
    "name_endless": b"c" + b"a" * 100_000,
    "integer_too_long": b"\x8a\xff" + b"\x01" * 255,
    "ordereddict_with_arguments": global_line("collections", "OrderedDict") + b"]\x85R",
    "set_of_a_text": global_line("builtins", "set") + text("abc") + b"\x85R",
    "frame_nested": b"\x95" + struct.pack("<Q", 11) + b"\x95" + struct.pack("<Q", 1) + b"N",
    "frame_straddle": b"\x95" + struct.pack("<Q", 3) + text("os"),
    "frame_straddle_argument_outside": b"\x95" + struct.pack("<Q", 1) + b"K\x01",
    "frame_huge": b"\x95\xff\xff\xff\xff\xff\xff\xff\x7fN",
    "frame_longer_than_file": b"\x95" + struct.pack("<Q", 100) + b"N",
    "frame_open_at_stop": b"\x95" + struct.pack("<Q", 4) + b"N.NN",
    "text_huge_length": b"X\xff\xff\x3f\x00abc",
    "bytes_huge_length": b"B\xff\xff\xff\xffabc",
}.items():

    @hostile(f"opcode/{_name}", Damaged)
    def _(canary: str, code: bytes = _code) -> Any:
        return b"\x80\x04" + code + b"."


@hostile("opcode/set_of_numbers", Unsupported)
def _(canary: str) -> Any:
    return b"\x80\x04\x8f(K\x01\x90."


@hostile("opcode/text_of_4_GiB", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04X\xff\xff\xff\xffabc."


for _protocol in (0, 1, 2, 5, 6, 255):

    @hostile(f"opcode/protocol_{_protocol}", Unsupported)
    def _(canary: str, protocol: int = _protocol) -> Any:
        return bytes([0x80, protocol]) + b"}."


# --- tensors -----------------------------------------------------------------------------------------------------------------


def _with_tensor(**arguments: Any) -> dict[str, Any]:
    return altered(lambda g: g.replace("mapping.w_avg", tensor_of(torch.zeros(8), **arguments)))


BAD_VIEWS: dict[str, dict[str, Any]] = {
    "tensor_offset_oob": {"offset": 1},
    "tensor_offset_huge": {"offset": 2**70},
    "tensor_offset_negative": {"offset": -1},
    "tensor_offset_bool": {"offset": True},
    "tensor_offset_float": {"offset": 0.0},
    "tensor_stride_oob": {"stride": (2,)},
    "tensor_stride_zero": {"stride": (0,)},
    "tensor_stride_negative": {"stride": (-1,)},
    "tensor_stride_missing": {"stride": ()},
    "tensor_stride_list": {"stride": [1]},
    "tensor_stride_overlap": {"size": (3, 3), "stride": (2, 1)},
    "tensor_stride_gap": {"size": (4,), "stride": (2,)},
    "tensor_stride_beyond_int64": {"size": (1, 8), "stride": (2**70, 1)},
    "tensor_size_oob": {"size": (9,)},
    "tensor_size_text": {"size": ("8",)},
    "tensor_size_float": {"size": (8.0,)},
    "tensor_size_bool": {"size": (True,)},
    "tensor_size_overflow": {"size": (2**33, 2**33), "stride": (2**33, 1)},
    "tensor_size_beyond_int64": {"size": (0, 2**70), "stride": (1, 1)},
    "tensor_too_many_dimensions": {"size": (1,) * 9, "stride": (1,) * 9},
    "tensor_of_no_storage": {"storage": {}},
    "tensor_of_bytes": {"storage": b"abc"},
    "tensor_wrong_shape": {"size": (4,), "stride": (1,)},
    "tensor_transposed_shape": {"size": (2, 4), "stride": (1, 2)},
}
for _name, _arguments in BAD_VIEWS.items():

    @hostile(f"semantic/{_name}", Damaged)
    def _(canary: str, arguments: dict[str, Any] = _arguments) -> Any:
        return _with_tensor(**arguments)


# The same for tensors whose shape is right, so that nothing but the stride can be what is refused.
BAD_STRIDES = {
    "overlap": ("mapping.fc0.weight", (8, 8), (1, 1)),
    "gap": ("mapping.fc0.weight", (8, 8), (16, 1)),
    "beyond_int64_of_one": ("synthesis.b8.torgb.weight", (3, 4, 1, 1), (4, 1, 2**70, 1)),
}
for _name, _bad in BAD_STRIDES.items():

    @hostile(f"semantic/stride_{_name}", Damaged)
    def _(canary: str, bad: tuple[str, tuple[int, ...], tuple[int, ...]] = _bad) -> Any:
        name, size, stride = bad
        assert pa.GENERATOR.shapes()[name] == size
        record = tensor_of(torch.zeros(200), size=size, stride=stride)
        return altered(lambda g: g.replace(name, pa.parameter_of(record)))


BAD_BLOBS: dict[str, dict[str, Any]] = {
    "tensor_storage_numel_lie": {"declared": 2**40},
    "tensor_storage_small": {"declared": 7},
    "tensor_storage_written_lie": {"written": 2**40},
    "tensor_storage_written_negative": {"written": -1},
    "tensor_storage_declared_negative": {"declared": -8, "written": -8},
    "tensor_storage_key_missing": {"keys": b"]"},
    "tensor_storage_key_other": {"keys": b"]" + text("1") + b"a"},
    "tensor_storage_key_twice": {"keys": b"]" + text("94312345678901") + b"a" + text("94312345678901") + b"a"},
    "tensor_storage_big_endian": {"little_endian": False},
    "tensor_storage_view": {"view": b"]"},
    "tensor_storage_magic": {"magic": 1},
    "tensor_storage_version": {"version": 1000},
    "tensor_storage_kind": {"kind": "DoubleStorage"},
    "tensor_not_floating_point": {"kind": "IntStorage"},
}
for _name, _arguments in BAD_BLOBS.items():

    @hostile(f"semantic/{_name}", Damaged)
    def _(canary: str, arguments: dict[str, Any] = _arguments) -> Any:
        return _with_storage(blob(_ZEROS, 8, **arguments))


@hostile("semantic/tensor_blob_cut", Damaged)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8)[:60])


@hostile("semantic/tensor_blob_longer", Damaged)
def _(canary: str) -> Any:
    return _with_storage(blob(_ZEROS, 8) + b"\0")


@hostile("semantic/tensor_blob_empty", Unsafe)
def _(canary: str) -> Any:
    return _with_storage(b"")


for _value in (float("nan"), float("inf"), float("-inf")):

    @hostile(f"semantic/weights_{_value}", Damaged)
    def _(canary: str, value: float = _value) -> Any:
        weights = torch.zeros(8)
        weights[3] = value
        return altered(lambda g: g.replace("mapping.w_avg", tensor_of(weights)))


@hostile("semantic/critic_weights_nan", Damaged)
def _(canary: str) -> Any:
    critic = pa.critic()
    critic.replace("b4.out.bias", pa.parameter_of(tensor_of(torch.tensor([float("nan")]))))
    return pa.checkpoint(D=critic.call)


@hostile("semantic/resample_filter_infinite_both_ways", Damaged)
def _(canary: str) -> Any:
    taps = torch.full((4, 4), float("inf"))
    taps[0, 1] = float("-inf")
    return altered(lambda g: g.replace("synthesis.b4.resample_filter", tensor_of(taps)))


@hostile("semantic/resample_filter_zero", Unsupported)
def _(canary: str) -> Any:
    return altered(lambda g: g.replace("synthesis.b4.resample_filter", tensor_of(torch.zeros(4, 4))))


@hostile("semantic/resample_filter_not_separable", Unsupported)
def _(canary: str) -> Any:
    return altered(lambda g: g.replace("synthesis.b4.resample_filter", tensor_of(torch.eye(4) / 4)))


@hostile("semantic/tensor_missing", Damaged)
def _(canary: str) -> Any:
    return altered(lambda g: g.at("synthesis.b8.conv1").state["_parameters"].pop("bias"))


@hostile("semantic/tensor_additional", Unsupported)
def _(canary: str) -> Any:
    return altered(lambda g: g.at("synthesis.b8.conv1").state["_parameters"].update(bias2=pa.parameter_of(tensor_of(torch.zeros(4)))))


@hostile("semantic/tensor_is_a_number", Damaged)
def _(canary: str) -> Any:
    return altered(lambda g: g.replace("mapping.w_avg", 3))


@hostile("semantic/rebuild_tensor_five_arguments", Damaged)
def _(canary: str) -> Any:
    return altered(lambda g: g.replace("mapping.w_avg", Call(Global("torch._utils", "_rebuild_tensor_v2"), (None,) * 5)))


# --- numpy -------------------------------------------------------------------------------------------------------------------

_GOOD_DTYPE_STATE = (3, "<", None, None, None, -1, -1, 0)


def _dtype(code: str = "f8", state: Any = _GOOD_DTYPE_STATE, arguments: Any = None) -> Build:
    return Build(Call(Global("numpy", "dtype"), (code, False, True) if arguments is None else arguments), state)


def _array(dtype: Any, shape: Any, data: Any, version: Any = 1, fortran: Any = False) -> Build:
    empty = Call(Global("numpy._core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
    return Build(empty, (version, shape, dtype, fortran, data))


def _scalar(dtype: Any, data: Any) -> Call:
    return Call(Global("numpy.core.multiarray", "scalar"), (dtype, data))


@hostile("nested/numpy_forged_pointer", Unsafe)
def _(canary: str) -> Any:
    return pa.checkpoint(augment_pipe=_array(_dtype("O8", (3, "|", None, None, None, -1, -1, 63)), (64,), bytes(512)))


@hostile("nested/numpy_payload_in_object_state", Unsafe)
def _(canary: str) -> Any:
    return pa.checkpoint(augment_pipe=_array(_dtype("O8"), (1,), [gadget(canary)]))


for _name, _state in {
    "flags_cleared": (3, "<", None, None, None, -1, -1, 1),
    "flags_object": (3, "<", None, None, None, -1, -1, 63),
    "subarray": (3, "<", ((8,), 1), None, None, -1, -1, 0),
    "fields": (3, "<", None, ("a",), {"a": 1}, 8, 1, 0),
    "big_endian": (3, ">", None, None, None, -1, -1, 0),
    "version_4": (4, "<", None, None, None, -1, -1, 0, None),
    "version_bool": (True, "<", None, None, None, -1, -1, 0),
    "size": (3, "<", None, None, None, 2**31 - 1, -1, 0),
    "not_a_tuple": {"names": "x"},
}.items():

    @hostile(f"nested/numpy_dtype_{_name}", Unsafe)
    def _(canary: str, state: Any = _state) -> Any:
        return pa.checkpoint(augment_pipe=_scalar(_dtype(state=state), bytes(8)))


for _code in ("O8", "V8", "f16", ">f8", "S", "U-2", "U2,i8", "M8[D]", "c16,", "|O", "", "i8,i8", "\x1b[31m"):

    @hostile(f"nested/numpy_dtype_code_{_code!a}", Unsafe)
    def _(canary: str, code: str = _code) -> Any:
        return pa.checkpoint(augment_pipe=_scalar(_dtype(code), bytes(8)))


@hostile("nested/numpy_dtype_built_twice", Unsafe)
def _(canary: str) -> Any:
    return pa.checkpoint(augment_pipe=Build(_dtype(), _GOOD_DTYPE_STATE))


for _name, _value in {
    "scalar_of_unbuilt_dtype": _scalar(Call(Global("numpy", "dtype"), ("f8", False, True)), bytes(8)),
    "scalar_size": _scalar(_dtype(), bytes(7)),
    "scalar_of_a_text": _scalar(_dtype(), "12345678"),
    "dtype_copy_flag": _scalar(_dtype(arguments=("f8", True, True)), bytes(8)),
    "dtype_of_a_list": _scalar(_dtype(arguments=([("a", "f8")], False, True)), bytes(8)),
    "array_shape_lie": _array(_dtype(), (2**40,), bytes(8)),
    "array_shape_negative": _array(_dtype(), (-1,), bytes(8)),
    "array_shape_list": _array(_dtype(), [1], bytes(8)),
    "array_dimensions": _array(_dtype(), (1,) * 9, bytes(8)),
    "array_fortran_number": _array(_dtype(), (1,), bytes(8), fortran=1),
    "array_version": _array(_dtype(), (1,), bytes(8), version=2),
    "array_without_dtype": _array("f8", (1,), bytes(8)),
    "array_unbuilt_dtype": _array(Call(Global("numpy", "dtype"), ("f8", False, True)), (1,), bytes(8)),
    "array_built_twice": Build(_array(_dtype(), (1,), bytes(8)), (1, (1,), _dtype(), False, bytes(8))),
    "array_of_other_class": Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("builtins", "set"), (0,), b"b")),
    "array_initial_shape": Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (2**40,), b"b")),
    "array_initial_code": Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"O")),
}.items():

    @hostile(f"nested/numpy_{_name}", Damaged)
    def _(canary: str, value: Any = _value) -> Any:
        return pa.checkpoint(augment_pipe=value)


# --- what the records mean -----------------------------------------------------------------------------------------------------


def _options(**kwargs: Any) -> dict[str, Any]:
    return altered(lambda g: g.state["_init_kwargs"].update(kwargs))


@hostile("semantic/tf_no_state", Unsupported)
def _(canary: str) -> Any:
    return pa.checkpoint(G_ema=None, augment_pipe=New(Global("dnnlib.tflib.network", "Network")))


for _name, _kwargs in {
    "resolution_huge": {"img_resolution": 2**20},
    "resolution_odd": {"img_resolution": 12},
    "resolution_bool": {"img_resolution": True},
    "resolution_float": {"img_resolution": 8.0},
    "resolution_text": {"img_resolution": "8"},
    "resolution_none": {"img_resolution": None},
    "channels_zero": {"img_channels": 0},
    "z_dim_huge": {"z_dim": 2**40},
    "z_dim_negative": {"z_dim": -8},
    "w_dim_huge": {"w_dim": 2**60},
    "c_dim_huge": {"c_dim": 2**60},
    "layers_huge": {"mapping_kwargs": {"num_layers": 2, "layer_features": 2**40}},
    "unknown_option": {"synthesis_kwargs": {"evil": 1}},
    "option_is_a_table": {"img_channels": {"a": 1}},
    "option_is_an_escape": {"mapping_kwargs": {"activation": "\x1b[2J"}},
    "option_name_is_an_escape": {"\x1b[2J\u202e": 1},
}.items():

    @hostile(f"semantic/option_{_name}", Unsupported)
    def _(canary: str, kwargs: dict[str, Any] = _kwargs) -> Any:
        return _options(**kwargs)


def _doubling(levels: int) -> Any:
    """A tuple that holds a smaller one twice, and so on: 2**levels leaves to whoever walks it."""
    value: Any = ("x",)
    for _ in range(levels):
        value = (value, value)
    return value


for _name in ("img_resolution", "img_channels", "z_dim", "mapping_kwargs", "activation"):

    @hostile(f"resource/exponential_tuple_as_{_name}", Damaged if _name == "mapping_kwargs" else Unsupported)
    def _(canary: str, name: str = _name) -> Any:
        return _options(**{name: _doubling(200)})


@hostile("resource/exponential_tuple_in_critic_options", Unsupported)
def _(canary: str) -> Any:
    critic = pa.critic()
    critic.state["_init_kwargs"]["img_resolution"] = _doubling(200)
    return pa.checkpoint(D=critic.call)


@hostile("resource/exponential_tuple_as_class_name", Damaged)
def _(canary: str) -> Any:
    return altered(lambda g: g.meta.update(class_name=_doubling(200)))


@hostile("resource/exponential_tuple_as_augment_class_name", Damaged)
def _(canary: str) -> Any:
    pipe = Module("AugmentPipe")
    pipe.meta["class_name"] = _doubling(200)
    module = pa.generator()
    module.at("mapping").state["_buffers"].pop("w_avg")
    return pa.checkpoint(module, augment_pipe=pipe.call)


for _name, _meta in {
    "type": {"type": "module"},
    "version_7": {"version": 7},
    "version_float": {"version": 6.0},
    "version_missing": {"version": None},
    "class_name_unknown": {"class_name": "TriPlaneGenerator"},
    "ansi_escape_class_name": {"class_name": "\x1b[2JGenerator\r\n"},
    "bidi_class_name": {"class_name": "\u202erotareneG"},
    "long_class_name": {"class_name": "G" * 100_000},
}.items():

    @hostile(f"semantic/meta_{_name}", Unsupported)
    def _(canary: str, meta: dict[str, Any] = _meta) -> Any:
        return altered(lambda g: g.meta.update(meta))


for _name, _meta in {"class_name_number": {"class_name": 1}, "source_missing": {"module_src": None}, "state_list": {"state": []}}.items():

    @hostile(f"semantic/meta_{_name}", Damaged)
    def _(canary: str, meta: dict[str, Any] = _meta) -> Any:
        return altered(lambda g: g.meta.update(meta))


for _name in ("__class__", "__dict__", "a.b", "", "\x1b[2J", "ж", "0conv", "w" * 65, "conv\n", "forward hook"):

    @hostile(f"semantic/member_name_{_name!a}", Damaged)
    def _(canary: str, name: str = _name) -> Any:
        return altered(lambda g: g.at("synthesis.b4").state["_parameters"].update({name: tensor_of(torch.zeros(1))}))


@hostile("semantic/duplicate_key_in_state", Damaged)
def _(canary: str) -> Any:
    module = pa.generator()
    module.meta["state"] = Pairs([*module.state.items(), ("_init_kwargs", {})])
    return pa.checkpoint(module)


@hostile("semantic/duplicate_G_ema", Damaged)
def _(canary: str) -> Any:
    return Pairs([*pa.checkpoint().items(), ("G_ema", pa.generator(3).call)])


@hostile("semantic/G_ema_missing", Unsupported)
def _(canary: str) -> Any:
    return {key: value for key, value in pa.checkpoint().items() if key != "G_ema"}


@hostile("semantic/G_ema_is_a_table", Damaged)
def _(canary: str) -> Any:
    return pa.checkpoint(G_ema={"class_name": "Generator"})


@hostile("semantic/module_is_a_table", Unsupported)
def _(canary: str) -> Any:
    return altered(lambda g: g.state["_modules"].update(mapping={}))


@hostile("semantic/positional_arguments", Unsupported)
def _(canary: str) -> Any:
    return altered(lambda g: g.state.update(_init_args=(8,)))


@hostile("resource/cyclic_persistent", Damaged)
def _(canary: str) -> Any:
    # The object is complete before it is put into its own table of modules, so the cycle goes through the memo.
    module = pa.generator()
    loop = module.at("synthesis.b8")
    assembler = pa.Assembler()
    assembler.write(module.call)
    code = bytes(assembler.out)
    modules, itself = assembler.memo[id(loop.state["_modules"])], assembler.memo[id(loop.call)]
    add = b"j" + struct.pack("<I", modules) + text("again") + b"j" + struct.pack("<I", itself) + b"s"
    return b"\x80\x04}(" + text("G_ema") + code + text("changed") + add + b"u."


@hostile("resource/late_mutation_class_name", Unsupported)
def _(canary: str) -> Any:
    # What was read as a Generator becomes something else by a later write through the memo: a check made while reading is worthless.
    module = pa.generator()
    del module.meta["class_name"]
    assembler = pa.Assembler()
    assembler.write(module.call)
    late = b"j" + struct.pack("<I", assembler.memo[id(module.meta)]) + text("class_name") + text("Evil") + b"s"
    return b"\x80\x04}(" + text("G_ema") + bytes(assembler.out) + text("late") + late + b"u."


@hostile("resource/late_mutation_hooks", Unsafe)
def _(canary: str) -> Any:
    module = pa.generator()
    hooks: dict[str, Any] = {}
    module.state["_forward_hooks"] = hooks
    assembler = pa.Assembler()
    assembler.write(module.call)
    late = b"j" + struct.pack("<I", assembler.memo[id(hooks)]) + text("1") + text("print") + b"s"
    return b"\x80\x04}(" + text("G_ema") + bytes(assembler.out) + text("late") + late + b"u."


@hostile("resource/modules_nested_deeply", Damaged)
def _(canary: str) -> Any:
    def deepen(g: Module) -> None:
        module = g.at("mapping")
        for _ in range(60):
            module = module.child("m" * 64, "FullyConnectedLayer")

    return altered(deepen)


# --- amplification -------------------------------------------------------------------------------------------------------------


@hostile("resource/deep_lists", Unsupported, memory=200)
def _(canary: str) -> Any:
    # Each list goes into the one before it, by way of the stack: 150 000 levels.
    depth = 150_000
    return b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."


@hostile("resource/deep_tuples", Unsupported, memory=200)
def _(canary: str) -> Any:
    return b"\x80\x04N" + b"\x85" * 150_000 + b"."


@hostile("resource/deep_tuple_hash", Unsupported, memory=200)
def _(canary: str) -> Any:
    return b"\x80\x04}N" + b"\x85" * 100_000 + b"Ns."


@hostile("resource/hash_bomb_doubling_tuple", Unsupported)
def _(canary: str) -> Any:
    code = b"".join(b"\x94h" + bytes([level]) + b"\x86" for level in range(64))
    return b"\x80\x04}N" + code + b"Ns."


@hostile("resource/set_copy_amplify", Unsupported, memory=200)
def _(canary: str) -> Any:
    names = b"](" + b"".join(text(f"name{index}") for index in range(9000)) + b"e\x94"
    return b"\x80\x04(" + names + (global_line("builtins", "set") + b"h\x00\x85R") * 20_000 + b"t."


@hostile("resource/ordereddict_copy_amplify", Damaged)
def _(canary: str) -> Any:
    table = b"}(" + b"".join(text(f"name{index}") + b"N" for index in range(9000)) + b"u\x94"
    return b"\x80\x04(" + table + (global_line("collections", "OrderedDict") + b"h\x00\x85R") * 20_000 + b"t."


@hostile("resource/blob_reuse_amplify", Unsafe)
def _(canary: str) -> Any:
    data = blob(bytes(40_000), 10_000)
    once = b"B" + struct.pack("<I", len(data)) + data + b"\x94"
    return b"\x80\x04(" + once + (global_line("torch.storage", "_load_from_bytes") + b"h\x00\x85R") * 5000 + b"t."


@hostile("resource/many_small_storages", Unsafe, memory=200)
def _(canary: str) -> Any:
    data = blob(b"", 0)
    function = global_line("torch.storage", "_load_from_bytes") + b"\x94"
    return b"\x80\x04(" + function + (b"h\x00B" + struct.pack("<I", len(data)) + data + b"\x85R") * (DEFAULT_LIMITS.storages + 1) + b"t."


@hostile("resource/one_storage_for_every_tensor", Unsafe)
def _(canary: str) -> Any:
    # 64 mapping layers of 1024 x 1024 that are one and the same 2 MB of float16: 256 MB once loaded.
    weight = pa.parameter_of(tensor_of(torch.zeros(1024, 1024, dtype=torch.float16)))
    small = pa.parameter_of(tensor_of(torch.zeros(1024, dtype=torch.float16)))
    shapes = pa.GENERATOR.shapes()
    filters = torch.outer(*[torch.tensor(pa.SYNTHESIS.resample_filter)] * 2)
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items() if not name.startswith("mapping")}
    tensors |= {name: filters for name in tensors if "resample_filter" in name}
    tensors |= {name: torch.zeros(t.shape[0], 1024) for name, t in tensors.items() if "affine.weight" in name}
    kwargs = {"z_dim": 1024, "c_dim": 0, "w_dim": 1024, "img_resolution": 8, "img_channels": 3, "mapping_kwargs": {"num_layers": 64}}
    g = pa.network("Generator", tensors, kwargs | {"synthesis_kwargs": {"channel_base": 32, "channel_max": 6}})
    mapping = g.child("mapping", "MappingNetwork")
    mapping.state["_buffers"]["w_avg"] = tensor_of(torch.zeros(1024))
    for index in range(64):
        layer = mapping.child(f"fc{index}", "FullyConnectedLayer")
        layer.state["_parameters"].update(weight=weight, bias=small)
    return pa.checkpoint(g)


@hostile("resource/source_hashed_again_and_again", Damaged, memory=200)
def _(canary: str) -> Any:
    # 8 000 modules that share one text of 4 MB: 33 GB to hash for whoever hashes it per module.
    def add(g: Module) -> None:
        source = "#" * (4 << 20)
        for index in range(8000):
            module = Module("FullyConnectedLayer")
            module.meta["module_src"] = source
            module.meta["state"] = {"_parameters": {}, "_buffers": {}, "_modules": {}}
            g.state["_modules"][f"m{index}"] = module.call
        g.at("mapping").state["_buffers"].pop("w_avg")
        g.at("mapping").meta["class_name"] = "MappingNetwork"
        last = Module("FullyConnectedLayer")
        last.meta["state"] = []
        g.state["_modules"] = {"last": last.call} | g.state["_modules"]

    return altered(add)


@hostile("resource/state_walked_again_and_again", Damaged, memory=200)
def _(canary: str) -> Any:
    # 5 000 modules that share one table of 20 000 entries: 10**8 steps for whoever walks it per module.
    def add(g: Module) -> None:
        state = {f"key{index}": None for index in range(20_000)} | {"_parameters": {}, "_buffers": {}, "_modules": {}}
        for index in range(5000):
            module = Module("FullyConnectedLayer")
            module.meta["state"] = state
            g.state["_modules"][f"m{index}"] = module.call

    return altered(add)


@hostile("resource/parameters_walked_again_and_again", Damaged, memory=200)
def _(canary: str) -> Any:
    def add(g: Module) -> None:
        shared = {f"key{index}": None for index in range(20_000)}
        for index in range(5000):
            module = Module("FullyConnectedLayer")
            module.meta["state"] = {"_parameters": shared, "_buffers": {}, "_modules": {}}
            g.state["_modules"][f"m{index}"] = module.call

    return altered(add)


@hostile("resource/too_many_instructions", Unsafe, memory=400)
def _(canary: str) -> Any:
    return b"\x80\x04](" + (b"}" * 1000 + b"e(") * 2100 + b"e."


@hostile("resource/too_many_names", Unsafe, memory=400)
def _(canary: str) -> Any:
    return b"\x80\x04](" + global_line("numpy", "dtype") * (DEFAULT_LIMITS.stack_values + 1) + b"e."


@hostile("resource/too_many_values", Unsafe, memory=200)
def _(canary: str) -> Any:
    return b"\x80\x04" + b"N" * (DEFAULT_LIMITS.stack_values + 1) + b"."


@hostile("resource/too_many_marks", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x04" + b"(" * (DEFAULT_LIMITS.open_marks + 1) + b"."


@hostile("resource/too_many_memo_entries", Unsafe, memory=400)
def _(canary: str) -> Any:
    return b"\x80\x04N" + b"\x94" * (DEFAULT_LIMITS.memo_entries + 1) + b"."


# --- safetensors -----------------------------------------------------------------------------------------------------------------


def safetensors_file(header: Any, data: bytes = b"") -> bytes:
    raw = header if type(header) is bytes else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def _entry(begin: int = 0, end: int = 4, shape: Any = (1,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape) if type(shape) is tuple else shape, "data_offsets": [begin, end]}


for _name, _header, _data in (
    ("hole", {"a": _entry(4, 8)}, bytes(8)),
    ("overlap", {"a": _entry(0, 4), "b": _entry(2, 6)}, bytes(6)),
    ("beyond_the_file", {"a": _entry(0, 400, (100,))}, bytes(4)),
    ("trailing_bytes", {"a": _entry()}, bytes(5)),
    ("size_lie", {"a": _entry(shape=(2,))}, bytes(4)),
    ("size_overflow", {"a": _entry(shape=(2**32, 2**32, 2**32))}, bytes(4)),
    ("negative_shape", {"a": _entry(shape=(-1, -1))}, bytes(4)),
    ("bool_shape", {"a": _entry(shape=(True,))}, bytes(4)),
    ("shape_text", {"a": _entry(shape="1")}, bytes(4)),
    ("dtype_unknown", {"a": _entry(dtype="O8")}, bytes(4)),
    ("dtype_list", {"a": _entry(dtype=["F32"])}, bytes(4)),
    ("entry_is_a_text", {"a": "x"}, b""),
    ("metadata_numbers", {"__metadata__": {"format": 1}}, b""),
    ("not_a_table", b'{"a":' + b"[" * 10 + b"]" * 10 + b"}", b""),
    ("duplicate", b'{"a": 1, "a": 2}', b""),
    ("not_json", b"{nonsense", b""),
    ("not_utf8", b'{"\xff": 1}', b""),
    ("deep", b'{"a":' + b"[" * 100_000, b""),
    ("integer_of_a_million_digits", b'{"a":' + b"9" * 1_000_000 + b"}", b""),
):

    @hostile(f"safetensors/{_name}", Damaged)
    def _(canary: str, header: Any = _header, data: bytes = _data) -> Any:
        return safetensors_file(header, data)


@hostile("safetensors/header_longer_than_file", NotOne)
def _(canary: str) -> Any:
    return struct.pack("<Q", 1 << 40) + b"{}" + bytes(10)


@hostile("safetensors/foreign", Unsupported)
def _(canary: str) -> Any:
    return safetensors_file({"__metadata__": {"format": "\x1b[2Jpt\u202e"}})


@hostile("safetensors/options_malformed", Damaged)
def _(canary: str) -> Any:
    return safetensors_file({"__metadata__": {"format": "orojar-1", "G_ema": "[1, 2]"}})


def _own(**changes: Any) -> bytes:
    """A .safetensors file of ours without tensors, its options changed; keys are "mapping__num_ws" and the like."""
    from orojar_cli.generators.families import config_to_dict

    options = json.loads(json.dumps(config_to_dict(pa.GENERATOR)))
    for key, value in changes.items():
        *path, last = key.split("__")
        table = options
        for name in path:
            table = table[name]
        table[last] = value
    return safetensors_file({"__metadata__": {"format": "orojar-1", "G_ema": json.dumps(options)}, "pad": _entry()}, bytes(4))


for _name, _change, _error in (
    ("family", {"family": "\u202eStyleGAN9"}, Unsupported),
    ("num_ws", {"mapping__num_ws": 10**12}, Unsupported),
    ("num_ws_differs", {"mapping__num_ws": 5}, Unsupported),
    ("clamp_text", {"synthesis__conv_clamp": "1"}, Unsupported),
    ("use_noise_text", {"synthesis__use_noise": "yes"}, Unsupported),
    ("no_taps", {"synthesis__resample_filter": []}, Unsupported),
    ("nan_taps", {"synthesis__resample_filter": [float("nan")]}, Unsupported),
    ("zero_taps", {"synthesis__resample_filter": [0, 0]}, Unsupported),
    ("lr_multiplier_text", {"mapping__lr_multiplier": "0.01"}, Unsupported),
    ("activation_bidi", {"mapping__activation": "\u202e" * 1000}, Unsupported),
    ("resolution_huge", {"synthesis__img_resolution": 2**40}, Unsupported),
    ("extra_option", {"synthesis__evil": 1}, Damaged),
    ("without_tensors", {}, Damaged),
):

    @hostile(f"safetensors/options_{_name}", _error)
    def _(canary: str, change: dict[str, Any] = _change) -> Any:
        return _own(**change)


# --- files that are something else -------------------------------------------------------------------------------------------


@hostile("broken/torch_zip_payload", Unsafe)
def _(canary: str) -> Any:
    return _zip(b"\x80\x02" + system_code(canary) + b".")


@hostile("broken/torch_zip_bad_crc", Unsafe)
def _(canary: str) -> Any:
    data = bytearray(_zip(b"\x80\x02" + system_code(canary) + b"."))
    data[14:18] = b"\0\0\0\0"
    return bytes(data)


@hostile("resource/zip_bomb", Unsupported)
def _(canary: str) -> Any:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    return stream.getvalue()


@hostile("broken/protocol0_payload", NotOne)
def _(canary: str) -> Any:
    return f"cos\nsystem\n(S'touch {canary}'\ntR.".encode()


@hostile("broken/legacy_torch_save", Unsupported)
def _(canary: str) -> Any:
    return blob(_ZEROS, 8)


BY_NAME = {case.name: case for case in CASES}


# --- objects of a trainer's own classes in torch.save files -------------------------------------------------------------------------

OWN = Global("models.utils.config", "BaseConfig")


def with_config(config: Any, **tables: Any) -> bytes:
    """A torch.save file of a configuration and tables without tensors."""
    return _zip(assemble({"config": config, "avgG": {"formatLayer.weight": 1}} | tables, 2))


def own_object(**attributes: Any) -> Build:
    return Build(New(OWN), attributes)


@hostile("object/called", Unsupported)
def _(canary: str) -> Any:
    return with_config(Call(OWN, ()))


@hostile("object/called_with_a_command", Unsupported)
def _(canary: str) -> Any:
    return with_config(Call(Global("models.utils.config", "run"), (f"touch {canary}",)))


@hostile("object/made_with_arguments", Unsupported)
def _(canary: str) -> Any:
    return with_config(New(OWN, (f"touch {canary}",)))


@hostile("object/made_with_arguments_by_name", Unsafe)
def _(canary: str) -> Any:
    payload = global_line("os", "system") + text(f"touch {canary}") + b"\x85}\x92"
    return pa.checkpoint(augment_pipe=Opcodes(payload))


@hostile("object/payload_in_a_frozen_set", Unsafe)
def _(canary: str) -> Any:
    return pa.checkpoint(augment_pipe=Opcodes(b"(" + system_code(canary) + b"\x91"))


@hostile("object/payload_in_arguments", Unsafe)
def _(canary: str) -> Any:
    return with_config(Call(OWN, (gadget(canary, "builtins", "eval"),)))


@hostile("object/payload_in_attribute", Unsafe)
def _(canary: str) -> Any:
    return with_config(own_object(lossCriterion=gadget(canary)))


@hostile("object/payload_in_nested_object", Unsafe)
def _(canary: str) -> Any:
    return with_config(own_object(inner=own_object(inner=[gadget(canary, "subprocess", "Popen")])))


@hostile("object/state_is_a_payload", Unsafe)
def _(canary: str) -> Any:
    return with_config(Build(New(OWN), gadget(canary)))


@hostile("object/class_recalled_and_called", Unsupported)
def _(canary: str) -> Any:
    return with_config(own_object(again=Call(OWN, (f"touch {canary}",))))


@hostile("object/of_an_object", Unsafe)
def _(canary: str) -> Any:
    return with_config(New(New(OWN)))


@hostile("object/called_object", Unsafe)
def _(canary: str) -> Any:
    return with_config(Call(New(OWN), (f"touch {canary}",)))


for _dotted in ("os.system", "subprocess.Popen", "builtins.eval", "__builtin__.eval", "copy_reg._reconstructor", "types.SimpleNamespace"):
    _module, _, _name = _dotted.rpartition(".")

    @hostile(f"object/{_dotted}", Unsafe)
    def _(canary: str, module: str = _module, name: str = _name) -> Any:
        return with_config(Build(New(Global(module, name)), {"args": f"touch {canary}"}))


for _case, _pair in {
    "dotted_name": ("models.utils.config", "BaseConfig.__init__"),
    "empty_module": ("", "BaseConfig"),
    "empty_part": ("models..config", "BaseConfig"),
    "space": ("models.utils config", "BaseConfig"),
    "homoglyph": ("m\u043edels", "BaseConfig"),
    "ansi_escape": ("\x1b[31mmodels", "BaseConfig"),
    "torch": ("torch.nn", "Module"),
    "numpy": ("numpy", "ndarray"),
}.items():

    @hostile(f"object/lookalike_{_case}", Unsafe)
    def _(canary: str, pair: tuple[str, str] = _pair) -> Any:
        return with_config(Build(New(Global(*pair)), {}))


@hostile("object/as_a_key", Unsupported)
def _(canary: str) -> Any:
    return with_config(Pairs([(New(OWN), 1)]))


@hostile("object/filled_with_half_a_pair", Damaged)
def _(canary: str) -> Any:
    return _zip(b"\x80\x02" + global_line("models", "Config") + b")\x81(" + text("a") + b"u.")


@hostile("object/as_the_whole_file", Unsupported)
def _(canary: str) -> Any:
    return _zip(assemble(own_object(lossCriterion="DCGAN"), 2))


@hostile("object/of_itself", Unsupported)
def _(canary: str) -> Any:
    config = own_object()
    config.state["config"] = config.target
    return with_config(config, netG=config.target)


@hostile("object/thousands", Unsupported)
def _(canary: str) -> Any:
    return with_config([Build(New(Global("models", f"Config{index}")), {"index": index}) for index in range(5000)])


# --- protocols 2 and 5 -----------------------------------------------------------------------------------------------------------------

for _protocol in (2, 5):

    @hostile(f"protocol/{_protocol}_payload", Unsafe)
    def _(canary: str, protocol: int = _protocol) -> Any:
        return assemble(pa.checkpoint(augment_pipe=gadget(canary)), protocol)

    @hostile(f"protocol/{_protocol}_payload_in_foreign_state", Unsafe)
    def _(canary: str, protocol: int = _protocol) -> Any:
        return assemble(pa.checkpoint(D=own_object(inner=gadget(canary))), protocol)


@hostile("protocol/5_bytes_to_decode", Unsafe)
def _(canary: str) -> Any:
    return assemble({"a": Call(Global("_codecs", "encode"), ("x", "latin1"))}, 5)


@hostile("protocol/2_another_codec", Unsafe)
def _(canary: str) -> Any:
    return assemble({"a": Call(Global("_codecs", "encode"), ("x", "zip"))}, 2)


@hostile("protocol/2_bytes_of_something", Unsafe)
def _(canary: str) -> Any:
    return assemble({"a": Call(Global("__builtin__", "bytes"), (1 << 40,))}, 2)


@hostile("protocol/2_array_from_a_buffer", Unsafe)
def _(canary: str) -> Any:
    return assemble({"a": Call(Global("numpy._core.numeric", "_frombuffer"), ())}, 2)


@hostile("protocol/2_text_of_4_GiB", Unsafe)
def _(canary: str) -> Any:
    return b"\x80\x02X\xff\xff\xff\xffabc."


@hostile("protocol/5_bytes_of_an_exbibyte", Damaged)
def _(canary: str) -> Any:
    return b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b"abc."


@hostile("protocol/5_readonly_of_a_text", Damaged)
def _(canary: str) -> Any:
    return b"\x80\x05" + text("abc") + b"\x98."


@hostile("protocol/5_out_of_band", Unsupported)
def _(canary: str) -> Any:
    return b"\x80\x05\x97."


@hostile("protocol/2_text_decoded_over_and_over", Unsafe)
def _(canary: str) -> Any:
    once = text("x" * 100_000) + b"q\x00" + text("latin1") + b"q\x01" + global_line("_codecs", "encode") + b"q\x02"
    return b"\x80\x02(" + once + b"h\x02h\x00h\x01\x86R" * 5000 + b"t."
