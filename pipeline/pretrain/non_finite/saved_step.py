"""Saves a step's state and batch in files: safetensors, and JSON with further facts.

They are beside the checkpoints of a training, under names that make them no outputs of the stage.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.pretrain.batch import Batch
from pipeline.storage.files import read_json, write_json
from pipeline.training.checkpoint_files import write_checkpoint
from pipeline.weights.arrays import read_arrays, write_arrays
from pipeline.weights.error import WeightsError

_FOLDER = "checkpoint-non-finite"
_BATCH = ("global_crops", "local_crops", "masks")


class SavedStep(NamedTuple):
    """The files of one step, which is counted from 1 as in the log."""

    folder: Path
    step: int

    @property
    def about(self) -> Path:
        """JSON for people: images, losses, the first tensor that is not finite."""
        return self.folder / f"step{self.step}.json"

    @property
    def state(self) -> Path:
        """The training's state before the step, in the format of a checkpoint."""
        return self.folder / f"step{self.step}-state.safetensors"

    @property
    def batch(self) -> Path:
        """The input of the step: crops and masks, or images and targets."""
        return self.folder / f"step{self.step}-batch.safetensors"


def saved_step(output: Path, step: int) -> SavedStep:
    """The files of a step of the training in `output`, whether they exist or not."""
    return SavedStep(output / _FOLDER, step)


def saved_steps(output: Path) -> list[int]:
    """The saved steps of the training in `output`."""
    names = [path.stem.removeprefix("step") for path in (output / _FOLDER).glob("step*.json")]
    return sorted(int(name) for name in names if name.isdecimal())


def write_step(
    place: SavedStep,
    state: tuple[Mapping[str, np.ndarray], Mapping[str, Any]],
    batch: Mapping[str, np.ndarray],
) -> None:
    """Write state and batch; `write_about` must follow, with further facts about the step.

    Args:
        state: arrays and metadata of a checkpoint.
        batch: its arrays.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(place.state, *state)
    write_arrays(place.batch, dict(batch), {"step": place.step})


def batch_arrays(batch: Batch) -> dict[str, np.ndarray]:
    """Crops, which may be variables, and masks."""
    arrays = {name: getattr(batch, name) for name in _BATCH}
    return {name: each if isinstance(each, np.ndarray) else each.numpy() for name, each in arrays.items()}


def write_about(place: SavedStep, about: Mapping[str, Any]) -> None:
    """Write the facts about the step; with these it counts as saved."""
    write_json(place.about, {"step": place.step, **about})


def read_about(place: SavedStep) -> dict[str, Any]:
    """What `write_about` wrote."""
    return read_json(place.about)


def read_batch(place: SavedStep) -> dict[str, np.ndarray]:
    """The arrays of the step's batch.

    Raises:
        WeightsError: there is no complete file.
    """
    return read_arrays(place.batch)[0]


def batch_of(arrays: Mapping[str, np.ndarray]) -> Batch:
    """A pretraining's batch from its arrays.

    Raises:
        WeightsError: these are other arrays.
    """
    if arrays.keys() != set(_BATCH):
        raise WeightsError(f"a batch of crops has the arrays {sorted(_BATCH)}, found {sorted(arrays)}")
    return Batch(**arrays)
