"""Training in a group of processes equals training in one on the same global batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from paths import REFERENCES
from PIL import Image
from torch import nn

from orojar_cli import load_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.distributed import add_gradients, as_first, is_first, joined, own
from orojar_cli.response.outputs import Output
from orojar_cli.runs.resume import Partial
from orojar_cli.tuning.adversary import Adversary
from orojar_cli.tuning.bend import straight_mapping
from orojar_cli.tuning.dataset import TrainingPictures
from orojar_cli.tuning.mapping import MappingOptions, prepare, tune_mapping
from orojar_cli.tuning.refinement import RefinementOptions, refinement
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.watch import Watch

SETTINGS = Settings(space="z", seed=4)
# An odd batch, so that the shares are not of one size.
OPTIONS = MappingOptions(
    steps=6, regression_steps=10, surrogate_steps=30, images=700, frame_samples=16, batch=5, anchor_batch=97, learning_rate=0.02
)
BENDING = replace(OPTIONS.bending, batch=5)
REFINING = RefinementOptions(steps=3, batch=3, dims=3, outputs=(Output(), Output("b", 8)))


def trained(
    pictures: Path, options: MappingOptions, state: TrainingState | None = None, stop: int | None = None
) -> tuple[nn.Module, list[dict], nn.Module]:
    """(the tuned mapping, the records, the mapping that training began with)."""
    loaded = load_checkpoint(REFERENCES / "sg2_from_sg3_repo_16.pkl")
    generator = loaded.generator
    anchor, surrogate, _ = prepare(generator, SETTINGS, options)
    watch = Watch(generator, anchor, surrogate, SETTINGS, every=3, images=33)

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "training" and done == stop:
            raise KeyboardInterrupt

    # Two groups of the three images that this critic compares with each other: one for each process.
    adversary = Adversary(generator, loaded.critic, TrainingPictures(pictures, (3, 16, 16)), batch=7)
    assert adversary.batch == 6
    stage = refinement(generator, anchor, surrogate, options, REFINING, adversary)
    start = straight_mapping(anchor, SETTINGS.seed) if options.wide else generator.mapping
    return *tune_mapping(generator, anchor, surrogate, SETTINGS, options, progress, state, (stage,), watch), start


def gradient_of_a_whole_loss() -> torch.Tensor:
    weight = nn.Parameter(torch.ones(3))
    points = torch.arange(21.0).reshape(7, 3)
    # A loss that does not split into samples.
    (joined(own(points) * weight, 7).sort(0).values[3].prod() ** 2).backward()
    add_gradients([weight])
    return weight.grad


def work(rank: int, folder: str, options: MappingOptions) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    # Each has a folder of its own, as on two machines: the first one's file counts.
    path = Path(folder) / f"of-{rank}" / "state.safetensors"
    path.parent.mkdir()
    try:
        trained(Path(folder) / "pictures", options, TrainingState(Partial(path), every=2), stop=5)
    except KeyboardInterrupt:
        assert path.exists() == is_first()
    state = TrainingState(Partial(path), every=2)
    assert (state.stage, state.step) == (0 if options.wide else 1, 4)
    mapping, history, _ = trained(Path(folder) / "pictures", options, state)
    found = {"mapping": mapping.state_dict(), "history": history, "gradient": gradient_of_a_whole_loss()}
    torch.save(found | {"first": int(as_first(torch.tensor(rank)))}, f"{folder}/{rank}.pt")
    dist.barrier()  # one that leaves while the other still receives from it takes both down
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("options", [OPTIONS, BENDING])
def test_two_processes_train_what_one_trains(tmp_path: Path, options: MappingOptions) -> None:
    (tmp_path / "pictures").mkdir()
    for index in range(5):
        Image.new("RGB", (16, 16), (50 * index, 80, 200)).save(tmp_path / "pictures" / f"{index}.png")
    mp.start_processes(work, (str(tmp_path), options), nprocs=2, start_method="spawn")
    mapping, history, straight = trained(tmp_path / "pictures", options)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert torch.allclose(first["gradient"], gradient_of_a_whole_loss()) and first["first"] == second["first"] == 0
    start = straight.state_dict()
    for name, tensor in mapping.state_dict().items():
        assert torch.equal(first["mapping"][name], second["mapping"][name])
        moved = float((tensor - start[name]).abs().max())
        # Sums in another order: after 19 steps of Adam a thousandth of the way.
        assert float((first["mapping"][name] - tensor).abs().max()) <= 1e-3 * moved + 1e-7
    assert [(entry["stage"], entry["step"]) for entry in first["history"]] == [(entry["stage"], entry["step"]) for entry in history]
    for ours, theirs in zip(first["history"], history, strict=True):
        assert abs(ours["held_out"]["total"] - theirs["held_out"]["total"]) < 1e-3 * abs(theirs["held_out"]["total"])
