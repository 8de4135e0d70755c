"""Configurations as plain dictionaries and back, for file metadata."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.dcgan.config import ASSUMED, DCGANConfig
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.simplegan.config import SimpleGANConfig
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, StyleGAN3Config

_UNMAPPED: dict[str, Any] = {"ProGAN": ProGANConfig, "DCGAN": DCGANConfig, "SimpleGAN": SimpleGANConfig}


def config_to_dict(config: Any) -> dict[str, Any]:
    """A JSON-serialisable dictionary of the configuration's options."""
    return asdict(config)


def _mapping(options: dict[str, Any] | None) -> MappingConfig | None:
    return None if options is None else MappingConfig(**options)


def generator_from_dict(options: dict[str, Any]) -> Any:
    """The inverse of config_to_dict for a generator; raises TypeError, KeyError or UnsupportedCheckpointError for other options."""
    family = options["family"]
    if family in _UNMAPPED:
        kind = _UNMAPPED[family]
        # A DCGAN written before these were options.
        open_options = {"assumed": ASSUMED} if kind is DCGANConfig and "activation" not in options else {}
        values = {name: tuple(value) if type(value) is list else value for name, value in options.items() if name != "family"}
        return kind(**values | open_options)
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
