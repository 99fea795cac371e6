"""A pre-norm transformer block."""

from typing import NamedTuple

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.dense import check_layers, linear
from pipeline.kernels.normalization import check_norm
from pipeline.kernels.normed import normed_linear, normed_mlp
from pipeline.kernels.operator import Operator, call
from pipeline.kernels.precision import activation_dtype, layer_function
from pipeline.kernels.rows import gather_rows
from pipeline.kernels.self_attention import attention


class BlockWeights(NamedTuple):
    """Parameters of a pre-norm transformer block of width D, with hidden width H in its MLP."""

    norm1_weight: jt.Var  # (D,)
    norm1_bias: jt.Var
    qkv_weight: jt.Var  # (3 D, D)
    qkv_bias: jt.Var
    out_weight: jt.Var  # (D, D)
    out_bias: jt.Var
    norm2_weight: jt.Var  # (D,)
    norm2_bias: jt.Var
    expand: jt.Var  # (H, D)
    expand_bias: jt.Var
    contract: jt.Var  # (D, H)
    contract_bias: jt.Var


def transformer_block(
    x: jt.Var, weights: BlockWeights, num_heads: int, eps: float, drop_path_scales: jt.Var | None = None
) -> jt.Var:
    """x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        x: (B, N, D).
        weights: of norms, attention and MLP.
        num_heads: of the attention.
        eps: of both norms.
        drop_path_scales: (2, B), factors of the two branches of each image; None: 1.

    Returns:
        (B, N, D).

    Raises:
        ValueError: the shapes do not fit.
    """
    _check(x, weights, num_heads, drop_path_scales)
    if selection.fused_matmul():
        scales = [] if drop_path_scales is None else [drop_path_scales.stop_grad()]
        alone = jt.flags.no_grad and not selection.on_device()
        block = _block_alone if alone else _Block()
        return block(x, *weights, *scales, num_heads, eps)
    scales = None if drop_path_scales is None else drop_path_scales.unsqueeze(2).unsqueeze(3)
    return _after_attention(x, _attended(x, weights, num_heads, eps), weights, eps, scales)


