"""Checks the gradients of one training step against those of plain operators.

Jittor decides in every pass anew how an operator's gradient reaches the parameters, and has been seen to lose
terms silently from the second pass on. So a later step is checked, once after each start.
"""

from collections.abc import Callable, Mapping, Sequence

import jittor as jt
import numpy as np

from pipeline import kernels

# Norm of the difference relative to that of the plain gradient. Float32 rounds to 6e-8, which a batch norm
# over few images amplifies; the check is for missing terms, several percent of a gradient.
TOLERANCES = {"float32": 0.02, "tf32": 0.2, "bfloat16": 0.2}
_SMALLEST = 1e-3  # share of the largest gradient norm; smaller gradients may be all rounding
_FIRST, _LAST = 2, 20  # steps after the start: one from the third to the twentieth is checked
_IMAGES = 8  # per microbatch of the check: plain operators store more activations


class GradientsDiffer(RuntimeError):
    """The gradients that a training step used are not those of its loss."""


class GradientWatch:
    """Compares the gradients of one step with those of plain operators; does nothing if those are in use.

    Args:
        first: step at which the training starts or resumes; steps count from 0.
        num_steps: of the whole training.
        seed: selects the step.

    Attributes:
        step: the step to check.
    """

    def __init__(self, first: int, num_steps: int, seed: int) -> None:
        last = min(first + _LAST, num_steps)
        self.step = min(first + _FIRST + seed % (_LAST - _FIRST), last - 1)

    def compare(
        self,
        gradients: Mapping[str, jt.Var],
        again: Callable[[int], Sequence[jt.Var]],
        *,
        num_microbatches: int,
        num_images: int | None,
    ) -> None:
        """Compute the gradients once more with plain operators, and compare.

        Args:
            gradients: of the step, by parameter name; the parameters have not changed since.
            again: computes them, in the same order, with the given number of microbatches.
            num_microbatches: of the step.
            num_images: of the batch; None if a loss needs all of them in one microbatch.

        Raises:
            GradientsDiffer: one differs by more than rounding; names the worst, the step and both norms.
        """
        if kernels.current() == "plain":
            return
        # The optimiser also begins with it: so the step's operators run in the same way as in any other step.
        jt.sync_all()
        found = {name: gradient.numpy() for name, gradient in gradients.items()}
        plain = dict(zip(found, self._plain(again, num_microbatches, num_images), strict=True))
        if not all(np.isfinite(array).all() for array in plain.values()):
            return  # the loss itself is not finite, which is reported where it is read
        differences = relative_differences(found, plain)
        allowed = TOLERANCES[kernels.current_precision()]
        wrong = [name for name, difference in differences.items() if not difference <= allowed]
        if wrong:
            worst = max(wrong, key=lambda name: np.nan_to_num(differences[name], nan=np.inf))
            norms = [float(np.linalg.norm(each[worst])) for each in (found, plain)]
            raise GradientsDiffer(
                f"step {self.step + 1}: the gradient of {worst} has norm {norms[0]:.4g}, that of plain "
                f"operators {norms[1]:.4g}; they differ by {differences[worst]:.2g} of it, "
                f"allowed {allowed:g}; so do {len(wrong)} of {len(found)} tensors. "
                '`doit run doctor deep=yes` looks at each kernel; runtime.kernels = "plain" trains without '
                "them, runtime.watch_gradients = false without this look"
            )

    def _plain(self, again, num_microbatches: int, num_images: int | None) -> list[np.ndarray]:
        parts = num_microbatches
        while num_images and num_images // parts > _IMAGES and num_images % (2 * parts) == 0:
            parts *= 2
        kernels.use("plain")
        try:
            return [gradient.numpy() for gradient in again(parts)]
        finally:
            kernels.use("fused")


def relative_differences(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Norm of each difference, relative to the expected norm or to `_SMALLEST` of the largest one."""
    norms = {name: float(np.linalg.norm(array)) for name, array in expected.items()}
    smallest = _SMALLEST * max(norms.values())
    return {
        name: float(np.linalg.norm(array - expected[name])) / (max(norms[name], smallest) or 1.0)
        for name, array in found.items()
    }
