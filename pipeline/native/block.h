// Sizes, weights and gradients of a transformer block, and its residual sums.
#pragma once

#include <vector>

#include "chunks.h"
#include "normed_mlp.h"

namespace hssl {

struct BlockSizes {
    long images, tokens, channels, hidden, heads;
    long depth() const { return channels / heads; }
    MlpSizes mlp() const { return {channels, hidden, channels}; }
};

struct BlockWeights {
    const float *norm1_weight, *norm1_bias, *qkv_weight, *qkv_bias, *out_weight, *out_bias, *norm2_weight,
        *norm2_bias, *expand, *expand_bias, *contract, *contract_bias;
    MlpWeights mlp() const { return {norm2_weight, norm2_bias, expand, expand_bias, contract, contract_bias}; }
};

struct BlockGradients {
    float *norm1_weight, *norm1_bias, *qkv_weight, *qkv_bias, *out_weight, *out_bias, *norm2_weight, *norm2_bias,
        *expand, *expand_bias, *contract, *contract_bias;
    MlpGradients mlp() const { return {norm2_weight, norm2_bias, expand, expand_bias, contract, contract_bias}; }

    // With the length of each, in order.
    std::vector<ThreadGradients::One> all(const BlockSizes& s) const {
        const long c = s.channels, h = s.hidden;
        return {{norm1_weight, c}, {norm1_bias, c},  {qkv_weight, 3 * c * c}, {qkv_bias, 3 * c},
                {out_weight, c * c}, {out_bias, c},  {norm2_weight, c},       {norm2_bias, c},
                {expand, h * c},   {expand_bias, h}, {contract, c * h},       {contract_bias, c}};
    }
    static BlockGradients from(const std::vector<float*>& all) {
        return {all[0], all[1], all[2], all[3], all[4], all[5], all[6], all[7], all[8], all[9], all[10], all[11]};
    }
};

// What the forward pass keeps for the gradient, T in the precision of products; all null without a gradient.
template <class T>
struct BlockKept {
    T *qkv, *attended;
    float *log_sums, *middle;
    T* z;
    float *moments1, *moments2;

    // moments: of both norms, one behind the other
    static BlockKept of(const BlockSizes& s, const void* qkv, const void* attended, const float* log_sums,
                        const float* middle, const void* z, const float* moments) {
        auto turned = [](const void* from) { return static_cast<T*>(const_cast<void*>(from)); };
        float* pairs = const_cast<float*>(moments);
        return {turned(qkv), turned(attended), const_cast<float*>(log_sums), const_cast<float*>(middle),
                turned(z),   pairs,            pairs ? pairs + 2 * s.images * s.tokens : nullptr};
    }
};

// y = x + scale branch; each image has its scale, unless scales are null.
inline void add_branch(long rows, long c, long tokens, const float* x, const float* branch, const float* scales,
                       float* y) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float scale = scales ? scales[i / tokens] : 1.f;
#pragma omp simd
        for (long j = i * c; j < (i + 1) * c; j++) y[j] = x[j] + scale * branch[j];
    }
}

// branch_grad = scale y_grad
inline void scale_branch(long rows, long c, long tokens, const float* y_grad, const float* scales,
                         float* branch_grad) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float scale = scales ? scales[i / tokens] : 1.f;
#pragma omp simd
        for (long j = i * c; j < (i + 1) * c; j++) branch_grad[j] = scale * y_grad[j];
    }
}

}  // namespace hssl