def transformer_block_rows(
    x: jt.Var,
    rows: jt.Var,
    weights: BlockWeights,
    num_heads: int,
    eps: float,
    drop_path_scales: jt.Var | None = None,
) -> jt.Var:
    """Some rows of `transformer_block`'s output: what follows the attention is computed for them alone.

    Args:
        x: (B, N, D).
        rows: (P,) int32, of the (B N) tokens; a token may occur several times.
        weights: of norms, attention and MLP.
        num_heads: of the attention.
        eps: of both norms.
        drop_path_scales: (2, B), factors of the two branches of each image; None: 1.

    Returns:
        (P, D).

    Raises:
        ValueError: the shapes or types do not fit.
    """
    _check(x, weights, num_heads, drop_path_scales)
    attended = gather_rows(_attended(x, weights, num_heads, eps).reshape(-1, x.shape[2]), rows)
    scales = None if drop_path_scales is None else drop_path_scales[:, rows // x.shape[1]].unsqueeze(2)
    return _after_attention(gather_rows(x.reshape(-1, x.shape[2]), rows), attended, weights, eps, scales)


def _check(x: jt.Var, w: BlockWeights, num_heads: int, drop_path_scales: jt.Var | None) -> None:
    """Refuse shapes that do not fit."""
    if x.ndim != 3 or num_heads < 1 or x.shape[2] % num_heads:
        found = f"x {tuple(x.shape)}, {num_heads} heads"
        raise ValueError(f"transformer_block: {found}; expected (B, N, heads d)")
    if drop_path_scales is not None and tuple(drop_path_scales.shape) != (2, x.shape[0]):
        raise ValueError(
            f"transformer_block: drop_path_scales {tuple(drop_path_scales.shape)}; expected (2, {x.shape[0]})"
        )
    for norm in ((w.norm1_weight, w.norm1_bias), (w.norm2_weight, w.norm2_bias)):
        check_norm(x, *norm)
    check_layers(x, (w.qkv_weight, w.qkv_bias))
    check_layers(x, (w.out_weight, w.out_bias))
    check_layers(x, (w.expand, w.expand_bias), (w.contract, w.contract_bias))


def _attended(x: jt.Var, w: BlockWeights, num_heads: int, eps: float) -> jt.Var:
    """What the attention mixes, before its last layer."""
    return attention(normed_linear(x, w.norm1_weight, w.norm1_bias, eps, w.qkv_weight, w.qkv_bias), num_heads)


def _after_attention(
    x: jt.Var, attended: jt.Var, w: BlockWeights, eps: float, scales: jt.Var | None
) -> jt.Var:
    """x, attended (..., D); scales (2, ...): factors of the two branches."""
    x = _added(x, linear(attended, w.out_weight, w.out_bias), scales, 0)
    layers = w.expand, w.expand_bias, w.contract, w.contract_bias
    return _added(x, normed_mlp(x, w.norm2_weight, w.norm2_bias, eps, *layers), scales, 1)


def _added(x: jt.Var, branch: jt.Var, scales: jt.Var | None, index: int) -> jt.Var:
    return x + (branch if scales is None else branch * scales[index])


_HEADS = '(long)data["heads"]'
_FORWARD = f"in0_shape0, in0_shape1, in0_shape2, in9_shape0, {_HEADS}"
_GRADIENT = f"in0_shape0, in0_shape1, in0_shape2, in7_shape0, {_HEADS}"
# The weights that the gradient reads, all except the biases of linear layers: as in1 ... in8.
_GRADIENT_WEIGHTS = (0, 1, 2, 4, 6, 7, 8, 10)


def _forward(
    function: str, inputs: list[jt.Var], num_heads: int, eps: float, kept: str, *shapes: tuple, dtypes=None
):
    """Inputs: x, the twelve weights, the scales of the branches if any; kept: further outputs."""
    path = "in13_p" if len(inputs) > 13 else "nullptr"
    weights = ", ".join(f"in{i}_p" for i in range(1, 13))
    arguments = f'{_FORWARD}, data["eps"], in0_p, {path}, {weights}, out0_p, {kept}'
    data = {"heads": num_heads, "eps": eps}
    return call(function, arguments, inputs, inputs[0].shape, *shapes, data=data, dtypes=dtypes)


def _block_alone(*inputs_and_sizes) -> jt.Var:
    """The same as `_Block`, for use without gradients."""
    *inputs, num_heads, eps = inputs_and_sizes
    return _forward(layer_function("block"), inputs, num_heads, eps, ", ".join(["nullptr"] * 6))


class _Block(Operator):
    """Inputs: x, the twelve weights, the scales of the branches if any, number of heads, eps."""

    def execute(self, x: jt.Var, *rest) -> jt.Var:
        *weights, num_heads, eps = rest
        batch, tokens, width = x.shape
        hidden, rows = weights[8].shape[0], batch * tokens
        kept, on_device = activation_dtype(), selection.on_device()
        inputs = [x, *weights]
        self.num_heads, self.eps, self.function = num_heads, eps, layer_function("block")
        y, *saved = _forward(
            self.function,
            inputs,
            num_heads,
            eps,
            ", ".join(f"out{i}_p" for i in range(1, 7)),
            (rows, 3 * width),
            (rows, width),
            (batch, num_heads, tokens),
            (rows, width),
            (rows, hidden),
            (2, rows, 2),
            # out4: on a device, what attention adds to x; on a processor, the sum.
            dtypes=("float32", kept, kept, "float32", kept if on_device else "float32", kept, "float32"),
        )
        self.saved = inputs, saved
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        (x, *weights), saved = self.saved
        scales, weights = weights[12:], weights[:12]
        inputs = [x, *(weights[i] for i in _GRADIENT_WEIGHTS), *saved, out_grad, *scales]
        names = ", ".join(f"in{i}_p" for i in range(1, 15))
        outputs = ", ".join(f"out{i}_p" for i in range(13))
        path = "in16_p" if scales else "nullptr"
        # A device computes the sum after attention again, with its norm.
        sizes, data = _GRADIENT, {"heads": self.num_heads}
        if selection.on_device():
            sizes, data = f'{_GRADIENT}, data["eps"]', data | {"eps": self.eps}
        x_grad, *gradients = call(
            f"{self.function}_gradient",
            f"{sizes}, in15_p, in0_p, {path}, {names}, {outputs}",
            inputs,
            x.shape,
            *(weight.shape for weight in weights),
            data=data,
        )
        return x_grad, *gradients, *[None] * (len(scales) + 2)
