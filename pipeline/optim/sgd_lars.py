"""Gradient descent with momentum: SGD, and LARS, which scales the step of each tensor by its own norm."""

import jittor as jt
import numpy as np

from pipeline.kernels.plain_adamw import replace_value


class MomentumDescent:
    """m = momentum m + q (g + decay w); w = w - lr m, for each tensor w with gradient g.

    q = 1 for SGD. For LARS q = trust_coefficient |w| / |g + decay w|, or 1 where one of the two norms is 0;
    tensors without decay (biases and other one-dimensional ones) have q = 1 there as well. Parameters are
    updated in place; a frozen tensor and its momentum do not change.

    Source: SGD of Sutskever et al. 2013 in PyTorch's form; You, Gitman, Ginsburg, "Large Batch Training of
    Convolutional Networks" (2017), in the form that VISSL, DINO and iBOT use: the ratio before the momentum.
    """

    def __init__(
        self,
        parameters: list[jt.Var],
        *,
        decayed: list[bool],
        momentum: float = 0.9,
        trust_coefficient: float | None = None,
        max_gradient_norm: float,
    ):
        """
        Args:
            parameters: float32.
            decayed: for each parameter, whether weight decay, and the ratio of LARS, apply.
            trust_coefficient: of LARS; None: SGD.
            max_gradient_norm: a tensor's gradient g becomes g min(1, this / (|g| + 1e-6)); 0: no clipping.

        Raises:
            ValueError: the lists differ in length, or a parameter is not float32.
        """
        if len(parameters) != len(decayed):
            raise ValueError(f"{len(parameters)} parameters, {len(decayed)} flags of decay")
        for index, parameter in enumerate(parameters):
            if parameter.dtype != "float32":
                raise ValueError(f"parameter {index} is {parameter.dtype}; expected float32")
        self._parameters, self._decayed = list(parameters), list(decayed)
        self._momentum, self._trust, self._max_norm = momentum, trust_coefficient, max_gradient_norm
        self._sizes = np.array([parameter.numel() for parameter in parameters], dtype=np.int64)
        self._moments = [jt.zeros(parameter.shape).stop_grad() for parameter in parameters]

    def step(
        self, gradients: list[jt.Var], *, lr: float, weight_decay: float, frozen: frozenset[int] = frozenset()
    ) -> None:
        """Update the parameters, see `pipeline.kernels.adamw.AdamW.step`.

        Raises:
            ValueError: a gradient's shape or type differs from its parameter's, or an index does not exist.
        """
        self._check(gradients, frozen)
        for index, (parameter, gradient) in enumerate(zip(self._parameters, gradients, strict=True)):
            if index in frozen:
                continue
            decayed = self._decayed[index]
            direction = self._direction(parameter, gradient, weight_decay if decayed else 0.0, decayed)
            moment = (self._momentum * self._moments[index] + direction).stop_grad()
            self._moments[index] = moment
            replace_value(parameter, (parameter - lr * moment).stop_grad())
        # Run what is queued, without waiting for the device, so that gradients and activations can be freed.
        jt.sync([*self._parameters, *self._moments])

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the momenta, in the order of the parameters."""
        flat = [moment.numpy().ravel() for moment in self._moments]
        return {"momentum": np.concatenate(flat).astype(np.float32), "sizes": self._sizes.copy()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned; a run continues bit for bit.

        Raises:
            ValueError: an entry is missing or unknown, or was saved for other parameters.
        """
        if set(state) != {"momentum", "sizes"}:
            raise ValueError(f"optimiser state: entries {sorted(state)}; expected ['momentum', 'sizes']")
        if not np.array_equal(state["sizes"], self._sizes):
            raise ValueError("optimiser state: saved for tensors of other sizes")
        flat = state["momentum"]
        if flat.shape != (self._sizes.sum(),) or flat.dtype != np.float32:
            expected = f"expected float32 ({self._sizes.sum()},)"
            raise ValueError(f"optimiser state: momentum is {flat.dtype} {flat.shape}; {expected}")
        parts = np.split(flat, np.cumsum(self._sizes)[:-1])
        self._moments = [
            jt.array(part.reshape(parameter.shape)).stop_grad()
            for part, parameter in zip(parts, self._parameters, strict=True)
        ]

    def _direction(self, parameter: jt.Var, gradient: jt.Var, weight_decay: float, adapted: bool) -> jt.Var:
        if self._max_norm:
            gradient = gradient * jt.minimum(self._max_norm / (_norm(gradient) + 1e-6), 1.0)
        direction = gradient + weight_decay * parameter
        if self._trust is None or not adapted:
            return direction
        own, step = _norm(parameter), _norm(direction)
        both = jt.logical_and(own > 0, step > 0)
        # The 1 avoids a division by 0 in the branch that is not taken.
        ratio = self._trust * own / jt.where(both, step, jt.ones_like(step))
        return direction * jt.where(both, ratio, jt.ones_like(ratio))

    def _check(self, gradients: list[jt.Var], frozen: frozenset[int]) -> None:
        if len(gradients) != len(self._parameters):
            raise ValueError(f"{len(gradients)} gradients for {len(self._parameters)} parameters")
        for index, (parameter, gradient) in enumerate(zip(self._parameters, gradients, strict=True)):
            if gradient.dtype != "float32" or gradient.shape != parameter.shape:
                found = f"{gradient.dtype} {tuple(gradient.shape)}; expected float32 {tuple(parameter.shape)}"
                raise ValueError(f"gradient {index} is {found}")
        if frozen and not 0 <= min(frozen) <= max(frozen) < len(self._parameters):
            raise ValueError(f"frozen {sorted(frozen)}; there are {len(self._parameters)} parameters")


def _norm(x: jt.Var) -> jt.Var:
    """(1,): Euclidean norm of all entries."""
    return jt.sqrt((x * x).sum())
