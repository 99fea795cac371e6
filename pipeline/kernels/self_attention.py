"""Multi-head self-attention over packed queries, keys and values."""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call
from pipeline.kernels.plain_attention import plain_attention


def attention(qkv: jt.Var, num_heads: int) -> jt.Var:
    """softmax(q k^T / sqrt(d)) v for each head.

    Args:
        qkv: (B, N, 3 C), the last dimension laid out as [q | k | v], each num_heads x d, d = C / num_heads.
        num_heads: number of heads into which C is divided.

    Returns:
        (B, N, C). Memory grows with B N C, not with B num_heads N N, forward and backward.

    Raises:
        ValueError: the shape does not fit.
    """
    if qkv.ndim != 3 or num_heads < 1 or qkv.shape[2] % (3 * num_heads) or qkv.numel() == 0:
        raise ValueError(f"attention: qkv {tuple(qkv.shape)}, {num_heads} heads; expected (B, N, 3 heads d)")
    return (fused_attention if selection.fused() else plain_attention)(qkv, num_heads)


def fused_attention(qkv: jt.Var, num_heads: int) -> jt.Var:
    return _Attention()(qkv, num_heads)


_SIZES = 'in0_shape0, in0_shape1, (long)data["heads"], in0_shape2 / 3 / (long)data["heads"]'


class _Attention(Operator):
    def execute(self, qkv: jt.Var, num_heads: int) -> jt.Var:
        batch, tokens, channels = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        shapes = (batch, tokens, channels), (batch, num_heads, tokens)
        data = {"heads": num_heads}
        out, log_sums = call("attention", f"{_SIZES}, in0_p, out0_p, out1_p", [qkv], *shapes, data=data)
        self.saved, self.data = (qkv, out, log_sums), data
        return out

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, None]:
        qkv, out, log_sums = self.saved
        inputs = [qkv, out, log_sums, out_grad]
        arguments = f"{_SIZES}, in0_p, in1_p, in2_p, in3_p, out0_p"
        return call("attention_gradient", arguments, inputs, qkv.shape, data=self.data), None
