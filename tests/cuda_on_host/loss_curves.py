"""Loss curves of pretraining on the device sources, built for the processor.

python -m tests.cuda_on_host.loss_curves FOLDER --steps 3000 --seeds 0 1 2 3
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.experiment import Experiment
from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.storage.files import new_folder, sha256_of_json, write_json
from tests.cuda_on_host.build import build_on_host
from tests.cuda_on_host.loading import device_sources

NUM_IMAGES = 1024
BATCH = 4
# HSSL with its head on small scenes of photographs. A thread of a block is a fiber, so all of it is small.
EXPERIMENT = {
    "name": "loss-curves",
    "data": {
        "source": "photo-scenes",
        "normalization": "dataset",
        "photo_scenes": {
            "image_size": 16, "num_train": NUM_IMAGES, "num_val": 16, "num_test": 16, "colour": "rgb",
        },
    },
    "backbone": {
        "size": "custom", "image_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 1,
    },
    "auxiliary_head": {"depth": 1, "kernel_size": 3},
    "projection_head": {"hidden_dim": 64, "bottleneck_dim": 16, "num_prototypes": 64},
    "objective": {
        "teacher_temperature": 0.04, "patch_temperature": 0.04,
        "teacher_temperature_warmup_epochs": 0, "patch_temperature_warmup_epochs": 0,
    },
    "regularisation": {"drop_path_rate": 0.1},
    "crops": {"global_size": 16, "num_local": 0},
    "features": {"crop_size": 16, "num_blocks": 1},
    "linear": {"num_blocks": 1},
}  # fmt: skip


def experiment() -> Experiment:
    """The experiment, but for its schedule."""
    return Experiment.model_validate(EXPERIMENT)


def prepared(folder: Path) -> PreparedDataset:
    """The data set in `folder`, drawn if it is not there yet."""
    if not folder.is_dir():
        with new_folder(folder) as partial:
            prepare(experiment().data, partial, num_workers=1)
    return PreparedDataset.open(folder)


def config_of(num_steps: int, seed: int) -> PretrainConfig:
    """HSSL in the schedule of a training of `num_steps` steps: warm-up, and rates that fall to its end."""
    epochs = num_steps * BATCH / NUM_IMAGES
    schedule = {
        "epochs": epochs, "warmup_epochs": epochs / 10, "freeze_last_layer_epochs": 0,
        "batch_size": BATCH, "base_lr": 0.03, "ema_momentum": 0.99,
    }  # fmt: skip
    sections = {**EXPERIMENT, "schedule": schedule}
    return Experiment.model_validate(sections).pretrain_config("hssl", seed=seed)


def loss_curve(config: PretrainConfig, dataset: PreparedDataset, precision: str) -> np.ndarray:
    """Train to the end in this precision.

    Returns:
        (steps,) the loss of each step, float64.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    import jittor as jt

    from pipeline import kernels
    from pipeline.pretrain.training import Pretraining
    from pipeline.ranks.exchange import SINGLE_PROCESS

    kernels.use_precision(precision)
    training = Pretraining(config, dataset, Path(), lambda epoch, state: None, None, SINGLE_PROCESS)
    state, losses = training.first_state(), []
    for step in range(training.num_steps):
        state, outcome = training.train_step(state, training.make_batch(step))
        jt.sync_all()
        losses.append(outcome.losses.total.item())
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(f"step {step + 1} in {precision}: the loss is {losses[-1]}")
    return np.array(losses, np.float64)


def windows(curve: np.ndarray, length: int) -> np.ndarray:
    """Means over windows of `length` steps: of one batch each, losses say little."""
    return curve[: len(curve) // length * length].reshape(-1, length).mean(axis=1)


@dataclass(frozen=True)
class Comparison:
    """Curves of bfloat16 beside those of float32, in windows of steps."""

    float32: np.ndarray  # (seeds, windows), at least two seeds
    bfloat16: np.ndarray  # (seeds, windows), of the first seeds of float32's

    @property
    def deviation(self) -> np.ndarray:
        """(windows,) standard deviation of float32 between seeds."""
        return self.float32.std(axis=0, ddof=1)

    @property
    def same_seed(self) -> np.ndarray:
        """(seeds, windows) bfloat16 minus float32 of the same seed, in standard deviations between seeds."""
        return (self.bfloat16 - self.float32[: len(self.bfloat16)]) / self.deviation

    @property
    def spread(self) -> float:
        """Root mean square over windows of `deviation`."""
        return float(np.sqrt(np.mean(self.deviation**2)))

    @property
    def rounding(self) -> float:
        """Root mean square over seeds and windows of bfloat16 minus float32 of the same seed."""
        return float(np.sqrt(np.mean((self.bfloat16 - self.float32[: len(self.bfloat16)]) ** 2)))

    @property
    def outside(self) -> float:
        """Share of bfloat16's values outside the smallest and the largest of float32's seeds."""
        low, high = self.float32.min(axis=0), self.float32.max(axis=0)
        return float(np.mean((self.bfloat16 < low) | (self.bfloat16 > high)))


def main() -> None:
    """Train what FOLDER does not hold yet, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--window", type=int, default=250, help="steps of a window")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3], help="of float32, two or more")
    parser.add_argument(
        "--seeds-of-bfloat16", type=int, default=2, help="how many of them, from the first on"
    )
    chosen = parser.parse_args()

    from pipeline.runtime.start_jittor import start

    start("cpu", threads=1)
    with device_sources():
        dataset = prepared(chosen.folder / "data")
        runs = [("float32", seed) for seed in chosen.seeds]
        runs += [("bfloat16", seed) for seed in chosen.seeds[: chosen.seeds_of_bfloat16]]
        curves = {run: _kept(chosen.folder, dataset, chosen.steps, *run) for run in runs}

    def of(precision: str) -> np.ndarray:
        return np.stack([windows(curves[run], chosen.window) for run in runs if run[0] == precision])

    found = Comparison(of("float32"), of("bfloat16"))
    print(
        "steps to | float32: mean, deviation between seeds | bfloat16 | difference of equal seeds, deviations"
    )
    for index, deviation in enumerate(found.deviation):
        differences = " ".join(f"{value:+.2f}" for value in found.same_seed[:, index])
        print(
            f"{(index + 1) * chosen.window:8d} | {found.float32[:, index].mean():.4f} {deviation:.4f} | "
            f"{found.bfloat16[:, index].mean():.4f} | {differences}"
        )
    print(
        f"root mean squares: bfloat16 - float32 of equal seeds {found.rounding:.4f}, "
        f"float32 between seeds {found.spread:.4f}"
    )
    print(f"outside the range of float32's seeds: {found.outside:.0%} of bfloat16's windows")


def _kept(folder: Path, dataset: PreparedDataset, num_steps: int, precision: str, seed: int) -> np.ndarray:
    config = config_of(num_steps, seed)
    run = sha256_of_json([config.model_dump(mode="json"), dataset.content_digest, build_on_host().name])
    path = folder / f"{precision}-{seed}-{run[:16]}.json"
    if not path.is_file():
        before = time.process_time()
        curve = loss_curve(config, dataset, precision)
        print(f"{precision}, seed {seed}: {time.process_time() - before:.0f} s of processor time", flush=True)
        write_json(path, curve.tolist())
    return np.array(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
