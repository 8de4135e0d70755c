"""Train a generator on one of the worlds, on our own networks: non-saturating loss, lazy R1, EMA of the weights.

    python examples/worlds/train.py --out shapes32.pkl
    python examples/worlds/train.py --world bars --gamma 4 --kimg 600 --out bars64.pkl

The defaults made the bundled checkpoint, in 51 minutes on one thread, the second line the network of the bars, in 80; checkpoints/README.md
has these and the one of the sprites.  Interrupted, the same command continues where the state file beside the output was written last
(every `--snapshot` kimg).  The recipe is that of Karras et al. 2020 (arXiv 1912.04958) without path-length regularisation and style mixing:
Adam (0, 0.99), R1 every 16 steps.  Of `--architecture convolutional` a state dictionary of the generator alone is written.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bars
import shapes
import sprites
import torch
import torch.nn.functional as F
from cleanness import clean
from convolutional import new_convolutional, write_convolutional
from safetensors.torch import load_file, save
from torch import Tensor, nn

from orojar_cli import hessian_penalty, orojar_penalty
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.cli.process import keep_freed_memory
from orojar_cli.files import write_bytes
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.critic.network import Critic
from orojar_cli.generators.families import empty_network
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.primitives import FullyConnected
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan2.network import StyleGAN2
from orojar_cli.measures.worlds import WORLDS as MEASURED

TAPS = (0.125, 0.375, 0.375, 0.125)
R1_EVERY, W_AVG_BETA = 16, 0.995
WORLDS: dict[str, Any] = {"shapes": shapes, "bars": bars, "sprites": sprites}
PENALTIES = {"orojar": orojar_penalty, "hessian": hessian_penalty}
PENALTY_EVERY = 4
WIDTHS = {32: (32, 32), 64: (8, 64)}


def new_networks(resolution: int, channels: int, width: int, most: int, latent: int, seed: int) -> tuple[StyleGAN2, Critic]:
    """A generator and a critic of images with so many channels, with `width` features at full resolution, twice as many at each half of it
    up to `most`, initialised as the paper says."""
    base = width * resolution
    blocks = resolution.bit_length() - 2
    mapping = MappingConfig(latent, 0, latent, num_ws=2 * blocks, num_layers=4)
    synthesis = SynthesisConfig(latent, resolution, channels, base, most, resample_filter=TAPS)
    torch.manual_seed(seed)
    generator = empty_network(StyleGAN2Config(mapping, synthesis)).to_empty(device="cpu")
    critic = empty_network(CriticConfig(0, resolution, channels, base, most, resample_filter=TAPS)).to_empty(device="cpu")
    for network in (generator, critic):
        initialise(network)
    return generator, critic


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Unit-variance weights (divided by the mapping's learning-rate multiplier), zero biases, styles that start at one."""
    for name, tensor in network.state_dict().items():
        if name.endswith("resample_filter"):
            tensor.copy_(torch.outer(torch.tensor(TAPS, device="cpu"), torch.tensor(TAPS, device="cpu")))
        elif name.endswith(("bias", "noise_strength", "w_avg")):
            tensor.zero_()
        else:
            tensor.normal_()
        if name.endswith("affine.bias"):
            tensor.fill_(1)
    for module in network.modules():
        if isinstance(module, FullyConnected) and module.bias_gain != 1:
            module.weight.div_(module.bias_gain)


def write_stylegan2(generator: StyleGAN2, critic: Critic, path: Path) -> None:
    """Both networks as a pickle."""
    write_pickle(SimpleNamespace(generator=generator, critic=critic), path)


