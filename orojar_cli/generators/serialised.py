"""Configurations as plain dictionaries and back, for file metadata."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, StyleGAN3Config


def config_to_dict(config: StyleGAN2Config | StyleGAN3Config | ProGANConfig | DCGANConfig | CriticConfig) -> dict[str, Any]:
    """A JSON-serialisable dictionary of the configuration's options."""
    return asdict(config)


def _mapping(options: dict[str, Any] | None) -> MappingConfig | None:
    return None if options is None else MappingConfig(**options)


def generator_from_dict(options: dict[str, Any]) -> StyleGAN2Config | StyleGAN3Config | ProGANConfig | DCGANConfig:
    """The inverse of config_to_dict for a generator; raises TypeError, KeyError or UnsupportedCheckpointError for other options."""
    family = options["family"]
    if family == "DCGAN":
        names = ("channels", "norms", "biases")
        return DCGANConfig(options["z_dim"], **{name: tuple(options[name]) for name in names})
    if family == "ProGAN":
        return ProGANConfig(options["z_dim"], tuple(options["channels"]), options["img_channels"])
    synthesis = dict(options.get("synthesis", {}))
    if family == "StyleGAN2":
        synthesis["resample_filter"] = tuple(map(float, synthesis["resample_filter"]))
        return StyleGAN2Config(MappingConfig(**options["mapping"]), SynthesisConfig(**synthesis))
    if family == "StyleGAN3":
        return StyleGAN3Config(MappingConfig(**options["mapping"]), AliasFreeConfig(**synthesis))
    raise UnsupportedCheckpointError(f"not supported: the generator family {ascii(family)[:60]}")


def critic_from_dict(options: dict[str, Any]) -> CriticConfig:
    """The inverse of config_to_dict for a critic."""
    options = dict(options)
    options["resample_filter"] = tuple(map(float, options["resample_filter"]))
    return CriticConfig(**options | {"mapping": _mapping(options["mapping"])})
