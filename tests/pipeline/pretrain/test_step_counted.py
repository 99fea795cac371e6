"""Pretraining on the CUDA path, counted: Jittor, our kernels and Jittor's operators as nvcc compiles them.

Only the driver and NVIDIA's libraries are not real (tests/cuda_counting): they count launches, copies, waits
and memory. No kernel runs, so no number that is computed here means anything, and no card is needed.
"""

import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from benchmarks.step_sizes import step_config
from pipeline.config.data import DataConfig
from pipeline.config.reading import read_experiment
from pipeline.config.stages import PretrainConfig
from pipeline.datasets.preparing import prepare
from pipeline.storage.files import write_json
from tests.cuda_counting.build import counting_toolkit
from tests.cuda_counting.counted_library import Counts
from tests.cuda_counting.counted_training import Job, Step, read_steps
from tests.cuda_toolkit import toolkit_13

pytestmark = pytest.mark.counted

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 64  # of a batch
LOG_EVERY_STEPS = 50  # as quickstart does
FIRST_QUIET = 2  # steps 0 and 1 compile, and step 0 is logged
MOST_LAUNCHES = 900  # of a ViT-S/16 step with head, products among them
MOST_BYTES = {"vit-small": 5.5e9, "vit-base": 11.2e9}  # measured: 5.21e9 and 10.84e9
# 0.35 of what a step of ViT-S/16 took on Jittor's own operators: 0.14 to 0.21 s (docs/gpu.md).
MOST_HOST_SECONDS = 0.35 * 0.14


@dataclass(frozen=True)
class Run:
    """A counted pretraining."""

    steps: list[Step]

    @cached_property
    def quiet(self) -> list[Counts]:
        """What each step between the logged ones added; of live and pinned bytes, how they grew."""
        return [after.counts.since(before.counts) for before, after in self._pairs]

    @property
    def _pairs(self) -> list[tuple[Step, Step]]:
        """Where each of these steps began, and the next."""
        numbers = range(FIRST_QUIET, len(self.steps) - 1)
        return [
            (self.steps[number], self.steps[number + 1])
            for number in numbers
            if (number + 1) % LOG_EVERY_STEPS != 0
        ]

    @property
    def host_seconds(self) -> list[float]:
        """Processor time of the training thread for each of them."""
        return [after.thread_seconds - before.thread_seconds for before, after in self._pairs]

    @property
    def bytes_beside_images(self) -> list[int]:
        """What was uploaded in each of them, without what the loader handed over."""
        handed_over = [before.image_bytes for before, _ in self._pairs]
        return [step.uploaded_bytes - images for step, images in zip(self.quiet, handed_over, strict=True)]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Call it with a name; each is trained once, in a process of its own."""
    tools, runs = counting_toolkit(toolkit_13()), {}

    def counted(name: str) -> Run:
        if name not in runs:
            runs[name] = Run(trained(tools, *CONFIGS[name](), tmp_path_factory.mktemp(name)))
        return runs[name]

    return counted


def of_size(size: str, num_steps: int) -> tuple[PretrainConfig, int]:
    """A training of `num_steps` steps, and the side of its images."""
    config = step_config(size, {"schedule": {"batch_size": IMAGES, "epochs": num_steps}})
    return config.model_copy(update={"monitor": None}), 256


def quickstart(num_steps: int) -> tuple[PretrainConfig, int]:
    config = read_experiment("quickstart").pretrain_config("hssl", seed=0)
    assert config.schedule.batch_size == IMAGES
    schedule = config.schedule.model_copy(update={"epochs": num_steps})
    return config.model_copy(update={"monitor": None, "schedule": schedule}), 32


CONFIGS = {
    "quickstart": lambda: quickstart(2000),
    "vit-small": lambda: of_size("vit-small", 12),
    "vit-base": lambda: of_size("vit-base", 4),
}


def counted_job(tools, config: PretrainConfig, side: int, folder: Path) -> Job:
    """A training on images that are drawn at random, prepared in `folder`."""
    rng = np.random.default_rng(0)
    images = {
        f"{split}_images": rng.integers(0, 256, (count, side, side, 3), np.uint8)
        for split, count in (("train", IMAGES), ("val", 8), ("test", 8))
    }
    np.savez(folder / "images.npz", **images)
    for name in ("prepared", "output"):
        (folder / name).mkdir()
    prepare(DataConfig(source=str(folder / "images.npz")), folder / "prepared", num_workers=1)
    return Job(
        library=str(tools.library),
        config=config.model_dump(mode="json"),
        data=str(folder / "prepared"),
        output=str(folder / "output"),
        log_every_steps=LOG_EVERY_STEPS,
    )


def trained(tools, config: PretrainConfig, side: int, folder: Path) -> list[Step]:
    job = counted_job(tools, config, side, folder)
    write_json(folder / "job.json", asdict(job))
    command = [sys.executable, "-m", "tests.cuda_counting.counted_training", str(folder / "job.json")]
    done = subprocess.run(command, cwd=ROOT, env=tools.environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return read_steps(folder / "output")


@pytest.mark.parametrize("name", ["quickstart", "vit-small"])
def test_nobody_waits_between_logged_steps(counted, name):
    """An operator on the processor would download its inputs, and wait twice."""
    quiet = counted(name).quiet
    assert len(quiet) > 5
    assert {step.waits for step in quiet} == {0}
    assert {step.downloads for step in quiet} == {0}


@pytest.mark.parametrize("name", ["quickstart", "vit-small"])
def test_the_images_are_uploaded_once_as_8_bit_numbers(counted, name):
    """Beside them go masks, and numbers of rows and of stochastic depth."""
    run = counted(name)
    beside = run.bytes_beside_images
    assert min(beside) > 0
    assert max(beside) < 0.05 * run.steps[-1].image_bytes


def test_launches_of_a_vit_small_step(counted):
    launches = [step.launches + step.products for step in counted("vit-small").quiet]
    assert 300 < max(launches) <= MOST_LAUNCHES


@pytest.mark.parametrize("name", ["vit-small", "vit-base"])
def test_memory_of_the_device(counted, name):
    peak = counted(name).steps[-1].counts.peak_bytes
    assert 1e9 < peak <= MOST_BYTES[name]


def test_memory_does_not_grow(counted):
    """Over 2,000 steps, from where all sizes of a step have come by."""
    counts = [step.counts for step in counted("quickstart").steps]
    early, late = counts[len(counts) // 2], counts[-1]
    assert late.peak_bytes == early.peak_bytes
    assert late.live_bytes == early.live_bytes
    assert late.pinned_bytes == early.pinned_bytes


def test_host_time_of_a_vit_small_step(counted, capsys):
    seconds = counted("vit-small").host_seconds
    with capsys.disabled():
        print(f"\nhost time of a ViT-S/16 step: {min(seconds):.3f} to {max(seconds):.3f} s")
    assert min(seconds) <= MOST_HOST_SECONDS
