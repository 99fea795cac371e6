"""Gradient accumulation: the gradient of a batch computed in microbatches, to save memory."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import jittor as jt

from pipeline.kernels.operator import gradients_of


class ForwardPass(Protocol):
    """The result of a forward pass over one microbatch."""

    @property
    def total(self) -> jt.Var:
        """The loss, (1,): a mean over the microbatch's images."""

    def detached(self) -> "ForwardPass":
        """The same values, detached from the graph."""


Output = TypeVar("Output", bound=ForwardPass)


def accumulated_gradients(
    forward: Callable[[int], Output], num_microbatches: int, parameters: list[jt.Var]
) -> tuple[list[Output], list[jt.Var]]:
    """Run the forward and backward passes of every microbatch.

    Args:
        forward: the pass over microbatch 0, 1, ..., num_microbatches - 1. All have the same size, so the mean
            of their gradients is the gradient of the whole batch.

    Returns:
        The detached results of `forward`, and the mean gradient of each parameter.
    """
    outputs, gradients = [], []
    for index in range(num_microbatches):
        output = forward(index)
        of_one = gradients_of(output.total / num_microbatches, parameters)
        gradients = [a + b for a, b in zip(gradients, of_one, strict=True)] if gradients else of_one
        # The graph would keep the activations of the microbatch alive.
        outputs.append(output.detached())
        if num_microbatches > 1:
            # Run the queued operators now: otherwise the activations of all microbatches would live together.
            jt.sync(gradients)
    return outputs, gradients
