"""Self-attention in Jittor's own operators: for a GPU, and as the twin of the fused kernel.

The weights of a long sequence do not fit in memory: 12 heads over the 4200 tokens of a photograph are 0.85 GB
per block. So they are computed for some queries at a time, and again for the gradient.

Shapes: B images, N tokens, heads of d channels, C = heads x d; P = B x heads pairs of an image and a head.
"""

from collections.abc import Iterator

import jittor as jt

from pipeline.kernels.operator import Operator

# Weights at once: an array of 64 MiB, and for the gradient four such arrays.
MAX_WEIGHTS = 1 << 24


def plain_attention(qkv: jt.Var, num_heads: int, max_weights: int = MAX_WEIGHTS) -> jt.Var:
    """qkv (B, N, 3 C) -> (B, N, C).

    Args:
        max_weights: maximum size of an array over pairs of tokens; but at least the N weights of one query.
    """
    return _PlainAttention()(qkv, num_heads, max_weights)


def parts(num_pairs: int, num_tokens: int, max_weights: int) -> Iterator[tuple[slice, list[slice]]]:
    """Yield pairs of image and head, with the queries whose weights are computed together.

    Several pairs are taken together if all their weights fit, so that short sequences are one part.
    """
    queries = _ranges(num_tokens, max(max_weights // num_tokens, 1))
    for pairs in _ranges(num_pairs, max(max_weights // num_tokens**2, 1)):
        yield pairs, queries


def _ranges(total: int, most: int) -> list[slice]:
    """0 ... total in the fewest ranges of at most `most`, whose lengths differ by one at most.

    A short last range could have length 1, for which Jittor would compile once more.
    """
    count = -(-total // most)
    return [slice(i * total // count, (i + 1) * total // count) for i in range(count)]


class _PlainAttention(Operator):
    def execute(self, qkv: jt.Var, num_heads: int, max_weights: int) -> jt.Var:
        batch, tokens, channels = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        self.sizes = (batch, tokens, num_heads, channels // num_heads)
        self.parts = list(parts(batch * num_heads, tokens, max_weights))
        query, key, value = self._by_head(qkv)
        outputs, log_sums = [], []
        for pairs, queries in self.parts:
            keys, values = key[pairs].transpose(0, 2, 1), value[pairs]
            found = [_attended(query[pairs, some], keys, values) for some in queries]
            outputs.append(_joined([output for output, _ in found], dim=1))
            log_sums.append(_joined([log_sum for _, log_sum in found], dim=1))
        output, log_sum = _joined(outputs, dim=0), _joined(log_sums, dim=0)
        by_image = output.reshape(batch, num_heads, tokens, channels // num_heads)
        out = by_image.permute(0, 2, 1, 3).reshape(batch, tokens, channels)
        self.saved = (qkv, out, log_sum)
        return out

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, None, None]:
        # Otherwise Jittor keeps the weights of every part for second derivatives.
        with jt.no_grad():
            return self._gradient(out_grad), None, None

    def _gradient(self, out_grad: jt.Var) -> jt.Var:
        qkv, out, log_sum = self.saved
        query, key, value = self._by_head(qkv)
        batch, tokens, num_heads, depth = self.sizes
        by_head = out_grad.reshape(self.sizes).permute(0, 2, 1, 3).reshape(query.shape)
        # Mean gradient of the weights, weighted by them.
        mean = (out_grad * out).reshape(self.sizes).sum(dim=-1).permute(0, 2, 1).reshape(log_sum.shape)
        gradients = []
        for pairs, queries in self.parts:
            keys, values = key[pairs], value[pairs].transpose(0, 2, 1)
            query_parts, key_sum, value_sum = [], None, None
            for some in queries:
                place = (pairs, some)
                found = _part_gradient(
                    query[place], keys, values, by_head[place], log_sum[place], mean[place]
                )
                query_parts.append(found[0])
                key_sum = found[1] if key_sum is None else (key_sum + found[1]).stop_fuse()
                value_sum = found[2] if value_sum is None else (value_sum + found[2]).stop_fuse()
            query_grad = _joined(query_parts, dim=1)
            gradients.append(
                jt.stack([query_grad, key_sum.transpose(0, 2, 1), value_sum.transpose(0, 2, 1)], dim=0)
            )
        stacked = _joined(gradients, dim=1).reshape(3, batch, num_heads, tokens, depth)
        return stacked.permute(1, 3, 0, 2, 4).reshape(qkv.shape)

    def _by_head(self, qkv: jt.Var) -> tuple[jt.Var, jt.Var, jt.Var]:
        """(B, N, 3 C) -> query, divided by sqrt(d), key and value, each (P, N, d)."""
        batch, tokens, num_heads, depth = self.sizes
        heads = qkv.reshape(batch, tokens, 3, num_heads, depth).permute(2, 0, 3, 1, 4)
        heads = heads.reshape(3, batch * num_heads, tokens, depth)
        return heads[0] * depth**-0.5, heads[1], heads[2]


def _joined(arrays: list[jt.Var], dim: int) -> jt.Var:
    """Concatenate by the same compiled operator, whatever the number of arrays."""
    if len(arrays) == 1:
        return arrays[0]
    shape = list(arrays[0].shape)
    shape[dim] = sum(array.shape[dim] for array in arrays)
    joined, start = jt.empty(shape), 0
    for array in arrays:
        end = start + array.shape[dim]
        joined = joined.setitem((*[slice(None)] * dim, slice(start, end)), array).stop_fuse()
        start = end
    return joined


def _attended(query: jt.Var, keys: jt.Var, values: jt.Var) -> tuple[jt.Var, jt.Var]:
    """The attention of n queries in each of p pairs.

    Args:
        query: (p, n, d), divided by sqrt(d).
        keys: (p, d, N).
        values: (p, N, d).

    Returns:
        (p, n, d), and the logarithm of the sum of exp(score), (p, n, 1).
    """
    scores = jt.matmul(query, keys)
    top = scores.max(dim=-1, keepdims=True)
    weights = jt.exp(scores - top).stop_fuse()
    total = weights.sum(dim=-1, keepdims=True)
    return jt.matmul(weights, values) / total, top + jt.log(total)


def _part_gradient(
    query: jt.Var, key: jt.Var, values: jt.Var, out_grad: jt.Var, log_sum: jt.Var, mean: jt.Var
) -> tuple[jt.Var, jt.Var, jt.Var]:
    """Gradients that come from n queries of p pairs.

    Args:
        query: (p, n, d), divided by sqrt(d).
        key: (p, N, d).
        values: (p, d, N).
        out_grad: (p, n, d).
        log_sum, mean: (p, n, 1), of the exponentials and of the gradient of the weights.

    Returns:
        Of the undivided query (p, n, d); of keys and values, (p, d, N) each.
    """
    # Fused with its uses, it would be compiled in several variants, depending on the number of parts.
    weights = jt.exp(jt.matmul(query, key.transpose(0, 2, 1)) - log_sum).stop_fuse()
    score_grad = weights * (jt.matmul(out_grad, values) - mean)
    # Queries and gradients are transposed, not the much larger weights.
    key_grad = jt.matmul(query.transpose(0, 2, 1), score_grad)
    value_grad = jt.matmul(out_grad.transpose(0, 2, 1), weights)
    return jt.matmul(score_grad, key) * query.shape[2] ** -0.5, key_grad, value_grad
