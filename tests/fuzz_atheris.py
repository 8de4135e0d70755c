"""A coverage-guided search for files that crash, hang or flood the checkpoint reader.

    pip install -e '.[test,fuzz]'
    OMP_NUM_THREADS=1 nice -n 10 python tests/fuzz_atheris.py [SECONDS] [FOLDER]

Starts from the references, a small file of every container and family, and the hostile files of tests/checkpoint, and lets
libFuzzer (through atheris) change them towards branches of the reader not seen yet.  Each file is read completely: networks,
facts, tensors, generator and critic.  A finding is anything but success or one of orojar's own errors, a file that takes more than
`SECONDS_PER_FILE`, and one that takes more than `MEMORY` beyond its own size; its bytes are kept in FOLDER (default: the current
one) as `finding-NUMBER.bin` and the search goes on.  The exit code is 1 with findings.  libFuzzer's lines tell the number of
executions and the coverage.  Without atheris, fuzz_reader.py searches blindly.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

import atheris
import torch

HERE = Path(__file__).parent
sys.path += [str(HERE), *(str(HERE / folder) for folder in ("checkpoint", "generators"))]

# Only the reader guides the search: torch is loaded already and stays as it is.
with atheris.instrument_imports(include=["orojar_cli.checkpoint", "orojar_cli.generators"]):
    import fuzz_reader
    import pickle_assembler
    import test_dcgan
    import test_progan
    import test_state_dict
    import test_tensorflow
    from hostile_files import CASES

    from orojar_cli import load_checkpoint, save_checkpoint

SECONDS_PER_FILE = 5.0
MEMORY = 64 << 20
# Larger files hold nothing that smaller ones lack, and take long under instrumentation.
_LARGEST, _LARGEST_HOSTILE = 200_000, 4_000
# What libFuzzer cannot guess: the names that networks use.
_WORDS = (
    "torch_utils.persistence\n_reconstruct_persistent_obj\n",
    "torch._utils\n_rebuild_tensor_v2\n",
    "torch._utils\n_rebuild_parameter\n",
    "torch.storage\n_load_from_bytes\n",
    "collections\nOrderedDict\n",
    "builtins\nset\n",
    "numpy\ndtype\n",
    "numpy\nndarray\n",
    "numpy.core.multiarray\nscalar\n",
    "numpy._core.multiarray\n_reconstruct\n",
    "dnnlib.util\nEasyDict\n",
    "dnnlib.tflib.network\nNetwork\n",
    "torch\nFloatStorage\n",
    "torch\nLongStorage\n",
    "argparse\nNamespace\n",
    *("G_ema", "D", "g_ema", "netG", "latent_avg", "storage", "SynthesisBlock", "SynthesisInput", "Generator", "MappingNetwork"),
    *(
        "_parameters",
        "_buffers",
        "_modules",
        "_init_args",
        "_init_kwargs",
        "img_resolution",
        "z_dim",
        "c_dim",
        "num_layers",
        "architecture",
    ),
    *(
        "static_kwargs",
        "components",
        "variables",
        "build_func_name",
        "resample_kernel",
        "label_size",
        "ToRGB_lod0",
        "noise0",
        "architecture",
    ),
    *("formatLayer.module.weight", "toRGBLayers.0.module.weight", "scaleLayers.0.0.module.weight", "input.input", "style.1.weight"),
    *(
        "__metadata__",
        "data_offsets",
        "shape",
        "F32",
        "orojar-1",
        "channels",
        "norms",
        "biases",
        "family",
        "ProGAN",
        "DCGAN",
        "SimpleGAN",
        "StyleGAN3",
    ),
    *("config", "models.utils.config", "BaseConfig", "lossCriterion", "attribKeysOrder", "alpha", "G_paper", "lod"),
)


def write_seeds(folder: Path) -> None:
    """The files the search starts from, one of every kind."""
    for path in fuzz_reader.reference_files():
        if path.stat().st_size < _LARGEST:
            (folder / path.name).write_bytes(path.read_bytes())
    for protocol in (3, 4):
        pickle_assembler.write(folder / f"small{protocol}.pkl", {"G_ema": pickle_assembler.generator().call}, protocol)
        pickle_assembler.write(folder / f"whole{protocol}.pkl", pickle_assembler.checkpoint(), protocol)
    (folder / "tensorflow.pkl").write_bytes(test_tensorflow.Triple().build())
    for zipped in (True, False):
        test_state_dict.save(folder / f"training-{zipped}.pt", test_state_dict.training_file(), zipped)
        test_state_dict.save(folder / f"small-{zipped}.pt", test_state_dict.layout(test_state_dict.TENSORS), zipped)
    test_progan.saved(folder / "progan.pt")
    test_dcgan.saved(test_dcgan.plain(), folder / "dcgan.pt")
    for name in ("whole4.pkl", "progan.pt", "dcgan.pt", "sg3_r_32.pkl"):
        save_checkpoint(load_checkpoint(folder / name), folder / f"{name}.safetensors")
    for number, case in enumerate(CASES):
        if case.memory == 64 and len(data := case.build(str(folder / "canary"))) < _LARGEST_HOSTILE:
            (folder / f"hostile{number}.pkl").write_bytes(data)


def write_words(path: Path) -> None:
    """libFuzzer's dictionary."""
    words = [word.replace("\n", "\\x0a") for word in _WORDS]
    path.write_text("".join(f'"{word}"\n' for word in words))


