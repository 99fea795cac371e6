// Multi-head self-attention for any number of tokens: no matrix of all queries times all keys is ever in memory.
//
// qkv (batch, tokens, 3, heads, depth): query, key and value of a token beside each other; out and its gradient
// (batch, tokens, heads, depth); log_sums (batch, heads, tokens) float32: the logarithm of the softmax's denominator
// of q k^T / sqrt(depth). Numbers are float or bf16 (bf16 only with `Precision::bfloat16`); a depth of more than 128
// is an error. Products follow `precision()`; sums and exponentials are float32.
#pragma once

#include "device.cuh"
#include "scratch.cuh"

namespace hssl {

template <class T>
void attention(long batch, long tokens, long heads, long depth, const T* qkv, T* out, float* log_sums);

template <class T>
void attention_gradient(long batch, long tokens, long heads, long depth, const T* qkv, const T* out,
                        const float* log_sums, const T* out_grad, T* qkv_grad, Scratch& scratch);

}  // namespace hssl
