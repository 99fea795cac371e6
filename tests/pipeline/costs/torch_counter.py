"""PyTorch's own count of the operations in a call."""

import numpy as np
import pytest


def counted(run) -> int:
    """Operations of products and convolutions, forward and, if `run` has one, backward."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from torch.utils.flop_counter import FlopCounterMode

    def convolution_backward(gradient, x, weight, *others, out_shape, **_) -> int:
        """PyTorch's own rule ignores that a depthwise convolution reads one channel at a time."""
        wanted, transposed = others[-1], others[4]  # of the gradients of input, weight and bias
        return sum(wanted[:2]) * 2 * int(np.prod(x if transposed else gradient) * np.prod(weight[1:]))

    own = {
        torch.ops.aten.convolution_backward: convolution_backward,
        torch.ops.aten.mv: lambda matrix, vector, **_: 2 * int(np.prod(matrix)),  # PyTorch has no rule for it
    }
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        run()
    return counter.get_total_flops()
