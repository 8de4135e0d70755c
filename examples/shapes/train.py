"""Train a StyleGAN2 on the shapes world, on our own networks: non-saturating loss, lazy R1, EMA of the weights.

    python examples/shapes/train.py --out shapes32.pkl

The defaults made the bundled checkpoint, in 51 minutes on one thread.  Interrupted, the same command continues where the state file
beside the output was written last (every `--snapshot` kimg).  The recipe is that of Karras et al. 2020 (arXiv 1912.04958) without
path-length regularisation and style mixing: Adam (0, 0.99), R1 every 16 steps.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from cleanness import clean
from disentanglement import measure_factors
from safetensors.torch import load_file, save
from torch import Tensor, nn
from world import Scenes, render

from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.files import write_bytes
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.critic.network import Critic
from orojar_cli.generators.families import empty_network
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.primitives import FullyConnected
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan2.network import StyleGAN2

TAPS = (0.125, 0.375, 0.375, 0.125)
R1_EVERY, W_AVG_BETA = 16, 0.995


def new_networks(resolution: int, width: int, latent: int, seed: int) -> tuple[StyleGAN2, Critic]:
    """A generator and a critic with `width` channels everywhere, initialised as the paper says."""
    base = width * resolution
    blocks = resolution.bit_length() - 2
    mapping = MappingConfig(latent, 0, latent, num_ws=2 * blocks, num_layers=4)
    synthesis = SynthesisConfig(latent, resolution, 3, base, width, resample_filter=TAPS)
    torch.manual_seed(seed)
    generator = empty_network(StyleGAN2Config(mapping, synthesis)).to_empty(device="cpu")
    critic = empty_network(CriticConfig(0, resolution, 3, base, width, resample_filter=TAPS)).to_empty(device="cpu")
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


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """[] mean squared norm of the critic's gradient at real pictures (Mescheder et al. 2018)."""
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def report(average: StyleGAN2, device: str) -> str:
    """How many of 1,000 samples are clean, and the factors' standard deviations against the data's."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        images = torch.cat([average(torch.randn(250, average.z_dim, generator=rng).to(device)).cpu() for _ in range(4)])
    data = measure_factors(render(Scenes.sample(4000, rng), average.img_resolution)).std(0)
    ratios = " ".join(f"{ratio:.3f}" for ratio in (measure_factors(images).std(0) / data).tolist())
    return f"clean {clean(images).mean():.3f}  factor std against the data's {ratios}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("shapes32.pkl"), help="the checkpoint to write")
    parser.add_argument("--kimg", type=float, default=700, help="thousands of pictures to train on")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--width", type=int, default=32, help="channels of every layer")
    parser.add_argument("--latent", type=int, default=64, help="z and w dimensions")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.0025)
    parser.add_argument("--lr-end", type=float, default=0.0002, help="the rate falls to this by a cosine over the run")
    parser.add_argument(
        "--gamma", type=float, default=1.0, help="weight of R1; at 0.1 a third of the samples is clean where at 1 nine tenths are"
    )
    parser.add_argument("--ema-kimg", type=float, default=10, help="half-life of the weight average")
    parser.add_argument("--snapshot", type=float, default=20, help="write state and checkpoint every so many kimg")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    generator, critic = new_networks(options.resolution, options.width, options.latent, options.seed)
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
        real = render(Scenes.sample(options.batch, rng), options.resolution).to(options.device)
        z = torch.randn(2, options.batch, options.latent, generator=rng).to(options.device)

        w = generator.mapping.w(z[0])
        generator.mapping.w_avg.lerp_(w.detach().mean(0), 1 - W_AVG_BETA)
        fake = generator.synthesis(generator.mapping.broadcast(w), noise_mode="random")
        critic.requires_grad_(False)
        loss_g = F.softplus(-critic(fake)).mean()
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
            write_pickle(SimpleNamespace(generator=average, critic=critic), options.out)
            losses = f"G {loss_g.item():.3f} D {loss_d.item():.3f}"
            print(f"{seen / 1000:.0f} kimg  {time.time() - started:.0f} s  {losses}  {report(average, options.device)}", flush=True)


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
