"""What a file is that holds no network orojar reads, in words that are true of it, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.containers.records import ArrayRecord, NetworkRecord, Opaque, PersistentRecord, PlainObject, TensorRecord

_OWN_CODE = "where you have its code, --generator MODULE:FACTORY takes it"
_LATENTS = {"w", "ws", "latent", "latents", "z", "projected_w", "latent_avg"}
_DIRECTIONS = {"eigvec", "lat_comp", "act_comp", "directions"}


def _some(*parts: str) -> Callable[[set[str]], bool]:
    return lambda names: any(part in name for name in names for part in parts)


# What names of tensors tell: (are these it, what it is, what to do).  The first that fits counts.
_NAMES: tuple[tuple[Callable[[set[str]], bool], str, str], ...] = (
    (_some("lora_up.", "lora_down.", "lora_A.", "lora_B."), "a LoRA adapter for another model", "pass a GAN's generator"),
    (_some("diffusion_model.", "time_embed.", "time_embedding.", "down_blocks.0.resnets"), "a diffusion model", "pass a GAN's generator"),
    (_some("first_stage_model.", "quant_conv."), "an autoencoder", "pass a GAN's generator"),
    (_some("text_model.", "transformer.resblocks", "visual.conv1"), "a language or image-text model", "pass a GAN's generator"),
    (
        lambda names: _some("input_layer.0.weight", "styles.0.convs")(names) and not _some("decoder.")(names),
        "an encoder of photographs without its generator",
        "pass the generator that it was trained for",
    ),
    (
        _some("superresolution.", "renderer.", "backbone.synthesis", "decoder.net."),
        "a 3-D network such as EG3D",
        f"orojar reads generators of images from z and a label alone; {_OWN_CODE}",
    ),
    (
        lambda names: "blocks.0.0.conv1.weight" in names and not _some("output_layer.")(names),
        "the critic of a BigGAN",
        "pass the G_ema.pth beside it",
    ),
    (_some("final_linear.", "epilogue.", "fromrgb.", "decisionLayer."), "a critic without its generator", "pass the generator beside it"),
    (
        lambda names: _some("encoder.")(names) and not _some("decoder.")(names),
        "an encoder without its generator",
        "pass the generator that it was trained for",
    ),
    (
        _some("layer4.1.conv2", "features.28.", "fc.weight", "classifier.", "features.0.weight"),
        "a classifier of images",
        "pass a GAN's generator",
    ),
)

# Networks of which an image is not a function of z or w alone, by classes of their modules.
_OTHER_KINDS = {
    "a 3-D network (EG3D)": {"TriPlaneGenerator", "ImportanceRenderer", "OSGDecoder"},
    "a 3-D network": {"ImplicitGenerator3d", "VolumeRenderer", "CameraGenerator", "DMTETSynthesisNetwork"},
    "a text-conditioned network (StyleGAN-T and the like)": {"TextEncoder", "CLIP"},
}


def of_other_kind(classes: set[str]) -> str:
    """What a network with modules of these classes is and what to do, where its image depends on more than z and a label; else ""."""
    for what, known in _OTHER_KINDS.items():
        if known & classes:
            given = "text" if "text" in what else "camera"
            return f"{what}, whose image depends on more than z; wrap its own code with a fixed {given}: --generator MODULE:FACTORY"
    return ""


def what_it_is(value: Any) -> str:
    """A phrase such as "the state of an optimiser; pass the network's file" for the value of a file that holds no known network."""
    if type(value) in (TensorRecord, ArrayRecord):
        return f"a single array {_shape(value)}, as latents and directions are stored; pass the network that they belong to"
    if type(value) is PlainObject:
        return f"a {printable(value.name, 60)} object saved whole; save its state_dict() instead, or {_OWN_CODE}"
    if type(value) in (list, tuple):
        named = next((item for item in value[:64] if type(item) is PlainObject), None)
        if named is not None:
            return f"a list of {printable(named.name, 60)} objects, which orojar does not know; {_OWN_CODE}"
        return f"a list of {len(value)} things, none of them a known network; pass a network's file"
    if type(value) is not dict or not value:
        return "no network; pass a network's file"
    return _table(value)


def _table(value: dict[str, Any]) -> str:
    names = {name for table in _tables(value) for name in table}
    if "param_groups" in value and "state" in value:
        return "the state of an optimiser; pass the network's file beside it"
    if _DIRECTIONS & set(value):
        return "a set of directions and no network; pass the network that they were found for, and these as --directions"
    if names <= _LATENTS and any(type(item) in (TensorRecord, ArrayRecord) for key, item in value.items() if key in _LATENTS):
        return "latents and no network; pass the network that they belong to, and these as --projected-w"
    lightning = "a Lightning checkpoint of " if "pytorch-lightning_version" in value else ""
    for fits, what, advice in _NAMES:
        if fits(names):
            return f"{lightning}{what}; {advice}"
    if any(type(item) in (PersistentRecord, NetworkRecord) for item in value.values()):
        return "a network file without a generator; pass one that holds G_ema"
    if objects := [item for item in value.values() if type(item) is PlainObject and item.name != "argparse.Namespace"]:
        return f"a file of whole {printable(objects[0].name, 60)} objects; save their state_dict() instead, or {_OWN_CODE}"
    if not names and "config" in value and {"itr", "epoch"} & value.keys():
        return "how far a training run has come, and its options; pass the network beside it (BigGAN's is G_ema.pth)"
    if not names:
        what = ", ".join(printable(key, 30) for key in list(value)[:8])
        return f"a table without tensors (it has {what}); pass a network's file"
    first = ", ".join(printable(name, 40) for name in sorted(names)[:3])
    return f"{lightning}a network of a kind orojar does not know ({len(names)} tensors: {first}, ...); {_OWN_CODE}"


def _tables(value: Mapping[str, Any], depth: int = 3) -> list[dict[str, Any]]:
    """The tables of tensors at the top and a few levels below; each is looked at once."""
    found: list[dict[str, Any]] = []
    level, seen = [value], {id(value)}
    for _ in range(depth):
        below: list[Any] = []
        for table in level:
            tensors = {key: item for key, item in table.items() if type(item) is TensorRecord}
            found += [tensors] if tensors else []
            for item in table.values():
                inner = item.attributes if type(item) is PlainObject else item
                if type(inner) is dict and id(inner) not in seen:
                    seen.add(id(inner))
                    below.append(inner)
        level = below
    return found


def _shape(value: TensorRecord | ArrayRecord | Opaque) -> str:
    return "[" + ", ".join(map(str, getattr(value, "shape", ()))) + "]"
