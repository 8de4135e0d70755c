"""Any container with any content: networks are found in whatever was pickled or saved, beside anything, and nothing of it runs."""

from __future__ import annotations

import datetime
import enum
import functools
import json
import logging
import pickle
import sys
import types
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pytest
import safetensors.torch
import torch
from pickle_assembler import Call, Global, New, assemble, checkpoint
from reader_process import run_reader
from torch import Tensor, nn

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.errors import CheckpointError, NotACheckpointError, UnsafeCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.families import describers
from orojar_cli.generators.stylegan2.network import StyleGAN2

Files = dict[str, Any]


class Whole:
    """A network object of the training tools, kept as the call that would make it."""

    def __init__(self, meta: dict[str, Any]) -> None:
        self.meta = meta

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


class ProjectedDiscriminator(nn.Module):
    """A critic of somebody's own, with what such modules hold."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 1)
        self.device, self.kind, self.activation = torch.device("cpu"), torch.float16, nn.functional.leaky_relu
        self.widths, self.size = {4: 8, 8: 8}, torch.Size([3, 4])


@pytest.fixture(autouse=True)
def their_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules to pickle by name; what reads must not need them."""
    persistence, discriminator = types.ModuleType("torch_utils.persistence"), types.ModuleType("pg_modules.discriminator")

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
        raise AssertionError("a checkpoint was executed")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    monkeypatch.setattr(ProjectedDiscriminator, "__module__", "pg_modules.discriminator")
    discriminator.ProjectedDiscriminator = ProjectedDiscriminator  # type: ignore[attr-defined]
    for module in (types.ModuleType("torch_utils"), persistence, types.ModuleType("pg_modules"), discriminator):
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def generator(tiny) -> StyleGAN2:
    return tiny.generator


def whole(module: nn.Module, name: str = "") -> Whole:
    described = describers()[type(module)](module, name)
    state = {
        "training": False,
        "_parameters": OrderedDict((key, nn.Parameter(item.detach())) for key, item in module.named_parameters(recurse=False)),
        "_buffers": OrderedDict(module.named_buffers(recurse=False)),
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": OrderedDict((key, whole(child, key)) for key, child in module.named_children()),
        **described.attributes,
        "_init_args": described.arguments,
        "_init_kwargs": described.options,
    }
    return Whole(
        {"type": "class", "version": 6, "module_src": "class Generator: ...\nexit(1)", "class_name": described.class_name, "state": state}
    )


