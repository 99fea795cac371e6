"""A loss on fixed tensors and 20 training steps, compared with PyTorch's in float64.

NumPy draws weights, crops and masks, and rates are constants, so the result depends on no initialisation
and no schedule of the project; it depends on the names and shapes of its parameters and on its stochastic
depth. `python -m tests.golden.write doctor` writes the expected losses.
"""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.doctor.answers.answer import Answer
from pipeline.optim.schedules import Rates

if TYPE_CHECKING:
    from pipeline.pretrain.batch import Batch

NUM_STEPS = 20
NUM_IMAGES = 8
SMALL_NETWORK = {
    "backbone": {
        "size": "custom", "image_size": 24, "patch_size": 6, "embed_dim": 24, "depth": 2, "num_heads": 3,
    },
    "auxiliary_head": {"depth": 3, "kernel_size": 3},
    "projection_head": {"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 19},
}  # fmt: skip
KNOWN = Path(__file__).with_name("known_losses.json")
RATES = Rates(
    lr=5e-4,
    weight_decay=0.1,
    ema_momentum=0.95,
    teacher_temperature=0.05,
    patch_temperature=0.06,
    last_layer_frozen=False,
)
# Of each term. The largest error measured was 4e-7 in the first step and 9e-7 in all, with compiled, plain
# and device kernels: 20 steps are few enough that rounding does not grow. Adam may amplify other rounding.
_LOSS_TOLERANCE = 1e-5
_STEPS_TOLERANCE = 5e-5
_REMEDY = (
    "where a kernel failed too, that is why; else see whether runtime.threads = 1, "
    'runtime.kernels = "plain", another driver or machine gives the same'
)


@dataclass(frozen=True)
class Start:
    """The weights before the first step: name -> float32."""

    student: dict[str, np.ndarray]
    teacher: dict[str, np.ndarray]


def config() -> PretrainConfig:
    """HSSL on a small ViT, with every loss term, local crops and stochastic depth."""
    return PretrainConfig.model_validate(
        {
            **SMALL_NETWORK,
            "objective": {},
            "regularisation": {"drop_path_rate": 0.3},
            "crops": {"global_size": 24, "local_size": 12, "num_local": 2},
            "masks": {},
            "schedule": {"batch_size": NUM_IMAGES, "freeze_last_layer_epochs": 0},
            "normalization": "imagenet",
            "seed": 3,
        }
    )


def drawn(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values of a parameter far from its initial ones, so that no gradient is near 0."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    gain = "norm" in name and name.endswith("weight")
    return (0.13 * rng.normal(size=shape) + 2.0 * gain).astype(np.float32)


def start_of(student: dict[str, tuple[int, ...]], teacher: dict[str, tuple[int, ...]]) -> Start:
    """Weights for parameters of these names and shapes; the teacher's are close to the student's."""
    of_student = {name: drawn(name, shape) for name, shape in student.items()}
    away = {
        name: np.float32(0.4) * drawn(name.replace("norm", ""), shape, 1) for name, shape in teacher.items()
    }
    return Start(of_student, {name: of_student[name] + away[name] for name in teacher})


def batch_of(step: int) -> "Batch":
    """Crops and masks of one step."""
    from pipeline.pretrain.batch import Batch

    rng, sizes = np.random.default_rng((20261128, step)), config().crops
    masks = rng.random((sizes.num_global, NUM_IMAGES, *config().backbone.grid)) < 0.4
    masks[0, 0] = False  # a crop without hidden patches adds 0 to the loss
    crops = [
        rng.normal(size=(views, NUM_IMAGES, 3, side, side)).astype(np.float32)
        for views, side in ((sizes.num_global, sizes.global_size), (sizes.num_local, sizes.local_size))
    ]
    return Batch(*crops, masks)


def training_tests() -> dict[str, Callable[[], Answer]]:
    """The tests of the loss and of the steps; they share one training."""
    losses = cache(trained)
    return {"HSSL loss": lambda: _loss(losses()), f"{NUM_STEPS} training steps": lambda: _steps(losses())}


def trained() -> list[dict[str, float]]:
    """The loss terms of every step, trained with the step function of pretraining."""
    from pipeline import kernels
    from pipeline.models.weights import assign_arrays
    from pipeline.pretrain.step import initial_state, train_step

    precision_of_run = kernels.current_precision()
    kernels.use_precision("float32")
    try:
        given = config()
        state = initial_state(given)
        start = start_of(*(shapes_of(network) for network in (state.student, state.teacher)))
        assign_arrays(state.student, start.student, "doctor")
        assign_arrays(state.teacher, start.teacher, "doctor")
        terms = []
        for step in range(NUM_STEPS):
            state, outcome = train_step(state, batch_of(step), RATES, given)
            named = {"total": outcome.losses.total, **outcome.losses.terms}
            terms.append({name: float(value.item()) for name, value in named.items()})
    finally:
        kernels.use_precision(precision_of_run)
    return terms


def shapes_of(network) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter by name."""
    return {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}


def known_losses() -> list[dict[str, float]]:
    """The expected terms of every step, from float64."""
    return json.loads(KNOWN.read_text(encoding="utf-8"))["losses"]


def _loss(found: list[dict[str, float]]) -> Answer:
    """Compare the terms of the first step, before any update."""
    first, expected = found[0], known_losses()[0]
    error = _relative_error(first, expected)
    shown = [f"{values['total']:.5f}" for values in (first, expected)]
    return Answer("HSSL loss", *shown, error, _LOSS_TOLERANCE, _REMEDY)


def _steps(found: list[dict[str, float]]) -> Answer:
    """Compare the terms of all steps; the last loss is printed."""
    expected = known_losses()
    error = float(np.max([_relative_error(f, e) for f, e in zip(found, expected, strict=True)]))
    shown = [f"{values[-1]['total']:.5f} at the end" for values in (found, expected)]
    return Answer(f"{NUM_STEPS} training steps", *shown, error, _STEPS_TOLERANCE, _REMEDY)


def _relative_error(found: dict[str, float], expected: dict[str, float]) -> float:
    """The largest relative error of the terms."""
    return float(np.max([abs(found[name] - value) / abs(value) for name, value in expected.items()]))
