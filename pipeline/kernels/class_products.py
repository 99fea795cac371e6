"""Products of each box's features with the weights of the box's class.

Shapes: n boxes, P places in each, C channels, K classes.
"""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.channel_sums import add_to_channels
from pipeline.kernels.operator import Operator, call
from pipeline.kernels.rows import gather_rows


def class_products(x: jt.Var, weight: jt.Var, bias: jt.Var, classes: jt.Var) -> jt.Var:
    """x[n] weight[classes[n]] + bias[classes[n]].

    The fused kernel raises RuntimeError when it runs if a class is outside 0..K-1.

    Args:
        x: (n, P, C).
        weight: (K, C).
        bias: (K,).
        classes: (n,) int32.

    Returns:
        (n, P).

    Raises:
        ValueError: the shapes or types do not fit.
    """
    shapes = [tuple(each.shape) for each in (x, weight, bias, classes)]
    fits = x.ndim == 3 and weight.ndim == 2 and x.numel() > 0 and classes.dtype == "int32"
    if not fits or shapes[1:] != [(weight.shape[0], x.shape[2]), (weight.shape[0],), (x.shape[0],)]:
        found = ", ".join(map(str, shapes))
        raise ValueError(
            f"class_products: {found} {classes.dtype}; expected (n, P, C), (K, C), (K,), (n,) int32"
        )
    fused = selection.fused_on_processor()
    return (fused_class_products if fused else plain_class_products)(x, weight, bias, classes)


def plain_class_products(x: jt.Var, weight: jt.Var, bias: jt.Var, classes: jt.Var) -> jt.Var:
    # Sums and gradients have a fixed order on a device too, as Jittor's own sums have not.
    products = jt.nn.bmm(x, gather_rows(weight, classes).unsqueeze(2)).reshape(1, *x.shape[:2], 1)
    of_boxes = gather_rows(bias.unsqueeze(1), classes).reshape(-1)
    return add_to_channels(products, of_boxes).reshape(*x.shape[:2])


def fused_class_products(x: jt.Var, weight: jt.Var, bias: jt.Var, classes: jt.Var) -> jt.Var:
    return _ClassProducts()(x, weight, bias, classes.stop_grad())


class _ClassProducts(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var, classes: jt.Var) -> jt.Var:
        self.saved = x, weight, classes
        sizes = "in0_shape0, in0_shape1, in0_shape2, in1_shape0"
        arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, out0_p"
        return call("class_products", arguments, [x, weight, bias, classes], x.shape[:2])

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, weight, _ = self.saved
        sizes = "in1_shape0, in1_shape1, in1_shape2, in2_shape0"
        arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, out0_p, out1_p, out2_p"
        shapes = x.shape, weight.shape, weight.shape[:1]
        return *call("class_products_gradient", arguments, [out_grad, *self.saved], *shapes), None