def dump(value: Any, path: Path, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def save(value: Any, path: Path, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def images(generator: Any) -> Tensor:
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return generator(z, psi=0.7)


def made(kind: str, generator: StyleGAN2, folder: Path) -> Path:
    network = whole(generator)
    return {
        "protocol 2": lambda: dump({"G_ema": network}, folder / "a.pkl", 2),
        "protocol 3": lambda: dump({"G_ema": network}, folder / "a.pkl", 3),
        "protocol 5": lambda: dump({"G_ema": network}, folder / "a.pkl", 5),
        "bare": lambda: dump(network, folder / "a.pkl"),
        "foreign critic": lambda: dump({"G": None, "D": ProjectedDiscriminator(), "G_ema": network}, folder / "a.pkl"),
        "foreign critic behind": lambda: dump({"G_ema": network, "D": ProjectedDiscriminator()}, folder / "a.pkl"),
        "foreign pipe": lambda: dump({"G_ema": network, "augment_pipe": ProjectedDiscriminator()}, folder / "a.pkl", 2),
        "whole": lambda: save(network, folder / "a.pt"),
        "whole, older": lambda: save(network, folder / "a.pt", zipped=False),
        "whole among others": lambda: save({"G_ema": network, "step": 3, "best": np.float64(2), "rng": np.zeros(3)}, folder / "a.pt"),
    }[kind]()


KINDS = ("protocol 2", "protocol 3", "protocol 5", "bare", "foreign critic", "foreign critic behind", "foreign pipe")
KINDS += ("whole", "whole, older", "whole among others")


@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_found_in_any_container_beside_anything(kind: str, generator: StyleGAN2, tmp_path: Path) -> None:
    path = made(kind, generator, tmp_path)
    loaded = load_checkpoint(path)
    assert torch.equal(images(loaded.generator), images(generator)) and loaded.critic is None
    info = loaded.info
    if "foreign" in kind:
        beside = info.contents["augment_pipe" if "pipe" in kind else "D"]
        assert "pg_modules.discriminator.ProjectedDiscriminator" in beside, beside
    save_checkpoint(loaded, tmp_path / "b.safetensors")
    assert torch.equal(images(load_checkpoint(tmp_path / "b.safetensors").generator), images(generator))


def test_convert_says_what_it_leaves_out(orojar, generator: StyleGAN2, tmp_path: Path) -> None:
    code, _, err = orojar("convert", made("foreign critic", generator, tmp_path), tmp_path / "b.safetensors")
    assert code == 0 and "D is not read" in err and "ProjectedDiscriminator" in err


@pytest.mark.parametrize("kind", KINDS)
def test_reading_opens_one_file_and_runs_nothing(kind: str, generator: StyleGAN2, tmp_path: Path) -> None:
    path = made(kind, generator, tmp_path)
    (report,) = run_reader([path], "--audit")
    assert report["error"] is None and report["events"] == [f"open {path}"] and report["heavy_modules"] == []


@pytest.mark.parametrize("kind", ["protocol 5", "bare", "foreign critic", "whole", "whole, older"])
def test_a_changed_network_goes_back_into_its_container(kind: str, generator: StyleGAN2, tmp_path: Path) -> None:
    path = made(kind, generator, tmp_path)
    loaded = load_checkpoint(path)
    with torch.no_grad():
        loaded.generator.mapping.fc0.weight.neg_()
    target = tmp_path / f"b{path.suffix}"
    assert save_checkpoint(loaded, target) == ["mapping.fc0.weight"]
    again = load_checkpoint(target)
    assert torch.equal(images(again.generator), images(loaded.generator))
    assert [*again.info.contents] == [*loaded.info.contents] and again.info.container == loaded.info.container
    assert path.stat().st_size == target.stat().st_size


def test_numbers_stored_as_texts_are_not_changed_in_place(generator: StyleGAN2, tmp_path: Path) -> None:
    loaded = load_checkpoint(made("protocol 2", generator, tmp_path))
    with torch.no_grad():
        loaded.generator.mapping.fc0.weight.neg_()
    with pytest.raises(UnsupportedCheckpointError, match=r"as texts \(pickle protocol 2\); write \.safetensors"):
        save_checkpoint(loaded, tmp_path / "b.pkl")


@pytest.mark.usefixtures("rough")
def test_a_tuned_network_whose_numbers_were_texts_is_written_anew(orojar, generator: StyleGAN2, tmp_path: Path) -> None:
    path = made("protocol 2", generator, tmp_path)
    code, out, err = orojar("finetune", path, "--samples", 8, "--output", "image:8", "--seeds", 0, "--outdir", tmp_path / "runs", "--json")
    assert code == 0, err
    assert "another container is written than the input's: not supported: a.pkl keeps its numbers as texts (pickle protocol 2)" in err
    tuned = Path(json.loads(out)["checkpoint"])
    assert tuned.name == "tuned.pkl" and tuned.read_bytes()[:2] == b"\x80\x04"
    again = load_checkpoint(tuned)
    assert set(again.info.sources.values()) == {"written by orojar"} and again.info.contents["G"] == "the same network as G_ema"
    before, after = generator.state_dict(), again.generator.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"mapping.fc0.weight"}
    # A rotation leaves the first layer's products alone.
    old, new = (tensors["mapping.fc0.weight"].double() for tensors in (before, after))
    torch.testing.assert_close(new @ new.T, old @ old.T, rtol=0, atol=1e-6 * float(old.square().sum()))


def test_a_module_of_an_unknown_class_inside_the_generator_is_named(generator: StyleGAN2, tmp_path: Path) -> None:
    network = whole(generator)
    network.meta["state"]["_modules"]["mapping"].meta["state"]["_modules"]["embed"] = nn.Embedding(2, 3)
    for path in (dump({"G_ema": network}, tmp_path / "a.pkl"), save(network, tmp_path / "a.pt")):
        with pytest.raises(UnsupportedCheckpointError, match="contains a Embedding module, which orojar does not know"):
            read_contents(path).generator  # noqa: B018


def test_an_object_of_another_program_is_not_called_malicious(tmp_path: Path) -> None:
    network = New(Global("dnnlib.tflib.tfutil", "Network"))
    (tmp_path / "a.pkl").write_bytes(assemble((network, network, network)))
    with pytest.raises(UnsupportedCheckpointError, match=r"not supported: a\.pkl is "):
        read_contents(tmp_path / "a.pkl")


class Settings(OrderedDict):
    """Somebody's own dictionary, with an attribute besides."""

    frozen = False


class Phase(enum.Enum):
    GROWING = 3


class Range(NamedTuple):
    low: float
    high: float


class Named:
    """Made with arguments by name, which protocol 2 and 3 write as a partial function of `__new__`."""

    def __new__(cls, *, width: int) -> Named:
        return super().__new__(cls)

    def __getnewargs_ex__(self) -> tuple[Any, ...]:
        return (), {"width": 3}


def objects(network: Any) -> dict[str, Any]:
    """What training scripts keep, of classes that Python's pickler calls to make them again."""
    weight = nn.Parameter(torch.zeros(2))
    weight.learning_rate = 0.1  # type: ignore[attr-defined]
    optimiser = torch.optim.Adam([weight])
    weight.grad = torch.ones(2)
    optimiser.step()
    settings = Settings(width=4, phase=Phase.GROWING)
    settings.frozen = True
    return {
        "settings": settings,
        "make": functools.partial(Range, 0.0, high=Range(0.0, 1.0)),
        "milestones": Counter({30: 1, 60: 1}),
        "averages": defaultdict(list, {weight: [1, 2]}),
        "optimiser": optimiser,
        "weight": weight,
        "path": PurePosixPath("data/ffhq"),
        "begun": datetime.datetime(2021, 5, 4, tzinfo=datetime.timezone.utc),
        "took": datetime.timedelta(3),
        "last": deque([1.5], 8),
        "kinds": frozenset((1, 2)),
        "sizes": {4, 8},
        "part": slice(1, 2),
        "rng": np.random.RandomState(0),
        "log": logging.getLogger("somewhere"),
        "space": types.SimpleNamespace(a=1),
        "type": np.float32,
        "id": uuid.UUID(int=3),
        "kwargs": {"factory": dict},
        "names": np.array(["a", "bcd"]),
        "codes": np.array([b"ab"]),
        "waves": np.zeros(2, "c8"),
        "days": np.array(["2021-05-04"], "M8[D]"),
        "name": np.str_("abc"),
        "other keys": {(1, 2): "a", None: 3, 0.5: 1, True: 2, Phase.GROWING: 3, "text": 4},
    }


@pytest.fixture
def their_classes(their_modules: None, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = types.ModuleType("training_loop")
    monkeypatch.setitem(sys.modules, "training_loop", theirs)
    for kind in (Settings, Phase, Range, Named):
        monkeypatch.setattr(kind, "__module__", "training_loop")
        setattr(theirs, kind.__name__, kind)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5, "torch.save", "older torch.save"])
