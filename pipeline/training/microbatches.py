"""The gradient of a batch that is computed in microbatches, to save memory."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import jittor as jt


class ForwardPass(Protocol):
    """What a forward pass over one microbatch returns."""

    @property
    def total(self) -> jt.Var:
        """What is minimised, (1,); a mean over the microbatch's images."""

    def detached(self) -> "ForwardPass":
        """The same numbers without their graph."""


Output = TypeVar("Output", bound=ForwardPass)


def accumulated_gradients(
    forward: Callable[[int], Output], num_microbatches: int, parameters: list[jt.Var]
) -> tuple[list[Output], list[jt.Var]]:
    """Run every microbatch forward and backward.

    Args:
        forward: of microbatch 0, 1, ..., num_microbatches - 1, all of one size: the mean of their losses'
            gradients is then the gradient of the whole batch.

    Returns:
        What `forward` returned, without gradient, and the mean gradient of each parameter.
    """
    outputs, gradients = [], []
    for index in range(num_microbatches):
        output = forward(index)
        of_one = jt.grad(output.total / num_microbatches, parameters)
        gradients = [a + b for a, b in zip(gradients, of_one, strict=True)] if gradients else of_one
        # With its graph, an output would keep the activations of its microbatch alive.
        outputs.append(output.detached())
        if num_microbatches > 1:
            # Run what is queued now: left lazy, every microbatch's activations would live at once.
            jt.sync(gradients)
    return outputs, gradients
