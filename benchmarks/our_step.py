"""The project's own pretraining step, for timing."""

from pathlib import Path

import jittor as jt

from benchmarks.resident import resident_mib
from benchmarks.step_inputs import WEIGHTS, distance_from
from benchmarks.step_profile import profiled
from benchmarks.timed_step import TimedStep
from pipeline import kernels
from pipeline.models.weights import named_arrays
from pipeline.pretrain.step import TrainState, initial_state, train_step
from pipeline.pretrain.upload import uploaded
from pipeline.weights.arrays import write_arrays


class OurStep(TimedStep):
    """Steps of `pipeline.pretrain.step`.

    Args:
        parameters: as of `TimedStep`; `checked`, number of first steps that are compared with the other
            program; `kernels`, "fused" or "plain".
        folder: the initial weights are written here for the other program.
    """

    def __init__(self, parameters: dict, folder: Path):
        self.extra = {"start_mib": resident_mib()}
        super().__init__(parameters)
        kernels.use(parameters.get("kernels", "fused"))
        kernels.use_precision(self.config.schedule.precision)
        # On a GPU the crops are uploaded before the step: the row `load` measures loading.
        put = uploaded if jt.flags.use_cuda else lambda batch: batch
        self.batches = [put(batch) for batch in self.batches]
        self.state = initial_state(self.config)
        write_arrays(folder / WEIGHTS, named_arrays(self.state.student), {})
        self.check = {}
        for step in range(parameters.get("checked", 2)):
            self.check[f"loss of step {step + 1}"] = self._step().item()
        for name, network in (("student", self.state.student), ("teacher", self.state.teacher)):
            arrays = ((key, parameter.numpy()) for key, parameter in network.named_parameters())
            self.check[f"{name}'s distance"] = distance_from(folder / WEIGHTS, arrays)

    def report(self) -> list[dict]:
        """The slowest operators of a step."""
        return profiled(self._step, count=12)

    def _wait(self) -> None:
        jt.sync_all(True)

    def _step(self) -> jt.Var:
        batch = self.batches[self.state.step % len(self.batches)]
        self.state: TrainState
        self.state, outcome = train_step(self.state, batch, self.rates, self.config)
        jt.sync_all()
        return outcome.losses.total
