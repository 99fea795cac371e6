// A pre-norm transformer block as one call, forward and backward: no host between its parts, and what it keeps is
// as small as products read it. T: what products multiply, bfloat16 or float.
#include "attention.cuh"
#include "block_passes.cuh"
#include "casts.cuh"
#include "gelu_passes.cuh"
#include "kernels.h"
#include "layer_norm.cuh"
#include "precision.cuh"
#include "products.cuh"

#include <algorithm>

using hssl::as_factors;
using hssl::column_pass;
using hssl::PathScales;
using hssl::product;
using hssl::Scratch;
using hssl::with_factor;

namespace {

struct Sizes {
    long images, tokens, channels, hidden, heads;
    long rows() const { return images * tokens; }
    long matrix() const { return rows() * channels; }
    long depth() const { return channels / heads; }
};

struct Weights {
    const float *norm1_weight, *norm1_bias, *qkv_weight, *qkv_bias, *out_weight, *out_bias, *norm2_weight,
        *norm2_bias, *expand, *expand_bias, *contract, *contract_bias;
};

struct Gradients {
    float *norm1_weight, *norm1_bias, *qkv_weight, *qkv_bias, *out_weight, *out_bias, *norm2_weight, *norm2_bias,
        *expand, *expand_bias, *contract, *contract_bias;
};

// What the forward pass leaves for the gradient.
template <class T>
struct Kept {
    T *qkv, *attended;
    float* log_sums;
    T *added, *z;  // `added`: what attention adds to x, before the scale; half of the sum's bytes in bfloat16
    float *moments1, *moments2;
};

template <class T>
void forward(const Sizes& s, double eps, const float* x, const float* path_scales, const Weights& w, float* y,
             const Kept<T>& kept) {
    Scratch scratch;
    const long rows = s.rows(), c = s.channels, h = s.hidden;
    const T *qkv_weight, *qkv_bias, *out_weight, *out_bias, *expand, *expand_bias, *contract, *contract_bias;
    as_factors<T>({{w.qkv_weight, 3 * c * c, &qkv_weight},
                   {w.qkv_bias, 3 * c, &qkv_bias},
                   {w.out_weight, c * c, &out_weight},
                   {w.out_bias, c, &out_bias},
                   {w.expand, h * c, &expand},
                   {w.expand_bias, h, &expand_bias},
                   {w.contract, c * h, &contract},
                   {w.contract_bias, c, &contract_bias}},
                  scratch);
    T *normed = scratch.take<T>(s.matrix()), *branch = scratch.take<T>(s.matrix());
    hssl::layer_norm<T>(rows, c, eps, x, w.norm1_weight, w.norm1_bias, normed, kept.moments1);
    product<T, T>(rows, 3 * c, c, normed, false, qkv_weight, true, qkv_bias, kept.qkv);
    hssl::attention<T>(s.images, s.tokens, s.heads, s.depth(), kept.qkv, kept.attended, kept.log_sums);
    product<T, T>(rows, c, c, kept.attended, false, out_weight, true, out_bias, kept.added);
    // y is the sum after attention until the end.
    hssl::add_and_norm<T>(rows, c, eps, x, {kept.added, path_scales, s.tokens, y}, w.norm2_weight, w.norm2_bias,
                          normed, kept.moments2);
    product<T, T>(rows, h, c, normed, false, expand, true, expand_bias, kept.z);
    T* hidden = scratch.take<T>(rows * h);
    hssl::each_element("gelu", rows * h, hssl::GeluPass<T, T>{kept.z, hidden});
    product<T, T>(rows, c, h, hidden, false, contract, true, contract_bias, branch);
    const PathScales scales{path_scales ? path_scales + s.images : nullptr, s.tokens};
    column_pass("add", rows, c, hssl::AddPass<T>{y, branch, scales, y, c}, nullptr, scratch);
}

template <class T>
void backward(const Sizes& s, double eps, const float* y_grad, const float* x, const float* path_scales, const Weights& w,
              const Kept<T>& kept, float* x_grad, const Gradients& g) {
    Scratch scratch;
    const long rows = s.rows(), c = s.channels, h = s.hidden;
    const T *qkv_weight, *out_weight, *expand, *contract;
    as_factors<T>({{w.qkv_weight, 3 * c * c, &qkv_weight},
                   {w.out_weight, c * c, &out_weight},
                   {w.expand, h * c, &expand},
                   {w.contract, c * h, &contract}},
                  scratch);
    // Each of these three has the first one's memory, when the one before is no longer read.
    T* hidden = scratch.take<T>(std::max(rows * h, 3 * s.matrix()));
    float* middle = reinterpret_cast<float*>(hidden);  // the sum after attention
    T *qkv_grad = hidden, *z_grad = scratch.take<T>(rows * h);
    T *branch_grad = scratch.take<T>(s.matrix()), *normed = scratch.take<T>(s.matrix()),
      *normed_grad = scratch.take<T>(s.matrix());

    // The MLP.
    const PathScales mlp_scales{path_scales ? path_scales + s.images : nullptr, s.tokens};
    column_pass("scale", rows, c, hssl::ScalePass<T>{y_grad, mlp_scales, branch_grad, c}, g.contract_bias, scratch);
    product<T, T>(rows, h, c, branch_grad, false, contract, false, nullptr, z_grad);
    column_pass("gelu_gradient", rows, h, hssl::GeluGradientPass<T, T>{z_grad, kept.z, z_grad, hidden, h},
                g.expand_bias, scratch);
    product<T, float>(c, h, rows, branch_grad, true, hidden, false, nullptr, g.contract);
    hssl::add_and_norm<T>(rows, c, eps, x, {kept.added, path_scales, s.tokens, middle}, w.norm2_weight,
                          w.norm2_bias, normed, scratch.take<float>(2 * rows));
    product<T, float>(h, c, rows, z_grad, true, normed, false, nullptr, g.expand);
    product<T, T>(rows, c, h, z_grad, false, expand, false, nullptr, normed_grad);
    hssl::layer_norm_gradient<T>(rows, c, normed_grad, middle, w.norm2_weight, kept.moments2, y_grad, x_grad,
                                 g.norm2_weight, g.norm2_bias, scratch);

    // Attention; x_grad holds the gradient of that sum now.
    const PathScales scales{path_scales, s.tokens};
    T* attended_grad = normed_grad;
    column_pass("scale", rows, c, hssl::ScalePass<T>{x_grad, scales, branch_grad, c}, g.out_bias, scratch);
    product<T, float>(c, c, rows, branch_grad, true, kept.attended, false, nullptr, g.out_weight);
    product<T, T>(rows, c, c, branch_grad, false, out_weight, false, nullptr, attended_grad);
    hssl::attention_gradient<T>(s.images, s.tokens, s.heads, s.depth(), kept.qkv, kept.attended, kept.log_sums,
                                attended_grad, qkv_grad, scratch);
    column_pass("sum", rows, 3 * c, hssl::SumPass<T>{qkv_grad, 3 * c}, g.qkv_bias, scratch);
    hssl::layer_norm_again<T>(rows, c, x, w.norm1_weight, w.norm1_bias, kept.moments1, normed);
    product<T, float>(3 * c, c, rows, qkv_grad, true, normed, false, nullptr, g.qkv_weight);
    product<T, T>(rows, c, 3 * c, qkv_grad, false, qkv_weight, false, nullptr, normed_grad);
    hssl::layer_norm_gradient<T>(rows, c, normed_grad, x, w.norm1_weight, kept.moments1, x_grad, x_grad,
                                 g.norm1_weight, g.norm1_bias, scratch);
}

template <class T>
Kept<T> kept_of(const Sizes& s, const void* qkv, const void* attended, const float* log_sums, const void* added,
                const void* z, const float* moments) {
    auto turned = [](const void* from) { return static_cast<T*>(const_cast<void*>(from)); };
    float* pairs = const_cast<float*>(moments);
    return {turned(qkv), turned(attended), const_cast<float*>(log_sums), turned(added), turned(z), pairs,
            pairs + 2 * s.rows()};
}

}  // namespace