class Search:
    """Reads what libFuzzer proposes and keeps what should not have happened, each place once."""

    def __init__(self, scratch: Path, kept: Path) -> None:
        self.path, self.kept = scratch / "case.pkl", kept
        self.places: set[str] = set()
        self.findings = self.executions = 0
        self.status, self.peak = open("/proc/self/status"), os.open("/proc/self/clear_refs", os.O_WRONLY)  # noqa: SIM115

    def memory(self) -> tuple[int, int]:
        """Bytes in use and the most since the last reset."""
        self.status.seek(0)
        numbers = dict(line.split(":", 1) for line in self.status.read().splitlines() if line.startswith(("VmHWM", "VmRSS")))
        return tuple(1024 * int(numbers[name].split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]

    def one(self, data: bytes) -> None:
        """Read one proposal completely."""
        self.executions += 1
        if self.executions % 200 == 0:
            gc.collect()
        self.path.write_bytes(data)
        os.write(self.peak, b"5")
        used, began, place, what = self.memory()[0], time.monotonic(), "", ""
        try:
            fuzz_reader.examine(self.path)
        except Exception as error:
            place = str(traceback.extract_tb(error.__traceback__)[-1])
            what = traceback.format_exc()
        seconds, taken = time.monotonic() - began, self.memory()[1] - used
        if seconds > SECONDS_PER_FILE:
            place, what = place or "time", f"{what}{seconds:.1f} seconds"
        if taken > MEMORY + len(data):
            place, what = place or "memory", f"{what}{taken >> 20} MiB for {len(data)} bytes"
        if place and place not in self.places:
            self.places.add(place)
            self.findings += 1
            (self.kept / f"finding-{self.findings}.bin").write_bytes(data)
            print(f"finding {self.findings}: {what}", flush=True)


class Changes:
    """libFuzzer's own changes, and now and then those of fuzz_reader.py to a whole file, outside the numbers of its tensors."""

    def __init__(self, folder: Path) -> None:
        paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith("hostile")]
        self.whole = [(path.read_bytes(), fuzz_reader.interesting_positions(path)) for path in paths]

    def __call__(self, data: bytes, largest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.6:
            return atheris.Mutate(data, largest)
        if data and rng.random() < 0.5:
            return fuzz_reader.mutate(data, range(len(data)), rng)[:largest]
        return fuzz_reader.mutate(*rng.choice(self.whole), rng)[:largest]


def fuzz(seconds: int, scratch: Path, kept: Path) -> None:
    """Search; does not return, since libFuzzer ends the process."""
    corpus = scratch / "corpus"
    corpus.mkdir()
    write_seeds(corpus)
    write_words(scratch / "words")
    options = [f"-max_total_time={seconds}", "-print_final_stats=1", "-timeout=60", "-rss_limit_mb=3000", f"-max_len={_LARGEST}"]
    options += ["-entropic_scale_per_exec_time=1", f"-dict={scratch / 'words'}", f"-artifact_prefix={kept}/", str(corpus)]
    atheris.Setup([sys.argv[0], *options], Search(scratch, kept).one, custom_mutator=Changes(corpus))
    atheris.Fuzz()


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    kept = Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    kept.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        child = os.fork()
        if child == 0:
            fuzz(seconds, Path(name), kept)
        _, status = os.waitpid(child, 0)
    findings = sorted(path.name for path in kept.iterdir() if path.name.startswith(("finding-", "crash-", "timeout-", "oom-")))
    print(f"{len(findings)} findings: {', '.join(findings) or 'none'}")
    sys.exit(1 if findings or status else 0)


if __name__ == "__main__":
    main()
