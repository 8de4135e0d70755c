"""Network records of TensorFlow-era pickles, for `pickle_assembler.assemble`."""

from __future__ import annotations

from typing import Any

import numpy as np
from pickle_assembler import SOURCE, Build, Call, Global, New


def array(values: Any) -> Build:
    values = np.asarray(values, dtype=np.float32)
    dtype = Build(Call(Global("numpy", "dtype"), ("f4", False, True)), (3, "<", None, None, None, -1, -1, 0))
    empty = Call(Global("numpy._core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
    return Build(empty, (1, values.shape, dtype, False, values.tobytes()))


def network(
    function: str, options: dict[str, Any], variables: dict[str, Any], *, module: str = "dnnlib.tflib.network", **components: Any
) -> Build:
    state = {"version": 4, "name": function, "static_kwargs": options, "components": components, "build_module_src": SOURCE}
    pairs = [(name, value if isinstance(value, (Build, float, str)) else array(value)) for name, value in variables.items()]
    return Build(New(Global(module, "Network")), state | {"build_func_name": function, "variables": pairs})
