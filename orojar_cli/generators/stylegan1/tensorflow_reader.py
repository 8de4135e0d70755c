"""The options and variable names of NVIDIA's TensorFlow StyleGAN pickles (`G_style`, `4x4/Const/StyleMod`...) -> ours."""

from __future__ import annotations

import itertools
import math
from typing import Any

from orojar_cli.containers.derived import PLAIN, Form, derive
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.genforce import TRANSPOSED
from orojar_cli.generators.level_of_detail import level_of_detail
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import checked
from orojar_cli.generators.stylegan1.config import START, StyleGAN1Config, SynthesisConfig
from orojar_cli.generators.stylegan1.original import MAPPING_BIAS, Layout, fused_from, synthesis_rules
from orojar_cli.generators.stylegan2.tensorflow_reader import CONVOLUTION

_FUNCTIONS = {"": "G_style", "mapping": "G_mapping", "synthesis": "G_synthesis"}
# What is only for training, for speed, or for callers who pass no options of their own.
_IGNORED = {"truncation_psi", "truncation_cutoff", "randomize_noise", "style_mixing_prob", "dlatent_avg_beta", "dtype", "structure"}
_KNOWN = {"num_channels", "resolution", "label_size", "latent_size", "dlatent_size", "mapping_layers", "mapping_fmaps", "mapping_lrmul"}
_KNOWN |= {"fmap_base", "fmap_max", "fused_scale", "const_input_layer"}
# Options with the one value that our network has.
_FIXED: dict[str, Any] = {
    "fmap_decay": 1.0,
    "normalize_latents": True,
    "use_styles": True,
    "use_noise": True,
    "use_wscale": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "blur_filter": [1, 2, 1],
}
_START = Form(
    lambda shape: (shape[0], math.prod(shape[1:])),
    lambda tensor: tensor.unflatten(1, (-1, START, START)),
    lambda tensor: tensor.flatten(1),
)
_PARTS = {"noise_strength": "Noise/weight", "style.weight": "StyleMod/weight", "style.bias": "StyleMod/bias"}


def recognise(network: TensorFlowNetwork) -> TensorFlowNetwork | None:
    """A generator that StyleGAN's main function built."""
    return network if network.functions.get("") == _FUNCTIONS[""] else None


def read(network: TensorFlowNetwork, where: str) -> Read:
    """Configuration and tensors of Gs (or G); raises UnsupportedCheckpointError and DamagedCheckpointError."""
    given, variables = _checked_options(network), network.variables
    stages = next(index for index in itertools.count() if f"synthesis/ToRGB_lod{index}/weight" not in variables)
    if not 2 <= stages <= 10:
        raise UnsupportedCheckpointError(f"not supported: {where} has {stages} resolutions (2 to 10 are)")
    if "resolution" in given and given["resolution"] != START << (stages - 1):
        raise DamagedCheckpointError(f"damaged: {where} says resolution {printable(given['resolution'])} and has {stages} resolutions")
    lod = level_of_detail(variables.get("lod", 0.0), where)
    rgbs = [_shape(network, f"synthesis/ToRGB_lod{stages - 1 - stage}/weight", 4) for stage in range(stages)]
    has_constant = given.get("const_input_layer", True)
    if type(has_constant) is not bool:
        raise UnsupportedCheckpointError(f"not supported: {where} has const_input_layer = {printable(has_constant)} (True and False are)")
    synthesis = SynthesisConfig(
        w_dim=_shape(network, f"synthesis/4x4/{'Const' if has_constant else 'Dense'}/StyleMod/weight", 2)[0],
        img_channels=rgbs[0][3],
        channels=tuple(shape[2] for shape in rgbs),
        step=stages - 1 - math.floor(lod),
        fade=lod % 1,
        start_from_w=not has_constant,
    )
    config = StyleGAN1Config.of(_mapping(network, given, stages), synthesis)
    rules = synthesis_rules(config, _layout(stages, has_constant), fused_from(given.get("fused_scale", "auto"), where))
    rules["mapping.w_avg"] = "dlatent_avg", PLAIN
    if config.c_dim:
        rules["mapping.embed.weight"] = "mapping/LabelConcat/weight", TRANSPOSED
    for index in range(config.mapping.num_layers):
        rules[f"mapping.fc{index}.weight"] = f"mapping/Dense{index}/weight", TRANSPOSED
        rules[f"mapping.fc{index}.bias"] = f"mapping/Dense{index}/bias", MAPPING_BIAS
    stored = {name: value for name, value in variables.items() if name not in ("lod", "synthesis/lod")}
    return config, derive(stored, config.shapes(), rules, where)


