"""ProGAN pickles (`4x4/Dense`, `8x8/Conv0_up`…), the original ones and those of the OroJaR and Hessian Penalty experiments -> ours.

The experiments' network is not the one of the paper: z is not normalised, and behind the first layer come a bias a channel and nothing
else.  Their options and variables are alike; what tells them apart is the library that their objects belong to.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from orojar_cli.containers.derived import PLAIN, Form, constant, derive
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import OLDEST_NETWORKS, TensorRecord
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.level_of_detail import level_of_detail
from orojar_cli.generators.options import checked
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.unmapped_config import START

_FUNCTION = "G_paper"
# Sizes, which the variables have too, and what changes only how the network is computed.
_KNOWN = {"num_channels", "resolution", "label_size", "latent_size", "fmap_base", "fmap_decay", "fmap_max"}
_KNOWN |= {"fused_scale", "dtype", "structure", "is_template_graph"}
# Options with the one value that our network has.
_FIXED = {"use_wscale": True, "use_pixelnorm": True, "pixelnorm_epsilon": 1e-8, "use_leakyrelu": True}

_AREA = START * START
_CONVOLUTION = Form(
    lambda shape: (*shape[2:], shape[1], shape[0]),
    lambda tensor: tensor.permute(3, 2, 0, 1).contiguous(),
    lambda tensor: tensor.permute(2, 3, 1, 0),
)
# Enlarging and convolving at once scatters through the kernel, which turns it round.
_FUSED = Form(
    _CONVOLUTION.stored_shape,
    lambda tensor: tensor.flip((0, 1)).permute(3, 2, 0, 1).contiguous(),
    lambda tensor: tensor.flip((2, 3)).permute(2, 3, 1, 0),
)
# Their gains at the two ends are 1/4 and 1/sqrt(2) of ours.
_DENSE = Form(lambda shape: shape[::-1], lambda tensor: tensor.T.contiguous() / 4, lambda tensor: tensor.T * 4)
TO_RGB_GAIN = math.sqrt(2)
_TO_RGB = Form(
    _CONVOLUTION.stored_shape,
    lambda tensor: _CONVOLUTION.make(tensor) / TO_RGB_GAIN,
    lambda tensor: tensor.permute(2, 3, 1, 0) * TO_RGB_GAIN,
)
CHANNEL_BIAS = Form(
    lambda shape: (shape[0] // _AREA,),
    lambda tensor: tensor.repeat_interleave(_AREA),
    lambda tensor: tensor.unflatten(0, (-1, _AREA))[:, 0],
)


def recognise(network: TensorFlowNetwork) -> TensorFlowNetwork | None:
    """A generator that the paper's or those experiments' function built: both have the same name."""
    return network if network.functions.get("") == _FUNCTION else None


def read(network: TensorFlowNetwork, where: str) -> Read:
    """Configuration and tensors of Gs (or G); raises UnsupportedCheckpointError and DamagedCheckpointError.

    A network that stopped while growing is read as far as it had grown, with the share of the image that the resolution before it
    still has; the rest of its variables are left out.
    """
    variables, original = network.variables, network.module == OLDEST_NETWORKS
    if network.version < 3 and not original:
        raise UnsupportedCheckpointError(f"not supported: {where} uses an old version of the container for the experiments' networks")
    c_dim = _checked_options(network).get("label_size", 0)
    checked("label_size", c_dim, 0, 8192)
    doublings = next(index for index in itertools.count() if f"ToRGB_lod{index}/weight" not in variables) - 1
    if doublings < 0:
        raise DamagedCheckpointError(f"damaged: {where}.ToRGB_lod0/weight is missing")
    lod = level_of_detail(variables.get("lod", 0.0), where)
    grown, fade = doublings - int(lod), lod % 1
    if grown < 1 or (fade and grown < 2):
        raise UnsupportedCheckpointError(f"not supported: {where} has not grown beyond {2 * START} pixels")
    sizes = [START << level for level in range(1, grown + 1)]
    last = [f"{START}x{START}/Conv", *(f"{size}x{size}/Conv1" for size in sizes)]
    config = ProGANConfig(
        _size(network, f"{START}x{START}/Dense/weight", 2, 0) - c_dim,
        tuple(_size(network, f"{path}/weight", 4, 3) for path in last),
        _size(network, f"ToRGB_lod{int(lod)}/weight", 4, 3),
        c_dim=c_dim,
        normalised_latent=original,
        bare_start=not original,
        scaled_bias=False,
        fade=fade,
    )
    layers = {"first.affine": (f"{START}x{START}/Dense", _DENSE, CHANNEL_BIAS), "b4.conv1": (last[0], _CONVOLUTION, PLAIN)}
    for size in sizes:
        fused = f"{size}x{size}/Conv0_up/weight" in variables
        first = (f"{size}x{size}/Conv0_up", _FUSED) if fused else (f"{size}x{size}/Conv0", _CONVOLUTION)
        layers |= {f"b{size}.conv0": (*first, PLAIN), f"b{size}.conv1": (f"{size}x{size}/Conv1", _CONVOLUTION, PLAIN)}
    layers["torgb"] = f"ToRGB_lod{int(lod)}", _TO_RGB, PLAIN
    if fade:
        layers["torgb_before"] = f"ToRGB_lod{int(lod) + 1}", _TO_RGB, PLAIN
    rules: dict[str, tuple[str, Form]] = {}
    for ours, (path, weight, bias) in layers.items():
        rules |= {f"synthesis.{ours}.weight": (f"{path}/weight", weight), f"synthesis.{ours}.bias": (f"{path}/bias", bias)}
    unused = {f"ToRGB_lod{index}" for index in range(doublings + 1)}
    for size in (START << level for level in range(grown + 1, doublings + 1)):
        unused |= {f"{size}x{size}/{name}" for name in ("Conv0", "Conv0_up", "Conv1")}
    unused -= {path for path, _, _ in layers.values()}
    stored = {name: value for name, value in variables.items() if name != "lod" and name.rpartition("/")[0] not in unused}
    return config, derive(stored, config.shapes(), rules, where) | {"mapping.w_avg": constant((config.w_dim,), 0.0)}


def _checked_options(network: TensorFlowNetwork) -> dict[str, Any]:
    """The network's options; raises UnsupportedCheckpointError for those that would change what is computed."""
    where, given = network.where, network.options
    fixed = _FIXED | {"normalize_latents": network.module == OLDEST_NETWORKS}
    unknown = sorted(set(given) - _KNOWN - set(fixed))
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} has the option {printable(unknown[0])}, which orojar does not know")
    for name, value in fixed.items():
        if name in given and (type(given[name]) is not type(value) or given[name] != value):
            raise UnsupportedCheckpointError(f"not supported: {where} has {name} = {printable(given[name])} (only {value} is)")
    return given


def _size(network: TensorFlowNetwork, name: str, axes: int, axis: int) -> int:
    record = network.variables.get(name)
    if not isinstance(record, TensorRecord) or len(record.shape) != axes:
        raise DamagedCheckpointError(f"damaged: {network.where}.{name} is missing or has another number of axes than {axes}")
    return record.shape[axis]
