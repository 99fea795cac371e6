// Multi-head attention whose products take bfloat16; shapes as of hssl_attention.
#pragma once

#include "rounding.h"

namespace hssl {

void attention_rounded(long batch, long tokens, long heads, long depth, const Rounded* qkv, Rounded* out,
                       float* log_sums);

void attention_rounded_gradient(long batch, long tokens, long heads, long depth, const Rounded* qkv,
                                const Rounded* out, const float* log_sums, const float* out_grad, float* qkv_grad);

}  // namespace hssl
