"""The cost of the joint training against training each candidate alone, measured on this machine."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jittor as jt

from pipeline.config.studies import JointTrainingConfig
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.step import initial_state, train_step
from pipeline.search.one_base import own_parameters
from pipeline.search.step import JointState, joint_step

NUM_TIMED = 5  # steps, after one that is not timed: it may compile


def measured_cost(
    state: JointState, batch: Batch, rates: Rates, config: JointTrainingConfig, num_steps: int
) -> dict[str, Any]:
    """Time a joint step and a step of each candidate alone, and count the parameters that each adds.

    The steps change the joint state: it must not be used afterwards.

    Returns:
        "num_steps", "seconds_joint", and "candidates": name -> "seconds_alone", "parameters" (of the head and
        its projection).
    """
    parameters = {
        name: sum(value.numel() for value in own_parameters(networks.student, state.shared).values())
        for name, networks in state.networks.items()
    }
    seconds_joint = _seconds(lambda of: joint_step(of, batch, rates, config), state)
    candidates = {}
    for name, count in parameters.items():
        alone = config.alone[name]

        def step(of: Any, alone: Any = alone) -> tuple:
            return train_step(of, batch, rates, alone)

        candidates[name] = {"seconds_alone": _seconds(step, initial_state(alone)), "parameters": count}
    return {"num_steps": num_steps, "seconds_joint": seconds_joint, "candidates": candidates}


def _seconds(step: Callable[[Any], tuple], state: Any) -> float:
    """Median seconds of a step."""
    durations = []
    for _ in range(1 + NUM_TIMED):
        started = time.perf_counter()
        state, outcome = step(state)
        jt.sync_all(True)
        durations.append(time.perf_counter() - started)
        del outcome
    return median(durations[1:])
