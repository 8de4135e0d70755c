"""How the PyTorch-era container describes a module: class name, constructor arguments, plain attributes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orojar_cli.generators.primitives import activation_gain

TAPS = (0.125, 0.375, 0.375, 0.125)


@dataclass(frozen=True)
class Description:
    """A module as the container describes it.  `extra` are modules without tensors that ours do not have, `empty_buffers`
    those it registers without a tensor."""

    class_name: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    attributes: dict[str, Any]
    extra: dict[str, Description] = field(default_factory=dict)
    empty_buffers: tuple[str, ...] = ()


def normalised(taps: tuple[float, ...]) -> list[float]:
    """Resample taps with sum 1, as a list."""
    total = sum(taps)
    return [tap / total for tap in taps]


def departures(config: Any, **defaults: Any) -> dict[str, Any]:
    """The options of `config` that differ from the original's defaults."""
    return {name: getattr(config, name) for name, default in defaults.items() if getattr(config, name) != default}


def beginning(config: Any) -> dict[str, Any]:
    """What the modules of networks that do not begin with 4 x 4 pixels are told of it, as the two forks that have them say it."""
    if config.start == (4, 4):
        return {}
    return {"square": False} if config.start == (4, 2) else {"init_res": list(config.start)}


def generator_sizes(config: Any) -> dict[str, Any]:
    """The sizes a generator is constructed with."""
    return {name: getattr(config, name) for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")}


def convolution_record(weight: Any, activation: str, up: int, down: int, clamp: float | None, taps: Any, bias: bool) -> Description:
    """A Conv2dLayer; without `bias` it is a shortcut, which neither rectifies nor clamps."""
    outputs, inputs, kernel = weight.shape[:3]
    options: dict[str, Any] = {"kernel_size": kernel}
    options |= {"activation": activation, "conv_clamp": clamp} if bias else {"bias": False}
    for key, factor in (("up", up), ("down", down)):
        if factor > 1:
            options |= {key: factor, "resample_filter": normalised(taps)}
    attributes = {
        "in_channels": inputs,
        "out_channels": outputs,
        "activation": activation,
        "up": up,
        "down": down,
        "conv_clamp": clamp,
        "padding": kernel // 2,
        "weight_gain": 1 / math.sqrt(inputs * kernel * kernel),
        "act_gain": activation_gain(activation),
    }
    return Description("Conv2dLayer", (inputs, outputs), options, attributes if bias else attributes | {"bias": None})


Describers = dict[type, Callable[[Any, str], Description]]
