"""The project's own pretraining step, to be measured."""

import time
from pathlib import Path

import jittor as jt

from benchmarks.resident import resident_mib
from benchmarks.step_inputs import WEIGHTS, step_batches, step_rates, way_from
from benchmarks.step_profile import profiled
from benchmarks.step_sizes import step_config
from pipeline import kernels
from pipeline.models.weights import named_arrays, write_arrays
from pipeline.pretrain.step import TrainState, initial_state, train_step
from pipeline.pretrain.upload import uploaded


class OurStep:
    """Steps of `pipeline.pretrain.step`.

    Args:
        parameters: `size`, a key of STEP_SIZES; `changes`, options that differ; `checked`, first steps that
            are compared with another program; `steps`, in one repeat; `kernels`, "fused" or "plain".
        folder: the first weights are written here for the other program.
    """

    def __init__(self, parameters: dict, folder: Path):
        self.extra = {"start_mib": resident_mib()}
        kernels.use(parameters.get("kernels", "fused"))
        self.config = step_config(parameters["size"], parameters.get("changes"))
        kernels.use_precision(self.config.schedule.precision)
        # On a GPU the crops lie there before the step: how they come there is the loader's row.
        put = uploaded if jt.flags.use_cuda else lambda batch: batch
        self.batches = [put(batch) for batch in step_batches(self.config)]
        self.rates = step_rates(self.config)
        self.steps = parameters.get("steps", 1)
        self.state = initial_state(self.config)
        write_arrays(folder / WEIGHTS, named_arrays(self.state.student), {})
        self.check = {}
        for step in range(parameters.get("checked", 2)):
            self.check[f"loss of step {step + 1}"] = self._step().item()
        for name, network in (("student", self.state.student), ("teacher", self.state.teacher)):
            arrays = ((key, parameter.numpy()) for key, parameter in network.named_parameters())
            self.check[f"{name}'s way"] = way_from(folder / WEIGHTS, arrays)

    def repeat(self) -> float:
        """Seconds of `steps` steps."""
        jt.sync_all(True)
        started = time.perf_counter()
        for _ in range(self.steps):
            self._step()
        jt.sync_all(True)
        return time.perf_counter() - started

    def report(self) -> list[dict]:
        """The operators that take most of a step."""
        return profiled(self._step, count=12)

    def _step(self) -> jt.Var:
        batch = self.batches[self.state.step % len(self.batches)]
        self.state: TrainState
        self.state, outcome = train_step(self.state, batch, self.rates, self.config)
        jt.sync_all()
        return outcome.losses.total
