"""The widespread PyTorch layout of StyleGAN2 state dictionaries (`style.1.weight`, `convs.0.conv.weight`…) -> ours.

Everything is deduced from the tensors: the size from the number of `to_rgbs`, widths and depth from shapes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from orojar_cli.containers.derived import PLAIN, DerivedRecord, Form, derive, resample_kernel, unsqueezed
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, small_values, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.substitutes import LATENTS, drawn_noise, estimated_mean

TAPS = (0.125, 0.375, 0.375, 0.125)
_RGB_BIAS = Form(lambda shape: (1, *shape, 1, 1), lambda tensor: tensor.reshape(-1), lambda tensor: tensor.reshape(1, -1, 1, 1))
_KERNEL = re.compile(r"(convs\.\d+\.conv\.blur|to_rgbs\.\d+\.upsample)\.kernel\Z")


def recognise(file: StateDicts) -> StateDict | None:
    """The generator, with the mean w that the file keeps beside it."""
    stored = file.generator(lambda tensors: "input.input" in tensors and "style.1.weight" in tensors)
    average = file.top.get("latent_avg")
    if stored is None or not stored.keys or type(average) is not TensorRecord:
        return stored
    return replace(stored, tensors=stored.tensors | {"latent_avg": average}, keys=(*stored.keys, "latent_avg"), shared=("latent_avg",))


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError.

    Convolutions are scaled by 1 / sqrt(in k^2) when that layout runs, which demodulation undoes, so weights are taken as they are.
    """
    tensors = without_kernels(stored.tensors, _KERNEL, 4.0, where)
    config = _generator_config(tensors, where)
    mapping, synthesis = config.mapping, config.synthesis
    layers = [(each, layer) for each in synthesis.resolutions for layer in synthesis.block(each)]
    noises = {f"synthesis.{layer.name}.noise_const": (each, layer) for each, layer in layers if "conv" in layer.name}
    known = rules(config)
    absent = {"latent_avg", *(known[ours][0] for ours in noises)}
    chosen = {ours: rule for ours, rule in known.items() if rule[0] in tensors or rule[0] not in absent}
    if "latent_avg" in tensors:
        chosen["mapping.w_avg"] = "latent_avg", _mean_form(tensors["latent_avg"], where)
    made: dict[str, TensorRecord | DerivedRecord] = {
        ours: drawn_noise(synthesis.size(each), layer.ws) for ours, (each, layer) in noises.items() if ours not in chosen
    }
    result = dict(derive(dict(tensors), config.shapes(), chosen, where)) | made
    supplied = [f"the noise maps of {len(made)} layers (drawn from a fixed seed)"] if made else []
    if "mapping.w_avg" not in result:
        supplied.append(f"the mean w (estimated from {LATENTS:,} latents)")
        result["mapping.w_avg"] = estimated_mean(mapping, {name: result[name] for name in mapping.shapes() if name in result})
    kernel = resample_kernel(synthesis.resample_filter)
    kernels = {name: kernel for name in config.shapes() if name.endswith("resample_filter")}
    return replace(config, substitutes=tuple(supplied)), result | kernels


def rules(config: StyleGAN2Config) -> dict[str, tuple[str, Form]]:
    """Our tensors' names -> those of this layout, and the form they have there; `latent_avg` lies beside the state dictionary."""
    found: dict[str, tuple[str, Form]] = {"synthesis.b4.const": ("input.input", unsqueezed(1)), "mapping.w_avg": ("latent_avg", PLAIN)}
    for index in range(config.mapping.num_layers):
        found |= {f"mapping.fc{index}.{part}": (f"style.{index + 1}.{part}", PLAIN) for part in ("weight", "bias")}
    synthesis = config.synthesis
    for resolution, layer in ((each, layer) for each in synthesis.resolutions for layer in synthesis.block(each)):
        kind, level = layer.name.partition(".")[2], resolution.bit_length() - 4
        if kind == "torgb":
            theirs = f"to_rgbs.{level}" if level >= 0 else "to_rgb1"
            found[f"synthesis.{layer.name}.bias"] = f"{theirs}.bias", _RGB_BIAS
        else:
            position = 2 * level + (kind == "conv1")
            theirs = f"convs.{position}" if level >= 0 else "conv1"
            found[f"synthesis.{layer.name}.bias"] = f"{theirs}.activate.bias", PLAIN
            found[f"synthesis.{layer.name}.noise_strength"] = f"{theirs}.noise.weight", unsqueezed(1)
            found[f"synthesis.{layer.name}.noise_const"] = f"noises.noise_{position + 1 if level >= 0 else 0}", unsqueezed(2)
        found |= {
            f"synthesis.{layer.name}.weight": (f"{theirs}.conv.weight", unsqueezed(1)),
            f"synthesis.{layer.name}.affine.weight": (f"{theirs}.conv.modulation.weight", PLAIN),
            f"synthesis.{layer.name}.affine.bias": (f"{theirs}.conv.modulation.bias", PLAIN),
        }
    return found


