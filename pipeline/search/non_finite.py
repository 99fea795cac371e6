"""Traces a non-finite loss of a joint training back to the step and tensor where it began."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jittor as jt

from pipeline.config.studies import JointTrainingConfig
from pipeline.pretrain.drop_path_masks import microbatch_drop_path
from pipeline.pretrain.methods.method import method_of
from pipeline.pretrain.non_finite.first_step import PretrainingSteps, explained
from pipeline.pretrain.non_finite.step_check import StepCheck, check_training_step
from pipeline.ranks.exchange import SINGLE_PROCESS
from pipeline.search import step as steps


class JointSteps(PretrainingSteps):
    """The steps of a joint training; its batches are those of a pretraining."""

    def __init__(self, training: Any, config: JointTrainingConfig):
        super().__init__(training, config.pretrain)
        self._joint = config

    def check(self, state: steps.JointState, batch: Any) -> StepCheck:
        config, rates = self._joint, self.training.schedule.at(state.step)
        count, methods = config.pretrain.schedule.accumulation_steps, self._methods()
        drop_path = steps.drawn_drop_path(config, batch, state.step, SINGLE_PROCESS)

        def forward(index: int) -> tuple[jt.Var, dict[str, jt.Var]]:
            masks = {name: microbatch_drop_path(each, index, count) for name, each in drop_path.items()}
            output = steps.joint_forward(state, methods, batch.microbatch(index, count), masks, rates)
            losses = {name: each.losses for name, each in output.of_candidate.items()}
            return output.total, steps.JointOutcome(losses, None).logged_losses

        return check_training_step(
            state,
            self.arrays(batch),
            networks=_parts(state),
            trained={f"student/{name}": each for name, each in state.students.items()},
            num_microbatches=count,
            forward=forward,
            step=lambda: steps.joint_step(state, batch, rates, config)[0],
        )

    def _methods(self) -> dict[str, Any]:
        return {name: method_of(self._joint.alone[name]) for name in self._joint.candidates}


def explanation(
    training: Any,
    config: JointTrainingConfig,
    state: Any,
    step: int,
    output: Path,
    say: Callable[[str], None],
) -> str:
    """`pipeline.pretrain.non_finite.first_step.explained` of a joint training."""
    return explained(JointSteps(training, config), state, step, output, say)


def _parts(state: steps.JointState) -> dict[str, Any]:
    """Every candidate's networks, by their names in messages."""
    students = {f"{name}/student": own.student for name, own in state.networks.items()}
    return students | {f"{name}/teacher": own.teacher for name, own in state.networks.items()}
