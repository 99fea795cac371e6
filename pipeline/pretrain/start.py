"""Continues from another run's checkpoint."""

from pathlib import Path

from pipeline.config.stages import StartConfig
from pipeline.models.weights import WeightsError
from pipeline.pretrain.step import TrainState
from pipeline.storage.files import sha256_of_file
from pipeline.training.checkpoint import load_checkpoint


def load_start(start: StartConfig, state: TrainState, *, num_steps: int) -> TrainState:
    """Load another run's checkpoint into a fresh state: networks, moments, the method's state and the step.

    Args:
        start: the file. Its configuration may differ as long as every array fits.
        num_steps: of the run that continues from it.

    Raises:
        WeightsError: not a checkpoint of this project, changed since the experiment was read, arrays that do
            not fit, or a step beyond the end of the run.
    """
    path = Path(start.checkpoint)
    state = load_checkpoint(path, state)
    if start.sha256 not in (None, found := sha256_of_file(path)):
        raise WeightsError(f"{path}: its SHA-256 is {found}, expected {start.sha256}")
    if not 0 <= state.step < num_steps:
        raise WeightsError(f"{path}: is of step {state.step}; the run ends at step {num_steps}")
    return state
