"""Losses of HSSL with products of bfloat16, beside those of float32: the same seeds, images and crops."""

import time
from pathlib import Path

import numpy as np

from pipeline import kernels
from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.optim.schedules import Schedule
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.pretrain.step import initial_state, train_step

PRECISIONS = ("float32", "bfloat16")


class RoundedLosses:
    """A repeat trains a small network to the end of its schedule, for each seed in each precision.

    The network, crops and rates are those of `quickstart`, but for the width, the head and the batch.

    Args:
        parameters: `steps` of a training; `seeds`, number of them; `batch`, images in a step; `images` of
            `photo-scenes` to train on; `windows`, number of means that a curve is made of.
    """

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        self._windows, self._seeds = parameters.get("windows", 30), parameters.get("seeds", 3)
        self._experiment = small_experiment(
            steps=parameters.get("steps", 3000),
            batch=parameters.get("batch", 16),
            images=parameters.get("images", 2000),
        )
        prepare(self._experiment.data, folder / "images", num_workers=1)
        self._dataset = PreparedDataset.open(folder / "images")
        self.curves: dict[str, list[np.ndarray]] = {}
        self.check: dict[str, float] = {}

    def repeat(self) -> float:
        started = time.perf_counter()
        self.curves = {precision: [] for precision in PRECISIONS}
        for seed in range(self._seeds):
            for precision in PRECISIONS:
                curve = window_means(self._losses(seed, precision), self._windows)
                self.curves[precision].append(curve)
                print(f"seed {seed}, {precision}: {' '.join(f'{value:.3f}' for value in curve)}", flush=True)
        return time.perf_counter() - started

    def report(self) -> dict[str, float]:
        """See `compared`."""
        return compared(*(np.array(self.curves[precision]) for precision in PRECISIONS))

    def _losses(self, seed: int, precision: str) -> np.ndarray:
        """(steps,) total loss of each step."""
        changed = self._experiment.schedule.model_copy(update={"precision": precision})
        config = self._experiment.pretrain_config("hssl", seed).model_copy(update={"schedule": changed})
        kernels.use_precision(precision)
        batches = BatchMaker(config, self._dataset)
        schedule = Schedule(config.schedule, config.objective, len(self._dataset.indices("train")))
        state, losses = initial_state(config), []
        for step in range(schedule.num_steps):
            state, outcome = train_step(state, batches(step), schedule.at(step), config)
            losses.append(outcome.losses.total.item())
        kernels.use_precision("float32")
        return np.array(losses)


def small_experiment(*, steps: int, batch: int, images: int) -> Experiment:
    """`quickstart` with half the width, two blocks and a smaller head, for so many steps."""
    return read_experiment(
        "quickstart",
        {
            "data.photo_scenes.num_train": images,
            "data.photo_scenes.num_val": 100,
            "data.photo_scenes.num_test": 100,
            "backbone.embed_dim": 48,
            "backbone.depth": 2,
            "features.num_blocks": 2,
            "linear.num_blocks": 2,
            "auxiliary_head.depth": 2,
            "projection_head.hidden_dim": 128,
            "projection_head.bottleneck_dim": 32,
            "projection_head.num_prototypes": 128,
            "schedule.batch_size": batch,
            "schedule.epochs": steps * batch / images,
        },
    )


def window_means(losses: np.ndarray, windows: int) -> np.ndarray:
    """(windows,) mean loss of as many parts of a training, of equal length but for one step."""
    return np.array([part.mean() for part in np.array_split(losses, windows)])


def compared(exact: np.ndarray, rounded: np.ndarray) -> dict[str, float]:
    """How far the curves (seeds, windows) of the rounded trainings lie from those of the exact ones.

    Returns:
        `bias`: mean of rounded - exact; `by rounding`: root mean square of rounded - exact of the same seed;
        `by seed`: the same between two seeds, both exact; `windows outside`: the share of windows in which
        the mean over seeds of the rounded ones is not between the least and the largest exact one.
    """
    apart = rounded - exact
    pairs = [(i, j) for i in range(len(exact)) for j in range(i)]
    mean = rounded.mean(axis=0)
    inside = (exact.min(axis=0) <= mean) & (mean <= exact.max(axis=0))
    return {
        "bias": float(apart.mean()),
        "by rounding": float(np.sqrt(np.mean(apart**2))),
        "by seed": float(np.sqrt(np.mean([(exact[i] - exact[j]) ** 2 for i, j in pairs]))),
        "windows outside": float(1 - inside.mean()),
    }
