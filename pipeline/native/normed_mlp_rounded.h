// An MLP after a layer norm whose products take bfloat16, on the rows of a chunk (see chunks.h). Norm, GELU, biases and
// sums are float32.
#pragma once

#include "linear_rows.h"
#include "normed_mlp.h"
#include "products.h"
#include "rounding.h"

namespace hssl {

// The weights of both layers, rounded: as factors of the forward pass or, transposed, of the gradients of its inputs.
struct PackedLayers {
    PackedFactor expand, contract;

    void pack_forward(const MlpSizes& s, const MlpWeights& w) {
        expand.pack('T', s.hidden, s.in, w.expand);
        contract.pack('T', s.out, s.hidden, w.contract);
    }
    void pack_backward(const MlpSizes& s, const MlpWeights& w) {
        expand.pack('N', s.in, s.hidden, w.expand);
        contract.pack('N', s.hidden, s.out, w.contract);
    }
};

// normed (rows, channels) = norm(x), rounded; moments (rows, 2).
void norm_rounded(long rows, long channels, double eps, const float* x, const float* weight, const float* bias,
                  Rounded* normed, float* moments);

// The same from the moments that it was computed with before.
void norm_rounded_again(long rows, long channels, const float* x, const float* weight, const float* bias,
                        const float* moments, Rounded* normed);

// y = MLP(norm(x)); z: hidden values before GELU; room to work in: normed (rows, in), hidden (rows, hidden), and
// product (rows, hidden).
void rounded_mlp_rows(long rows, const MlpSizes& s, double eps, const float* x, const MlpWeights& w,
                      const PackedLayers& layers, float* y, float* moments, Rounded* z, Rounded* normed,
                      Rounded* hidden, float* product);

// Room to work in of a gradient: of `rows` rows each.
struct RoundedMlpRoom {
    Rounded *slope, *normed, *hidden, *z_grad;  // widths: out, in, hidden, hidden
    float *product, *normed_grad;               // hidden, in
};

// x_grad = straight_grad (zeros if null) + the gradient through norm and MLP; `g` grows.
void rounded_mlp_gradient_rows(long rows, const MlpSizes& s, const float* y_grad, const float* x, const MlpWeights& w,
                               const PackedLayers& layers, const float* moments, const Rounded* z,
                               const float* straight_grad, float* x_grad, const MlpGradients& g,
                               const RoundedMlpRoom& room);

}  // namespace hssl
