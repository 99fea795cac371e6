// An MLP after a layer norm whose products take bfloat16.
#include "normed_mlp_rounded.h"

#include <vector>

#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "norm_rows.h"
#include "products.h"
#include "vector_math.h"

using hssl::Arena;
using hssl::MlpGradients;
using hssl::MlpSizes;
using hssl::MlpWeights;
using hssl::multiply_rounded;
using hssl::Rounded;
using hssl::rounded;
using hssl::PackedLayers;
using hssl::ThreadGradients;
using hssl::widened;

namespace {

// Calls visit(row, room for `channels` floats) for each row.
template <class Visit>
void each_row(long rows, long channels, Visit visit) {
#pragma omp parallel
    {
        std::vector<float> room(channels);
#pragma omp for schedule(static)
        for (long i = 0; i < rows; i++) visit(i, room.data());
    }
}

// From a product: z = product + bias, rounded, and hidden = GELU(z), rounded.
void bias_and_gelu(long rows, long columns, const float* product, const float* bias, Rounded* z, Rounded* hidden) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float* from = product + i * columns;
        Rounded *before = z + i * columns, *after = hidden + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) {
            float bell;
            const Rounded kept = rounded(from[j] + bias[j]);
            const float value = widened(kept);
            before[j] = kept;
            after[j] = rounded(value * hssl::normal_cdf(value, bell));
        }
    }
}

// From z and the gradient of GELU(z): GELU(z) and the gradient of z, both rounded; the latter grows `sums` by column.
void gelu_and_gradient(long rows, long columns, const Rounded* z, const float* slope, Rounded* hidden,
                       Rounded* z_grad, float* sums) {
    hssl::add_row_sums(rows, columns, sums, [&](long i, float* partial) {
        const Rounded* before = z + i * columns;
        const float* of_gelu = slope + i * columns;
        Rounded *after = hidden + i * columns, *result = z_grad + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) {
            float bell;
            const float value = widened(before[j]), cdf = hssl::normal_cdf(value, bell);
            const float gradient = of_gelu[j] * (cdf + value * 0.3989422804f * bell);
            after[j] = rounded(value * cdf);
            result[j] = rounded(gradient);
            partial[j] += gradient;
        }
    });
}

// Kept between calls; every call ends before the next one.
PackedLayers forward_layers, backward_layers;

}  // namespace

void hssl::norm_rounded(long rows, long channels, double eps, const float* x, const float* weight, const float* bias,
                        Rounded* normed, float* moments) {
    each_row(rows, channels, [&](long i, float* row) {
        norm_row(channels, static_cast<float>(eps), x + i * channels, weight, bias, row, moments + 2 * i);
        round_row(channels, row, normed + i * channels);
    });
}

void hssl::norm_rounded_again(long rows, long channels, const float* x, const float* weight, const float* bias,
                              const float* moments, Rounded* normed) {
    each_row(rows, channels, [&](long i, float* row) {
        norm_row_again(channels, x + i * channels, weight, bias, moments + 2 * i, row);
        round_row(channels, row, normed + i * channels);
    });
}

void hssl::rounded_mlp_rows(long rows, const MlpSizes& s, double eps, const float* x, const MlpWeights& w,
                            const PackedLayers& layers, float* y, float* moments, Rounded* z, Rounded* normed,
                            Rounded* hidden, float* product) {
    norm_rounded(rows, s.in, eps, x, w.norm_weight, w.norm_bias, normed, moments);
    layers.expand.multiply(rows, normed, product);
    bias_and_gelu(rows, s.hidden, product, w.expand_bias, z, hidden);
    layers.contract.multiply(rows, hidden, y);
    add_bias(rows, s.out, w.contract_bias, y);
}