def _generator_config(tensors: dict[str, TensorRecord], where: str) -> StyleGAN2Config:
    depth = count(tensors, "style.{}.weight", first=1)
    levels = count(tensors, "to_rgbs.{}.conv.weight")
    if not 1 <= levels <= 9:
        raise UnsupportedCheckpointError(f"not supported: {where} has {levels} upsampling levels (1 to 9 are)")
    _, width, *start = tensor_shape(tensors, "input.input", 4, where)
    widths = {4: width}
    for level in range(levels):
        widths[8 << level] = tensor_shape(tensors, f"convs.{2 * level}.conv.weight", 5, where)[1]
    base, largest = channel_rule(widths, where)
    w_dim, z_dim = tensor_shape(tensors, f"style.{depth}.weight", 2, where)[0], tensor_shape(tensors, "style.1.weight", 2, where)[1]
    hidden = tensor_shape(tensors, "style.1.weight", 2, where)[0]
    synthesis = SynthesisConfig(
        w_dim=w_dim,
        img_resolution=4 << levels,
        img_channels=tensor_shape(tensors, "to_rgb1.conv.weight", 5, where)[1],
        channel_base=base,
        channel_max=largest,
        resample_filter=TAPS,
        start=(start[0], start[1]),
    )
    mapping = MappingConfig(
        z_dim, 0, w_dim, synthesis.num_ws, num_layers=depth, layer_features=hidden if depth > 1 and hidden != w_dim else None
    )
    return StyleGAN2Config(mapping, synthesis)


def channel_rule(widths: dict[int, int], where: str) -> tuple[int, int]:
    """(base, largest) of the rule min(base // resolution, largest) that gives these widths."""
    largest = max(widths.values())
    resolution = max(widths)
    base = widths[resolution] * resolution
    if any(min(base // each, largest) != width for each, width in widths.items()):
        raise UnsupportedCheckpointError(f"not supported: {where} has layer widths that do not halve as the resolution doubles")
    return base, largest


def without_kernels(tensors: dict[str, TensorRecord], pattern: re.Pattern[str], total: float, where: str) -> dict[str, TensorRecord]:
    """`tensors` without the stored resample kernels, which must be the usual [1, 3, 3, 1] with the sum `total`."""
    expected = [total * row * column for row in TAPS for column in TAPS]
    for name, record in tensors.items():
        if pattern.match(name):
            values = small_values(record) if record.shape[-2:] == (4, 4) and record.numel == 16 else None
            if values is None or any(not abs(value - wanted) < 1e-5 for value, wanted in zip(values, expected, strict=True)):
                raise UnsupportedCheckpointError(f"not supported: {where}.{printable(name)} is not the usual resample filter 1 3 3 1")
    return {name: record for name, record in tensors.items() if not pattern.match(name)}


def _mean_form(record: TensorRecord, where: str) -> Form:
    """How latent_avg keeps the mean w: as it is, or repeated for each entry of w+, as encoders do."""
    if len(record.shape) != 2:
        return PLAIN
    count, data = record.shape[0], record.storage.data
    if count > 256 or record.stride != (record.shape[1], 1):
        raise UnsupportedCheckpointError(f"not supported: {where}.latent_avg has the shape {list(record.shape)}")
    row = record.shape[1] * record.storage.itemsize
    start = data.offset + record.offset * record.storage.itemsize
    first = data.file.read(start, row)
    if any(data.file.read(start + index * row, row) != first for index in range(1, count)):
        raise UnsupportedCheckpointError(f"not supported: {where}.latent_avg has another mean for each layer")
    return Form(lambda shape: (count, *shape), lambda tensor: tensor[0], lambda tensor: tensor.expand(count, -1))