def test_classes_that_a_pickle_calls_are_kept_inert(protocol: int | str, their_classes: None, generator: StyleGAN2, tmp_path: Path) -> None:
    beside = objects(whole(generator)) | ({"named": Named(width=3), "layout": torch.channels_last} if protocol in (4, 5) else {})
    value = {"G_ema": whole(generator)} | beside
    if isinstance(protocol, str):
        path = save(value, tmp_path / "a.pt", zipped=not protocol.startswith("older"))
    else:
        path = dump(value, tmp_path / "a.pkl", protocol)
    loaded = load_checkpoint(path)
    assert torch.equal(images(loaded.generator), images(generator))
    assert set(beside) <= set(loaded.info.contents)
    (report,) = run_reader([path], "--audit")
    assert report["error"] is None and report["events"] == [f"open {path}"]
    # A file of such objects alone is not supported, which is not to say malicious.
    for item in beside.values():
        dump(item, tmp_path / "b.pt")
        with pytest.raises(UnsupportedCheckpointError, match="not supported"):
            read_contents(tmp_path / "b.pt")


def test_dictionaries_of_their_own_hold_networks(their_classes: None, generator: StyleGAN2, tmp_path: Path) -> None:
    network = whole(generator)
    network.meta["state"]["_init_kwargs"] = Settings(network.meta["state"]["_init_kwargs"])
    for path in (dump(Settings(G_ema=network), tmp_path / "a.pkl"), save(Settings(G_ema=network), tmp_path / "a.pt")):
        assert torch.equal(images(load_checkpoint(path).generator), images(generator))