void hssl::rounded_mlp_gradient_rows(long rows, const MlpSizes& s, const float* y_grad, const float* x,
                                     const MlpWeights& w, const PackedLayers& layers, const float* moments,
                                     const Rounded* z, const float* straight_grad, float* x_grad,
                                     const MlpGradients& g, const RoundedMlpRoom& room) {
    add_column_sums(rows, s.out, y_grad, g.contract_bias);
    round_all(rows * s.out, y_grad, room.slope);
    layers.contract.multiply(rows, room.slope, room.product);
    gelu_and_gradient(rows, s.hidden, z, room.product, room.hidden, room.z_grad, g.expand_bias);
    multiply_rounded('T', 'N', s.out, s.hidden, rows, room.slope, room.hidden, g.contract, true);
    norm_rounded_again(rows, s.in, x, w.norm_weight, w.norm_bias, moments, room.normed);
    multiply_rounded('T', 'N', s.hidden, s.in, rows, room.z_grad, room.normed, g.expand, true);
    layers.expand.multiply(rows, room.z_grad, room.normed_grad);
    norm_gradient(rows, s.in, room.normed_grad, x, w.norm_weight, moments, straight_grad, x_grad, g.norm_weight,
                  g.norm_bias);
}

void hssl_normed_mlp_rounded(long rows, long in_dim, long hidden_dim, long out_dim, double eps, const float* x,
                             const float* norm_weight, const float* norm_bias, const float* expand,
                             const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                             float* moments, void* z) {
    const MlpSizes s{in_dim, hidden_dim, out_dim};
    const MlpWeights w{norm_weight, norm_bias, expand, expand_bias, contract, contract_bias};
    forward_layers.pack_forward(s, w);
    Rounded* kept = static_cast<Rounded*>(z);
    hssl::each_rounded_chunk(rows, 1, hssl::threads_for(rows, 1), [&](int, long first, long count) {
        Arena arena(count * (s.in + 3 * s.hidden + 2));
        Rounded *normed = arena.take_rounded(count * s.in), *hidden = arena.take_rounded(count * s.hidden),
                *before = kept ? kept + first * s.hidden : arena.take_rounded(count * s.hidden);
        float *product = arena.take(count * s.hidden),
              *of_norm = moments ? moments + 2 * first : arena.take(2 * count);
        hssl::rounded_mlp_rows(count, s, eps, x + first * s.in, w, forward_layers, y + first * s.out, of_norm, before,
                               normed, hidden, product);
    });
}

void hssl_normed_mlp_rounded_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                                      const float* x, const float* norm_weight, const float* norm_bias,
                                      const float* expand, const float* contract, const float* moments,
                                      const void* z, float* x_grad, float* norm_weight_grad, float* norm_bias_grad,
                                      float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                      float* contract_bias_grad) {
    const MlpSizes s{in_dim, hidden_dim, out_dim};
    const MlpWeights w{norm_weight, norm_bias, expand, nullptr, contract, nullptr};
    backward_layers.pack_backward(s, w);
    const Rounded* kept = static_cast<const Rounded*>(z);
    const std::vector<ThreadGradients::One> all = {
        {norm_weight_grad, in_dim},       {norm_bias_grad, in_dim},       {expand_grad, hidden_dim * in_dim},
        {expand_bias_grad, hidden_dim},   {contract_grad, out_dim * hidden_dim}, {contract_bias_grad, out_dim}};
    const int threads = ThreadGradients::affordable(hssl::threads_for(rows, 1), all);
    const ThreadGradients gradients(threads, all);
    hssl::each_rounded_chunk(rows, 1, threads, [&](int thread, long first, long count) {
        const std::vector<float*> g = gradients.of(thread);
        Arena arena(count * (2 * s.in + s.out + 3 * s.hidden));
        const hssl::RoundedMlpRoom room{arena.take_rounded(count * s.out),    arena.take_rounded(count * s.in),
                                        arena.take_rounded(count * s.hidden), arena.take_rounded(count * s.hidden),
                                        arena.take(count * s.hidden),         arena.take(count * s.in)};
        hssl::rounded_mlp_gradient_rows(count, s, y_grad + first * s.out, x + first * s.in, w, backward_layers,
                                        moments + 2 * first, kept + first * s.hidden, nullptr, x_grad + first * s.in,
                                        MlpGradients{g[0], g[1], g[2], g[3], g[4], g[5]}, room);
    });
    gradients.add_up();
}
