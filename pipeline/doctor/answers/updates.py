"""AdamW and the teacher's moving average on fixed arrays, compared with float64."""

from collections.abc import Callable

import numpy as np

from pipeline.doctor.answers import references
from pipeline.doctor.answers.answer import Answer

_SEED = 20261128
_SHAPES = ((3, 5), (17,), (1,), (2, 3, 4), (9001,))
_TOLERANCE = 2e-6  # of values around 1, after five steps
_REMEDY = 'see whether runtime.kernels = "plain", or another g++, driver or machine gives the same'


def update_tests() -> dict[str, Callable[[], Answer]]:
    """The test of each update, by name."""
    return {"adamw": _adamw, "ema_update": _ema}


def _adamw() -> Answer:
    """Five steps with different rates; one tensor is frozen in the first two."""
    import jittor as jt

    from pipeline.kernels.adamw import AdamW

    rng = np.random.default_rng(_SEED)
    start = _drawn(rng)
    hyper = {"decayed": [True, False, False, True, True], "lr_scales": [1.0, 0.5, 1.0, 0.81, 0.1]}
    parameters = [jt.array(array) for array in start]
    optimizer = AdamW(parameters, **hyper, betas=(0.9, 0.999), eps=1e-8, max_gradient_norm=0.3)
    values, counts = [array.astype(np.float64) for array in start], [0] * len(start)
    moments = [(np.zeros(shape), np.zeros(shape)) for shape in _SHAPES]
    for step in range(5):
        gradients, rates = _drawn(rng), {"lr": 0.01 * (step + 1), "weight_decay": 0.1 * step}
        frozen = frozenset([0] if step < 2 else [])
        optimizer.step([jt.array(gradient) for gradient in gradients], **rates, frozen=frozen)
        exact = [gradient.astype(np.float64) for gradient in gradients]
        references.adamw_step(
            values, exact, moments, counts, **rates, **hyper, betas=(0.9, 0.999), eps=1e-8, max_norm=0.3,
            frozen=frozen,
        )  # fmt: skip
    return _answer("adamw", parameters, values)


def _ema() -> Answer:
    import jittor as jt

    from pipeline.kernels.ema import ema_update

    rng = np.random.default_rng(_SEED)
    teacher, student = _drawn(rng), _drawn(rng)
    targets = [jt.array(array).stop_grad() for array in teacher]
    expected = [array.astype(np.float64) for array in teacher]
    for momentum in (0.9, 0.996):
        ema_update(targets, [jt.array(array) for array in student], momentum)
        expected = [momentum * t + (1 - momentum) * s for t, s in zip(expected, student, strict=True)]
    return _answer("ema_update", targets, expected)


def _drawn(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(size=shape).astype(np.float32) for shape in _SHAPES]


def _answer(name: str, found: list, expected: list[np.ndarray]) -> Answer:
    differences = [np.abs(f.numpy() - e).max() for f, e in zip(found, expected, strict=True)]
    error = float(np.max(differences))
    return Answer(name, f"off by {error:.0e}", "as in float64", error, _TOLERANCE, _REMEDY)