def test_parameters_with_attributes_are_parameters(generator: StyleGAN2, tmp_path: Path) -> None:
    network = whole(generator)
    mapping = network.meta["state"]["_modules"]["mapping"].meta["state"]["_modules"]["fc0"].meta["state"]["_parameters"]
    mapping["weight"].learning_rate = 0.1
    assert torch.equal(images(load_checkpoint(dump({"G_ema": network}, tmp_path / "a.pkl")).generator), images(generator))
    assert torch.equal(images(load_checkpoint(save({"G_ema": network}, tmp_path / "a.pt")).generator), images(generator))


def test_a_call_of_somebodys_own_is_not_made(generator: StyleGAN2, tmp_path: Path) -> None:
    for name in ("ProjectedDiscriminator", "Outer.Inner", "run"):
        called = Call(Global("pg_modules.discriminator", name), (f"touch {tmp_path / 'canary'}",))
        for protocol in (3, 4, 5):
            (tmp_path / "a.pkl").write_bytes(assemble(checkpoint(augment_pipe=called), protocol))
            assert load_checkpoint(tmp_path / "a.pkl").generator(torch.zeros(1, 8)).shape == (1, 3, 8, 8)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("training.networks", "os.system"),
        ("six.moves.builtins", "eval"),
        ("training.os", "system"),
        ("training.networks", "Generator.__init__"),
        ("training.networks", "Generator.__class__.mro"),
        ("training.networks", "subprocess.Popen"),
        ("hydra.utils", "instantiate"),
        ("Dnnlib.util", "call_func_by_name"),
        ("torch.optim.adam", "torch.load"),
        ("torch.optim._functional", "adam"),
        ("torch.optim.optimizer", "_use_grad_for_differentiable"),
    ],
)
def test_ways_around_are_refused(module: str, name: str, tmp_path: Path) -> None:
    for call in (Call(Global(module, name), ("touch canary",)), New(Global(module, name), ("touch canary",))):
        (tmp_path / "a.pkl").write_bytes(assemble(checkpoint(augment_pipe=call)))
        if type(call) is New and module == "Dnnlib.util":
            continue  # making an empty object calls nothing
        with pytest.raises(UnsafeCheckpointError):
            read_contents(tmp_path / "a.pkl")


def test_arguments_that_no_pickler_writes_are_refused(tmp_path: Path) -> None:
    theirs = Global("training.networks", "Generator")
    for call in (
        Call(Global("functools", "partial"), (Global("os", "system"), "touch canary")),
        Call(Call(Global("functools", "partial"), (theirs,)), ("touch canary",)),
        Call(Global("copyreg", "_reconstructor"), (Global("functools", "partial"), Global("builtins", "object"), None)),
        Call(Global("copyreg", "_reconstructor"), (theirs, Global("builtins", "dict"), {})),
        Call(Global("builtins", "dict"), ()),
        Call(Global("builtins", "object"), ()),
        New(Global("builtins", "object")),
        New(Global("types", "SimpleNamespace")),
        Call(Global("torch._tensor", "_rebuild_from_type_v2"), (theirs, theirs, ("touch canary",), {})),
    ):
        (tmp_path / "a.pkl").write_bytes(assemble(checkpoint(augment_pipe=call)))
        with pytest.raises(UnsafeCheckpointError):
            read_contents(tmp_path / "a.pkl")


