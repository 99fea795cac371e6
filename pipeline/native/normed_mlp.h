// An MLP with one hidden GELU layer after a layer norm, on the rows of a chunk (see chunks.h).
#pragma once

#include "products.h"

namespace hssl {

struct MlpSizes {
    long in, hidden, out;
};

struct MlpWeights {
    const float *norm_weight, *norm_bias, *expand, *expand_bias, *contract, *contract_bias;
};

struct MlpGradients {
    float *norm_weight, *norm_bias, *expand, *expand_bias, *contract, *contract_bias;
};

// The weights of both layers, for the products of a forward pass.
struct MlpLayers {
    LayerWeight expand, contract;

    // For so many rows in all; outside of parallel regions.
    void set(long rows, const MlpSizes& s, const MlpWeights& w) {
        expand.set(rows, s.hidden, s.in, w.expand);
        contract.set(rows, s.out, s.hidden, w.contract);
    }
};

// y = MLP(norm(x)); z: hidden values before GELU; normed (rows, in) and hidden (rows, hidden) are room to work in.
void normed_mlp_rows(long rows, const MlpSizes& s, double eps, const float* x, const MlpWeights& w,
                     const MlpLayers& layers, float* y, float* moments, float* z, float* normed, float* hidden);

// x_grad = straight_grad (zeros if null) + the gradient through norm and MLP; `g` grows. Room to work in: normed and
// normed_grad (rows, in), hidden and z_grad (rows, hidden).
void normed_mlp_gradient_rows(long rows, const MlpSizes& s, const float* y_grad, const float* x, const MlpWeights& w,
                              const float* moments, const float* z, const float* straight_grad, float* x_grad,
                              const MlpGradients& g, float* normed, float* normed_grad, float* hidden, float* z_grad);

}  // namespace hssl
