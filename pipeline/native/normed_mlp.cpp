// An MLP after a layer norm as one call, forward and backward. Products are oneDNN's.
#include "normed_mlp.h"

#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "linear_rows.h"
#include "norm_rows.h"
#include "products.h"
#include "vector_math.h"

using hssl::add_row_sums;
using hssl::Arena;
using hssl::MlpGradients;
using hssl::MlpSizes;
using hssl::MlpWeights;
using hssl::multiply_exact;
using hssl::ThreadGradients;

namespace {

// From z and the gradient of GELU(z): GELU(z), and in place of the gradient that of z, added by column to `sums`.
void gelu_and_gradient(long rows, long columns, const float* z, float* y, float* grad, float* sums) {
    add_row_sums(rows, columns, sums, [&](long i, float* partial) {
        const float* before = z + i * columns;
        float *after = y + i * columns, *slope = grad + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) {
            float bell;
            const float cdf = hssl::normal_cdf(before[j], bell);
            after[j] = before[j] * cdf;
            slope[j] *= cdf + before[j] * 0.3989422804f * bell;
            partial[j] += slope[j];
        }
    });
}

}  // namespace

void hssl::normed_mlp_rows(long rows, const MlpSizes& s, double eps, const float* x, const MlpWeights& w,
                           const MlpLayers& layers, float* y, float* moments, float* z, float* normed, float* hidden) {
    hssl_layer_norm(rows, s.in, eps, x, w.norm_weight, w.norm_bias, normed, moments);
    layers.expand.multiply(rows, normed, z);
    add_bias_gelu(rows, s.hidden, w.expand_bias, z, hidden);
    layers.contract.multiply(rows, hidden, y);
    add_bias(rows, s.out, w.contract_bias, y);
}

void hssl::normed_mlp_gradient_rows(long rows, const MlpSizes& s, const float* y_grad, const float* x,
                                    const MlpWeights& w, const float* moments, const float* z,
                                    const float* straight_grad, float* x_grad, const MlpGradients& g, float* normed,
                                    float* normed_grad, float* hidden, float* z_grad) {
    add_column_sums(rows, s.out, y_grad, g.contract_bias);
    multiply_exact('N', 'N', rows, s.hidden, s.out, y_grad, w.contract, z_grad, false);
    gelu_and_gradient(rows, s.hidden, z, hidden, z_grad, g.expand_bias);
    multiply_exact('T', 'N', s.out, s.hidden, rows, y_grad, hidden, g.contract, true);
    norm_again(rows, s.in, x, w.norm_weight, w.norm_bias, moments, normed);
    multiply_exact('T', 'N', s.hidden, s.in, rows, z_grad, normed, g.expand, true);
    multiply_exact('N', 'N', rows, s.in, s.hidden, z_grad, w.expand, normed_grad, false);
    norm_gradient(rows, s.in, normed_grad, x, w.norm_weight, moments, straight_grad, x_grad, g.norm_weight,
                  g.norm_bias);
}

void hssl_normed_mlp(long rows, long in_dim, long hidden_dim, long out_dim, double eps, const float* x,
                     const float* norm_weight, const float* norm_bias, const float* expand, const float* expand_bias,
                     const float* contract, const float* contract_bias, float* y, float* moments, float* z) {
    const MlpSizes s{in_dim, hidden_dim, out_dim};
    const MlpWeights w{norm_weight, norm_bias, expand, expand_bias, contract, contract_bias};
    hssl::MlpLayers layers;
    layers.set(rows, s, w);
    hssl::each_chunk(rows, 1, hssl::threads_for(rows, 1), [&](int, long first, long count) {
        Arena arena(count * (s.in + 2 * s.hidden + 2));
        float *normed = arena.take(count * s.in), *hidden = arena.take(count * s.hidden);
        float *of_norm = moments ? moments + 2 * first : arena.take(2 * count),
              *before = z ? z + first * s.hidden : arena.take(count * s.hidden);
        hssl::normed_mlp_rows(count, s, eps, x + first * s.in, w, layers, y + first * s.out, of_norm, before, normed,
                              hidden);
    });
}

void hssl_normed_mlp_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                              const float* x, const float* norm_weight, const float* norm_bias, const float* expand,
                              const float* contract, const float* moments, const float* z, float* x_grad,
                              float* norm_weight_grad, float* norm_bias_grad, float* expand_grad,
                              float* expand_bias_grad, float* contract_grad, float* contract_bias_grad) {
    const MlpSizes s{in_dim, hidden_dim, out_dim};
    const MlpWeights w{norm_weight, norm_bias, expand, nullptr, contract, nullptr};
    const std::vector<ThreadGradients::One> all = {
        {norm_weight_grad, in_dim},       {norm_bias_grad, in_dim},       {expand_grad, hidden_dim * in_dim},
        {expand_bias_grad, hidden_dim},   {contract_grad, out_dim * hidden_dim}, {contract_bias_grad, out_dim}};
    const int threads = ThreadGradients::affordable(hssl::threads_for(rows, 1), all);
    const ThreadGradients gradients(threads, all);
    hssl::each_chunk(rows, 1, threads, [&](int thread, long first, long count) {
        const std::vector<float*> g = gradients.of(thread);
        Arena arena(count * 2 * (s.in + s.hidden));
        float *normed = arena.take(count * s.in), *normed_grad = arena.take(count * s.in),
              *hidden = arena.take(count * s.hidden), *z_grad = arena.take(count * s.hidden);
        hssl::normed_mlp_gradient_rows(count, s, y_grad + first * s.out, x + first * s.in, w, moments + 2 * first,
                                       z + first * s.hidden, nullptr, x_grad + first * s.in,
                                       MlpGradients{g[0], g[1], g[2], g[3], g[4], g[5]}, normed, normed_grad, hidden,
                                       z_grad);
    });
    gradients.add_up();
}