def _mapping(network: TensorFlowNetwork, given: dict[str, Any], stages: int) -> MappingConfig:
    depth = given.get("mapping_layers", 8)
    checked("mapping_layers", depth, 1, 64)
    hidden = _shape(network, "mapping/Dense0/weight", 2)[1]
    w_dim = _shape(network, f"mapping/Dense{depth - 1}/weight", 2)[1]
    labels = "mapping/LabelConcat/weight" in network.variables
    c_dim, z_dim = _shape(network, "mapping/LabelConcat/weight", 2) if labels else (0, _shape(network, "mapping/Dense0/weight", 2)[0])
    if given.get("label_size", 0) != c_dim:
        raise DamagedCheckpointError(f"damaged: {network.where} says label_size {printable(given.get('label_size'))} and has {c_dim}")
    multiplier = given.get("mapping_lrmul", 0.01)
    return MappingConfig(
        z_dim,
        c_dim,
        w_dim,
        2 * stages,
        num_layers=depth,
        embed_features=z_dim if labels else None,
        layer_features=hidden if depth > 1 and hidden != w_dim else None,
        lr_multiplier=float(multiplier) if type(multiplier) is int else multiplier,
        joint_label=labels,
    )


def _layout(stages: int, has_constant: bool) -> Layout:
    first = "Const" if has_constant else "Dense"

    def layer(index: int, part: str) -> str:
        if part == "noise_const":
            return f"synthesis/noise{index}"
        size = START << (index // 2)
        name = ("Conv0_up", "Conv1")[index % 2] if index > 1 else (first, "Conv")[index]
        return f"synthesis/{size}x{size}/{name}/{_PARTS.get(part, part)}"

    return Layout(layer, lambda stage, part: f"synthesis/ToRGB_lod{stages - 1 - stage}/{part}", TRANSPOSED, CONVOLUTION, _START)


def _checked_options(network: TensorFlowNetwork) -> dict[str, Any]:
    """The network's options; raises UnsupportedCheckpointError for those that would change what is computed."""
    where, given = network.where, network.options
    for path, function in _FUNCTIONS.items():
        if network.functions.get(path) != function:
            built = printable(network.functions.get(path))
            raise UnsupportedCheckpointError(f"not supported: {where}{'.' * bool(path)}{path} is built by {built} (only {function} is)")
    unknown = sorted(set(given) - _KNOWN - _IGNORED - set(_FIXED))
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} has the option {printable(unknown[0])}, which orojar does not know")
    for name, value in _FIXED.items():
        found = given.get(name, value)
        found = list(found) if type(found) is tuple and len(found) <= 8 else found
        if type(found) not in (int, float, bool, str, list) or isinstance(found, str) != isinstance(value, str) or found != value:
            raise UnsupportedCheckpointError(f"not supported: {where} has {name} = {printable(given[name])} (only {value} is)")
    return given


def _shape(network: TensorFlowNetwork, name: str, axes: int) -> tuple[int, ...]:
    record = network.variables.get(name)
    if not isinstance(record, TensorRecord) or len(record.shape) != axes:
        raise DamagedCheckpointError(f"damaged: {network.where}.{name} is missing or has another number of axes than {axes}")
    return record.shape