ARCHITECTURES: dict[str, Any] = {
    "stylegan2": (new_networks, write_stylegan2),
    "convolutional": (new_convolutional, lambda generator, critic, path: write_convolutional(generator, path)),
}


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """[] mean squared norm of the critic's gradient at real pictures (Mescheder et al. 2018)."""
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def penalty_of(name: str, generator: StyleGAN2, z: Tensor, rng: torch.Generator) -> Tensor:
    """[] the penalty of that name on the images as functions of z [N, z_dim], without noise: the OroJaR loss over the squared trace, or the
    Hessian Penalty over the images' variance, both free of scale."""
    return PENALTIES[name](lambda points: generator(points, noise_mode="none"), z, reduction="mean", normalised=True, rng=rng)


def report(name: str, average: StyleGAN2, device: str) -> str:
    """How many of 1,000 samples are clean, and the factors' standard deviations against the data's."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        images = torch.cat([average(torch.randn(250, average.z_dim, generator=rng).to(device)).cpu() for _ in range(4)])
    world, measured = WORLDS[name], MEASURED[name]
    data = measured.deviations(measured.measure(world.render(world.Scenes.sample(4000, rng))))
    ratios = " ".join(f"{ratio:.3f}" for ratio in (measured.deviations(measured.measure(images)) / data).tolist())
    return f"clean {clean(images, name).mean():.3f}  factor std against the data's {ratios}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=list(WORLDS), default="shapes")
    parser.add_argument(
        "--architecture", choices=list(ARCHITECTURES), default="stylegan2", help="convolutional: that of the papers' dSprites"
    )
    parser.add_argument("--out", type=Path, help="the checkpoint to write [default: the world and its resolution, e.g. shapes32.pkl]")
    parser.add_argument("--kimg", type=float, default=700, help="thousands of pictures to train on")
    parser.add_argument("--resolution", type=int, help="that of the pictures [default: the world's]")
    parser.add_argument("--width", type=int, help="channels at full resolution [default: 32 at 32x32, 8 at 64x64]")
    parser.add_argument("--most", type=int, help="channels at low resolutions; they double with every halving up to this [default: 32, 64]")
    parser.add_argument("--latent", type=int, default=64, help="z and w dimensions")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.0025)
    parser.add_argument("--lr-end", type=float, default=0.0002, help="the rate falls to this by a cosine over the run")
    parser.add_argument(
        "--gamma", type=float, default=1.0, help="weight of R1; at 0.1 a third of the samples is clean where at 1 nine tenths are"
    )
    parser.add_argument("--penalty", choices=list(PENALTIES), help="train with this penalty on the images as functions of z")
    parser.add_argument("--penalty-weight", type=float, default=1.0, help="the OroJaR share is below 1, the Hessian Penalty begins near 80")
    parser.add_argument("--ema-kimg", type=float, default=10, help="half-life of the weight average")
    parser.add_argument("--snapshot", type=float, default=20, help="write state and checkpoint every so many kimg")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    keep_freed_memory()
    world = WORLDS[options.world]
    resolution = options.resolution or world.RESOLUTION
    width, most = (given or usual for given, usual in zip((options.width, options.most), WIDTHS[world.RESOLUTION], strict=True))
    options.out = options.out or Path(f"{options.world}{resolution}.pkl")

    new, write = ARCHITECTURES[options.architecture]
    generator, critic = new(resolution, world.CHANNELS, width, most, options.latent, options.seed)
    average = copy.deepcopy(generator).eval()
    for network in (generator, critic, average):
        network.to(options.device, memory_format=torch.channels_last)  # a sixth less time on a CPU
    # Lazy regularisation: one step in seventeen more is taken, so rates and betas shrink alike (StyleGAN2, appendix B).
    ratio = R1_EVERY / (R1_EVERY + 1)
    adam_g = torch.optim.Adam(generator.parameters(), options.lr, (0.0, 0.99))
    adam_d = torch.optim.Adam(critic.parameters(), options.lr * ratio, (0.0, 0.99**ratio))
    state_file, step = options.out.with_suffix(".state"), 0
    if state_file.exists():
        step = load_state(state_file, (generator, critic, average), (adam_g, adam_d))
        print(f"continuing at {step * options.batch / 1000:.0f} kimg", flush=True)

    steps, started = int(options.kimg * 1000 / options.batch), time.time()
    snapshot = max(1, int(options.snapshot * 1000 / options.batch))
    while step < steps:
        rng = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        torch.manual_seed(options.seed * 1_000_003 + step)  # the noise inputs
        share = (1 + torch.cos(torch.tensor(torch.pi * step / steps, device="cpu")).item()) / 2
        rate = options.lr_end + (options.lr - options.lr_end) * share
        adam_g.param_groups[0]["lr"], adam_d.param_groups[0]["lr"] = rate, rate * ratio
        real = world.render(world.Scenes.sample(options.batch, rng), resolution).to(options.device)
        z = torch.randn(2, options.batch, options.latent, generator=rng).to(options.device)

        w = generator.mapping.w(z[0])
        if options.architecture == "stylegan2":
            generator.mapping.w_avg.lerp_(w.detach().mean(0), 1 - W_AVG_BETA)
        fake = generator.synthesis(generator.mapping.broadcast(w), noise_mode="random")
        critic.requires_grad_(False)
        loss_g = F.softplus(-critic(fake)).mean()
        if options.penalty is not None and step % PENALTY_EVERY == 0:
            loss_g = loss_g + options.penalty_weight * PENALTY_EVERY * penalty_of(options.penalty, generator, z[0], rng)
        adam_g.zero_grad()
        loss_g.backward()
        adam_g.step()

        critic.requires_grad_(True)
        with torch.no_grad():
            fake = generator(z[1], noise_mode="random")
        loss_d = F.softplus(critic(fake)).mean() + F.softplus(-critic(real)).mean()
        if step % R1_EVERY == 0:
            loss_d = loss_d + options.gamma / 2 * R1_EVERY * r1_penalty(critic, real)
        adam_d.zero_grad()
        loss_d.backward()
        adam_d.step()

        step += 1
        seen = step * options.batch
        beta = 0.5 ** (options.batch / min(options.ema_kimg * 1000, max(seen * 0.05, 1)))
        with torch.no_grad():
            for ours, theirs in zip(average.parameters(), generator.parameters(), strict=True):
                ours.lerp_(theirs, 1 - beta)
            for ours, theirs in zip(average.buffers(), generator.buffers(), strict=True):
                ours.copy_(theirs)
        if step % snapshot == 0 or step == steps:
            save_state(state_file, (generator, critic, average), (adam_g, adam_d), step)
            write(average, critic, options.out)
            losses = f"G {loss_g.item():.3f} D {loss_d.item():.3f}  {report(options.world, average, options.device)}"
            print(
                f"{seen / 1000:.0f} kimg  {time.time() - started:.0f} s  {losses}",
                flush=True,
            )


def save_state(path: Path, networks: tuple[nn.Module, ...], optimisers: tuple[torch.optim.Optimizer, ...], step: int) -> None:
    """Everything a continued run needs, in one file written whole."""
    tensors = {f"network{i}.{name}": tensor for i, network in enumerate(networks) for name, tensor in network.state_dict().items()}
    for i, optimiser in enumerate(optimisers):
        for key, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"adam{i}.{key}.{name}": torch.as_tensor(value, device="cpu") for name, value in moments.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(tensors | {"step": torch.tensor(step, device="cpu")}))


def load_state(path: Path, networks: tuple[nn.Module, ...], optimisers: tuple[torch.optim.Optimizer, ...]) -> int:
    """Fill networks and optimisers from the file; the step to continue at."""
    tensors = load_file(path)
    for i, network in enumerate(networks):
        network.load_state_dict(
            {name.removeprefix(f"network{i}."): value for name, value in tensors.items() if name.startswith(f"network{i}.")}
        )
    for i, optimiser in enumerate(optimisers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == f"adam{i}":
                key, _, moment = rest.partition(".")
                state.setdefault(int(key), {})[moment] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(tensors["step"])


if __name__ == "__main__":
    main()