def test_one_list_of_arguments_is_not_copied_for_every_call(tmp_path: Path) -> None:
    # The same tuple of 50,000 texts is passed thirty thousand times.
    arguments = b"(" + b"".join(b"\x8c\x01a" for _ in range(50_000)) + b"t\x94"
    name = b"\x8c\x03own\x8c\x05Class\x93\x94"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04](" + arguments + name + b"h\x01h\x00R" * 30_000 + b"e.")
    (report,) = run_reader([tmp_path / "a.pkl"])
    assert report["error"] == "UnsupportedCheckpointError" and report["peak_mib"] < 120 and report["seconds"] < 5


def test_buffers_outside_the_file_are_not_followed(generator: StyleGAN2, tmp_path: Path) -> None:
    kept: list[pickle.PickleBuffer] = []
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": np.arange(9.0)}, 5, buffer_callback=kept.append))
    assert kept
    with pytest.raises(CheckpointError, match=r"buffers outside the file|_frombuffer"):
        read_contents(tmp_path / "a.pkl")
    (tmp_path / "b.pkl").write_bytes(b"\x80\x05\x97.")
    with pytest.raises(UnsupportedCheckpointError, match="buffers outside the file"):
        read_contents(tmp_path / "b.pkl")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(3, 4), r"a single array \[3, 4\], as latents and directions"),
        ({"eigvec": torch.zeros(3, 3)}, "a set of directions and no network"),
        ({"latents": torch.zeros(2, 3)}, "latents and no network"),
        ({"state": {0: {"step": 1}}, "param_groups": []}, "the state of an optimiser"),
        ({"a.lora_up.weight": torch.zeros(2)}, "a LoRA adapter"),
        (
            {"state_dict": {"model.diffusion_model.out.weight": torch.zeros(2)}, "pytorch-lightning_version": "2"},
            "Lightning .* a diffusion",
        ),
        ({"state_dict": {"encoder.input_layer.0.weight": torch.zeros(2)}}, "an encoder of photographs"),
        ({"backbone.synthesis.b4.const": torch.zeros(2)}, "a 3-D network such as EG3D"),
        ({"final_linear.0.weight": torch.zeros(2)}, "a critic without its generator"),
        ({"blocks.0.0.conv1.weight": torch.zeros(2), "linear.weight": torch.zeros(2)}, r"the critic of a BigGAN; pass the G_ema\.pth"),
        ({"itr": 3, "epoch": 1, "config": {"G_ch": 64}}, r"how far a training run has come, .* G_ema\.pth"),
        ({"layer4.1.conv2.weight": torch.zeros(2)}, "a classifier"),
        ({"epoch": 3, "loss": 0.5}, r"a table without tensors \(it has epoch, loss\)"),
        ({"a.weight": torch.zeros(2)}, r"does not know \(1 tensors: a\.weight, \.\.\.\); where you have its code, --generator"),
        (nn.Linear(2, 2), r"a torch\.nn\.modules\.linear\.Linear object saved whole"),
        ([1, 2], "a list of 2 things"),
        ({}, "no network"),
    ],
)
def test_what_is_no_network_is_called_what_it_is(value: Any, words: str, tmp_path: Path) -> None:
    for path in (save(value, tmp_path / "a.pt"), save(value, tmp_path / "b.pt", zipped=False), dump(value, tmp_path / "c.pkl")):
        with pytest.raises(UnsupportedCheckpointError, match=words) as caught:
            read_contents(path)
        assert str(caught.value).isprintable() and "Error" not in str(caught.value)


def test_arrays_of_numpy_are_called_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", lat_comp=np.zeros(3), lat_mean=np.zeros(3))
    with pytest.raises(NotACheckpointError, match=r"a\.npz is an \.npz of arrays \(lat_comp, lat_mean\)"):
        read_contents(tmp_path / "a.npz")


def test_state_dictionaries_are_read_from_safetensors(tmp_path: Path) -> None:
    from test_state_dict import TENSORS, layout

    tensors = layout(TENSORS)
    save(tensors, tmp_path / "a.pt")
    tensors["num_batches_tracked"] = torch.tensor(3)
    safetensors.torch.save_file({name: item.contiguous() for name, item in tensors.items()}, tmp_path / "b.safetensors")
    with pytest.raises(UnsupportedCheckpointError, match="num_batches_tracked"):
        read_contents(tmp_path / "b.safetensors").generator  # noqa: B018
    del tensors["num_batches_tracked"]
    safetensors.torch.save_file({name: item.contiguous() for name, item in tensors.items()}, tmp_path / "b.safetensors")
    first, second = (load_checkpoint(tmp_path / name) for name in ("a.pt", "b.safetensors"))
    assert torch.equal(images(first.generator), images(second.generator))
    assert json.loads(json.dumps(describe(second.contents).to_dict()))["container"] == "state dictionary in safetensors"
