"""Writing a StyleGAN2 generator as a state dictionary in the widespread PyTorch layout (`style.1.weight`, `convs.0.conv.weight`…)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.files import atomic_path
from orojar_cli.generators.pickle_description import TAPS, normalised
from orojar_cli.generators.stylegan2.config import StyleGAN2Config
from orojar_cli.generators.stylegan2.state_dict_reader import rules


def misfit(config: Any) -> str | None:
    """Why a network with this configuration has no such form, in words; None where it has one."""
    if type(config) is not StyleGAN2Config:
        return f"a {config.family} network"
    synthesis, mapping = config.synthesis, config.mapping
    reasons = {
        "a network with labels": config.c_dim > 0,
        f"the {synthesis.architecture} architecture": synthesis.architecture != "skip",
        f"{config.img_channels} channels": config.img_channels != 3,
        f"the activation {synthesis.activation}": {synthesis.activation, mapping.activation} != {"lrelu"},
        "another resample filter": tuple(normalised(synthesis.resample_filter)) != TAPS,
        "a network without noise": not synthesis.use_noise,
        "another learning-rate multiplier": mapping.lr_multiplier != 0.01,
        "a network of 4x4 pixels": synthesis.img_resolution < 8,
        "pictures that are not square": getattr(synthesis, "start", (4, 4)) != (4, 4),
    }
    return next((words for words, applies in reasons.items() if applies), None)


def write_rosinality(generator: Any, path: Path) -> None:
    """Write `{g_ema: state dictionary, latent_avg: mean w}` with torch.save, whole or not at all.

    Clamping of layers, which only half precision needs, has no place there.  Raises UnsupportedCheckpointError where the layout has no form
    for the network.
    """
    reason = misfit(generator.config)
    if reason is not None:
        raise UnsupportedCheckpointError(f"not supported: {reason} has no form in that .pt layout; write .safetensors or .pkl")
    current = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in generator.state_dict().items()}
    stored: dict[str, Tensor] = {}
    for ours, (theirs, form) in rules(generator.config).items():
        assert form.undo is not None
        stored[theirs] = form.undo(current[ours]).contiguous().clone()
    average = stored.pop("latent_avg")
    row = torch.tensor(TAPS, device="cpu")
    kernel = 4 * torch.outer(row, row)
    for level in range(len(generator.config.synthesis.resolutions) - 1):
        stored |= {f"convs.{2 * level}.conv.blur.kernel": kernel.clone(), f"to_rgbs.{level}.upsample.kernel": kernel.clone()}
    with atomic_path(path) as temporary, open(temporary, "wb") as output:
        torch.save({"g_ema": stored, "latent_avg": average}, output)
