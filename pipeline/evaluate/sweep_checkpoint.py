"""Saves the state of a linear sweep during training, so that a killed one can be resumed."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.checkpoint_files import delete_checkpoints, newest_intact, write_newest
from pipeline.training.end_warning import EndWarning
from pipeline.weights.error import WeightsError


class SweepCheckpoint:
    """A `Checkpointer` that writes to a folder every few minutes, and when the process is about to be killed.

    Args:
        run: digest of everything that affects the result; a checkpoint with another digest is refused.
        minutes: between two checkpoints.
        say: called with a line on where the sweep resumes, or on a damaged checkpoint.
        restored: called with the number of batches done, if there is a checkpoint.
        ranks: that train together, each with the whole state. All read the checkpoint; the first writes it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        minutes: float,
        say: Callable[[str], None],
        restored: Callable[[int], None],
        ranks: Ranks = SINGLE_PROCESS,
    ):
        self._folder, self._run, self._minutes = folder, run, minutes
        self._say, self._restored, self._ranks = say, restored, ranks
        self._saved = time.monotonic()
        self._warning = EndWarning()

    def restore(self, state: Mapping[str, np.ndarray]) -> int:
        """Fill the arrays of the newest intact checkpoint into `state`; return the number of batches done.

        Raises:
            WeightsError: the checkpoint belongs to another run, or has other arrays.
        """
        with self._ranks.first_before_others():  # it moves damaged files out of the way
            saved = newest_intact(self._folder, self._say)
        if saved is None:
            return 0
        done = saved.metadata["step"]
        shapes = {name: (array.shape, array.dtype) for name, array in saved.arrays.items()}
        expected = {name: (array.shape, array.dtype) for name, array in state.items()}
        if saved.metadata["run"] != self._run or shapes != expected or type(done) is not int:
            raise WeightsError(f"{saved.path}: belongs to another configuration; delete it to start afresh")
        for name, array in state.items():
            array[...] = saved.arrays[name]
        self._say(f"goes on after batch {done}")
        self._restored(done)
        return done

    def save(self, state: Mapping[str, np.ndarray], num_batches: int) -> None:
        """Write a checkpoint if it is time; end the process if it has been warned."""
        now, ends = time.monotonic(), self._ranks.broadcast_decision(self._warning.given)
        if self._ranks.is_first and (ends or now - self._saved >= 60 * self._minutes):
            write_newest(self._folder, state, {"step": num_batches, "run": self._run})
            self._saved = now
        if ends:
            self._warning.end()

    def finish(self) -> None:
        """Delete the checkpoints, once the results of the sweep are written."""
        self._warning.close()
        delete_checkpoints(self._folder)
