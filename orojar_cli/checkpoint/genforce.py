"""Writing a StyleGAN2, StyleGAN or ProGAN generator as GenForce's tools keep theirs (`{"generator_smooth": state dictionary}`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orojar_cli.containers.derived import Form
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.files import atomic_path
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.pickle_description import TAPS, normalised
from orojar_cli.generators.progan import genforce_reader as progan
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.stylegan1 import genforce_reader as stylegan1
from orojar_cli.generators.stylegan1.config import StyleGAN1Config
from orojar_cli.generators.stylegan2 import genforce_reader as stylegan2
from orojar_cli.generators.stylegan2.config import StyleGAN2Config

Rules = dict[str, tuple[str, Form]]


def misfit(config: Any) -> str | None:
    """Why a network with this configuration has no such form, in words; None where it has one."""
    reasons: dict[str, bool]
    if type(config) is StyleGAN2Config:
        synthesis = config.synthesis
        reasons = _of_mapping(config.mapping) | {
            f"the {synthesis.architecture} architecture": synthesis.architecture not in ("skip", "orig"),
            f"the activation {synthesis.activation}": synthesis.activation != "lrelu",
            "another resample filter": tuple(normalised(synthesis.resample_filter)) != TAPS,
            "a network without noise": not synthesis.use_noise,
            "a network of 4x4 pixels": synthesis.img_resolution < 8,
            "pictures that are not square": synthesis.start != (4, 4),
        }
    elif type(config) is StyleGAN1Config:
        reasons = _of_mapping(config.mapping) | {
            "another epsilon of the instance normalisation": config.synthesis.epsilon != 1e-8,
            "a bias before the blur": config.synthesis.bias_before_blur,
            "one noise for two layers": config.synthesis.shared_noise,
        }
    elif type(config) is ProGANConfig:
        reasons = {
            "a network with labels": config.c_dim > 0,
            "z that is not normalised": not config.normalised_latent,
            "a first layer without normalisation": config.bare_start,
            "weights that are not equalised": not config.equalised,
            f"the last activation {config.output}": config.output != "linear",
            "another slope": config.slope != 0.2,
        }
    else:
        return f"a {config.family} network"
    return next((words for words, applies in reasons.items() if applies), None)


def _of_mapping(mapping: MappingConfig) -> dict[str, bool]:
    return {
        "labels that are embedded in another way": mapping.c_dim > 0 and not (mapping.joint_label and mapping.embedding == mapping.z_dim),
        "another learning-rate multiplier": mapping.lr_multiplier != 0.01,
        f"the activation {mapping.activation} in the mapping": mapping.activation != "lrelu",
        "z that is not normalised": not mapping.normalize_z,
    }


def write_genforce(generator: Any, path: Path, training: Any = None) -> None:
    """Write `{generator_smooth: state dictionary}`, and the network `training` as `generator`, with torch.save, whole or not at all.

    Clamping of layers, which only half precision needs, has no place there; the images of resolutions that a ProGAN does not draw with,
    which its file may lack, are zeros.  Raises UnsupportedCheckpointError where the layout has no form for the network.
    """
    reason = misfit(generator.config)
    if reason is not None:
        raise UnsupportedCheckpointError(f"not supported: {reason} has no form in GenForce's .pth; write .safetensors")
    networks = {"generator_smooth": generator} | ({} if training is None else {"generator": training})
    stored = {name: state(network) for name, network in networks.items()}
    with atomic_path(path) as temporary, open(temporary, "wb") as output:
        torch.save(stored, output)


def state(generator: Any) -> dict[str, Tensor]:
    """A network's tensors under GenForce's names; raises UnsupportedCheckpointError for numbers that have no place there."""
    config = generator.config
    current = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in generator.state_dict().items()}
    family = {StyleGAN2Config: stylegan2, StyleGAN1Config: stylegan1, ProGANConfig: progan}[type(config)]
    rules: Rules = family.rules(config)
    stored: dict[str, Tensor] = {}
    for ours, (theirs, form) in rules.items():
        assert form.undo is not None
        value = form.undo(current[ours])
        if not torch.allclose(form.make(value), current[ours], rtol=1e-5, atol=1e-7):
            raise UnsupportedCheckpointError(
                f"not supported: {ours} has no form in GenForce's .pth, which keeps one number a channel there"
            )
        stored[theirs] = value.contiguous().clone()
    others: dict[str, Tensor] = family.beside(config)
    return stored | others
