"""Cross-entropy over the labelled pixels of maps.

Shapes: B images, K classes, H x W pixels.
"""

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def pixel_cross_entropy(logits: jt.Var, labels: jt.Var, count: float) -> jt.Var:
    """Sum over labelled pixels of -log softmax(logits)[label], divided by `count`.

    The gradient goes to `logits` only. If a label is too large, the fused kernel raises RuntimeError when it
    runs, that of a device makes the loss no number, and the plain twin ignores the pixel.

    Args:
        logits: (B, K, H, W) float32.
        labels: (B, H, W) int32 in 0..K-1; negative where there is no label.
        count: divides the sum; above 0.

    Returns:
        (1,) float32, in nats.

    Raises:
        ValueError: the shapes or types do not fit, or the count is not positive.
    """
    shape, expected = tuple(labels.shape), (logits.shape[0], *logits.shape[2:])
    if logits.ndim != 4 or shape != expected or labels.dtype != "int32" or logits.numel() == 0:
        found = f"logits {tuple(logits.shape)}, labels {labels.dtype} {shape}"
        raise ValueError(f"pixel_cross_entropy: {found}; expected (B, K, H, W), int32 (B, H, W)")
    if not count > 0:
        raise ValueError(f"pixel_cross_entropy: count {count}; expected a positive number")
    chosen = fused_pixel_cross_entropy if selection.fused() else plain_pixel_cross_entropy
    return chosen(logits, labels, count)


def plain_pixel_cross_entropy(logits: jt.Var, labels: jt.Var, count: float) -> jt.Var:
    # The largest logit cancels out of the loss, and so does its gradient.
    shifted = logits - logits.max(dim=1, keepdims=True).stop_grad()
    classes = jt.array(np.arange(logits.shape[1], dtype=np.int32).reshape(1, -1, 1, 1))
    chosen = (shifted * (labels.unsqueeze(1) == classes).float32()).sum(dim=1)
    losses = (jt.log(jt.exp(shifted).sum(dim=1)) - chosen) * (labels >= 0).float32()
    # Row by row, because one sum over millions of pixels would lose digits.
    return losses.sum(dim=2).sum(dim=1).sum() / count


def fused_pixel_cross_entropy(logits: jt.Var, labels: jt.Var, count: float) -> jt.Var:
    return _PixelCrossEntropy()(logits, labels.stop_grad(), count)


_SIZES = 'in0_shape0, in0_shape1, in0_shape2 * in0_shape3, data["count"]'


class _PixelCrossEntropy(Operator):
    def execute(self, logits: jt.Var, labels: jt.Var, count: float) -> jt.Var:
        inputs, self.data = [logits, labels], {"count": count}
        arguments = f"{_SIZES}, in0_p, in1_p, out0_p, out1_p"
        loss, log_sums = call(
            "pixel_cross_entropy", arguments, inputs, (1,), tuple(labels.shape), data=self.data
        )
        self.saved = [*inputs, log_sums]
        return loss

    def grad(self, loss_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        arguments = f"{_SIZES}, in0_p, in1_p, in2_p, in3_p, out0_p"
        inputs, shape = [*self.saved, loss_grad], self.saved[0].shape
        logits_grad = call("pixel_cross_entropy_gradient", arguments, inputs, shape, data=self.data)
        return logits_grad, None, None
