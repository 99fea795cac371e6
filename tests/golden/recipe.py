"""Inputs of the golden cases, by NumPy from fixed seeds, for the tests and for `tests.golden.write`.

They depend on no initial value and no schedule of the project, so that neither changes a golden number; only
names and shapes of parameters, and stochastic depth, are the project's own.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.doctor.answers.fixed_training import drawn
from tests.pipeline.pretrain.small_run import (
    SMALL_METHODS,
    a_batch,
    a_batch_of_method,
    config_of_method,
    small_config,
)

NUM_STEPS = 3
SMALL = {"size": "custom", "image_size": 24, "patch_size": 6, "embed_dim": 24, "depth": 1, "num_heads": 3}


def config_of(case):
    """The configuration of case "hssl", "ibot", "<method>", "<method> with head"."""
    if case in ("hssl", "ibot"):
        return small_config() if case == "hssl" else small_config(auxiliary_head=None)
    method, head = case.split()[0], "with head" in case
    changes = {"backbone": SMALL, "regularisation": {"drop_path_rate": 0.0}}
    if head:
        changes["auxiliary_head"] = {"depth": 2, "kernel_size": 3}
    return config_of_method(method, head=head, **changes)


IBOT_CASES = ("hssl", "ibot")
METHOD_CASES = tuple(f"{name}{head}" for name in SMALL_METHODS for head in ("", " with head"))


@dataclass(frozen=True)
class Inputs:
    """Initial state and inputs of three steps."""

    student: dict[str, np.ndarray]  # name -> float32
    teacher: dict[str, np.ndarray] | None
    batches: list
    rates: list
    drop_paths: list[dict[str, np.ndarray]]

    def groups(self):
        """The inputs as a few numbers, to notice a file written for other inputs."""
        networks = {"student": self.student, "teacher": self.teacher or {}}
        crops = [batch.global_crops for batch in self.batches] + [batch.local_crops for batch in self.batches]
        return {
            "inputs": {
                **{f"{name} weights": joined(arrays.values()) for name, arrays in networks.items() if arrays},
                "crops": joined(crops),
                "masks": joined(batch.masks for batch in self.batches),
                "stochastic depth": joined(a for drawn in self.drop_paths for a in drawn.values()),
            }
        }


def joined(arrays) -> np.ndarray:
    return np.concatenate([np.ravel(array).astype(np.float64) for array in arrays])


def rates_of(config, step):
    from pipeline.optim.schedules import Rates

    # A batch norm over few images amplifies rounding in Adam's steps, so its methods get small rates.
    share = 1.0 if config.method.name == "ibot" else 0.1
    return Rates(
        lr=share * (0.004, 0.003, 0.005)[step],
        weight_decay=(0.04, 0.1, 0.4)[step],
        ema_momentum=(0.9, 0.95, 0.99)[step],
        teacher_temperature=(0.04, 0.05, 0.07)[step],
        patch_temperature=(0.04, 0.06, 0.07)[step],
        last_layer_frozen=False,
    )


def inputs_of(config, state) -> Inputs:
    """Inputs for the networks of `state`, of which only names and shapes are used."""
    from pipeline.pretrain.drop_path_masks import draw_drop_path

    student = {name: drawn(name, tuple(p.shape)) for name, p in state.student.named_parameters()}
    teacher = None
    if state.teacher is not None:
        shapes = {name: tuple(p.shape) for name, p in state.teacher.named_parameters()}
        apart = {name: 0.4 * drawn(name.replace("norm", ""), shape, 1) for name, shape in shapes.items()}
        teacher = {name: student[name] + away.astype(np.float32) for name, away in apart.items()}
    # With this seed, no entry's first gradient is at the level of rounding: Adam steps by its sign.
    rng = np.random.default_rng(5)
    if config.method.name == "ibot":
        batches = [a_batch(config, rng) for _ in range(NUM_STEPS)]
    else:  # more images, because a batch norm over few amplifies rounding
        batches = [a_batch_of_method(config, rng, num_images=8) for _ in range(NUM_STEPS)]
    drop_paths = [draw_drop_path(config, batch, step) for step, batch in enumerate(batches)]
    return Inputs(
        student, teacher, batches, [rates_of(config, step) for step in range(NUM_STEPS)], drop_paths
    )


def groups_of_steps(inputs, outcomes, student, teacher):
    """The results of either program under the same names.

    Args:
        outcomes: of each step, (terms, gradients, centres), arrays and numbers by name.
        student: the weights after the steps; likewise the teacher, or None.
    """
    from tests.pipeline.pretrain.small_run import without_key_bias

    groups = inputs.groups()
    for step, (terms, gradients, centers) in enumerate(outcomes):
        groups[f"losses of step {step}"] = terms
        if centers:
            groups[f"centres of step {step}"] = centers
        if step < NUM_STEPS - 1:
            groups[f"gradients of step {step}"] = {
                name: without_key_bias(name, np.asarray(g)) for name, g in gradients.items()
            }
    change = {
        name: without_key_bias(name, np.asarray(value, np.float64) - inputs.student[name])
        for name, value in student.items()
    }
    groups["weights, change"] = change
    if teacher is not None:
        groups["teacher, change"] = {
            "all": joined(
                without_key_bias(name, np.asarray(value, np.float64) - inputs.teacher[name])
                for name, value in teacher.items()
            )
        }
    return groups
