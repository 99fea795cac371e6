"""A pre-norm transformer block."""

import jittor as jt

from pipeline.kernels import device_layers, selection
from pipeline.kernels.dense import check_layers, linear
from pipeline.kernels.device_layers import BlockWeights
from pipeline.kernels.normalization import check_norm
from pipeline.kernels.normed import normed_linear, normed_mlp
from pipeline.kernels.self_attention import attention


def transformer_block(
    x: jt.Var, weights: BlockWeights, num_heads: int, eps: float, drop_path_scales: jt.Var | None = None
) -> jt.Var:
    """x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        x: (B, N, D).
        weights: of norms, attention and MLP.
        num_heads: of the attention.
        eps: of both norms.
        drop_path_scales: (2, B) what the two branches of each image are multiplied by; None: 1.

    Returns:
        (B, N, D).

    Raises:
        ValueError: the shapes do not fit.
    """
    w = weights
    if x.ndim != 3 or num_heads < 1 or x.shape[2] % num_heads:
        found = f"x {tuple(x.shape)}, {num_heads} heads"
        raise ValueError(f"transformer_block: {found}; expected (B, N, heads d)")
    if drop_path_scales is not None and tuple(drop_path_scales.shape) != (2, x.shape[0]):
        raise ValueError(
            f"transformer_block: drop_path_scales {tuple(drop_path_scales.shape)}; expected (2, {x.shape[0]})"
        )
    if selection.on_device():
        for norm in ((w.norm1_weight, w.norm1_bias), (w.norm2_weight, w.norm2_bias)):
            check_norm(x, *norm)
        check_layers(x, (w.qkv_weight, w.qkv_bias))
        check_layers(x, (w.out_weight, w.out_bias))
        check_layers(x, (w.expand, w.expand_bias), (w.contract, w.contract_bias))
        return device_layers.block(x, w, num_heads, eps, drop_path_scales)
    qkv = normed_linear(x, w.norm1_weight, w.norm1_bias, eps, w.qkv_weight, w.qkv_bias)
    x = _added(x, linear(attention(qkv, num_heads), w.out_weight, w.out_bias), drop_path_scales, 0)
    layers = w.expand, w.expand_bias, w.contract, w.contract_bias
    return _added(x, normed_mlp(x, w.norm2_weight, w.norm2_bias, eps, *layers), drop_path_scales, 1)


def _added(x: jt.Var, branch: jt.Var, drop_path_scales: jt.Var | None, index: int) -> jt.Var:
    return x + (branch if drop_path_scales is None else branch * drop_path_scales[index].reshape(-1, 1, 1))