void hssl_device_block(long images, long tokens, long channels, long hidden_dim, long heads, double eps,
                       const float* x, const float* path_scales, const float* norm1_weight, const float* norm1_bias,
                       const float* qkv_weight, const float* qkv_bias, const float* out_weight, const float* out_bias,
                       const float* norm2_weight, const float* norm2_bias, const float* expand,
                       const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                       void* qkv, void* attended, float* log_sums, void* added, void* z, float* moments) {
    const Sizes s{images, tokens, channels, hidden_dim, heads};
    const Weights w{norm1_weight, norm1_bias, qkv_weight,  qkv_bias, out_weight,  out_bias,
                    norm2_weight, norm2_bias, expand,      expand_bias, contract, contract_bias};
    with_factor([&](auto t) {
        using T = decltype(t);
        forward<T>(s, eps, x, path_scales, w, y, kept_of<T>(s, qkv, attended, log_sums, added, z, moments));
    });
}

void hssl_device_block_gradient(long images, long tokens, long channels, long hidden_dim, long heads, double eps,
                                const float* y_grad, const float* x, const float* path_scales,
                                const float* norm1_weight, const float* norm1_bias, const float* qkv_weight,
                                const float* out_weight, const float* norm2_weight, const float* norm2_bias,
                                const float* expand, const float* contract, const void* qkv, const void* attended,
                                const float* log_sums, const void* added, const void* z, const float* moments,
                                float* x_grad, float* norm1_weight_grad, float* norm1_bias_grad,
                                float* qkv_weight_grad, float* qkv_bias_grad, float* out_weight_grad,
                                float* out_bias_grad, float* norm2_weight_grad, float* norm2_bias_grad,
                                float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                float* contract_bias_grad) {
    const Sizes s{images, tokens, channels, hidden_dim, heads};
    const Weights w{norm1_weight, norm1_bias, qkv_weight, nullptr, out_weight, nullptr,
                    norm2_weight, norm2_bias, expand,     nullptr, contract,   nullptr};
    const Gradients g{norm1_weight_grad, norm1_bias_grad, qkv_weight_grad, qkv_bias_grad,
                      out_weight_grad,   out_bias_grad,   norm2_weight_grad, norm2_bias_grad,
                      expand_grad,       expand_bias_grad, contract_grad,  contract_bias_grad};
    with_factor([&](auto t) {
        using T = decltype(t);
        backward<T>(s, eps, y_grad, x, path_scales, w, kept_of<T>(s, qkv, attended, log_sums, added, z, moments),
                    x_grad, g);
    });
}
