// The mean over an image's positions of a GELU layer after a layer norm, as one call, forward and backward: the GELU's
// output is added up where it is computed, and never stored. Products are oneDNN's.
#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "norm_rows.h"
#include "products.h"
#include "vector_math.h"

using hssl::Arena;
using hssl::multiply_exact;
using hssl::ThreadGradients;

namespace {

struct Sizes {
    long images, positions, in, out;
};

// Positions added up in one float before the sums are: thousands in one would drift.
constexpr long kRun = 64;

// z grows by the bias; mean (images, out) = mean over positions of GELU(z).
void add_bias_and_average(long images, const Sizes& s, const float* bias, float* z, float* mean) {
    const float share = 1.f / s.positions;
#pragma omp parallel for schedule(static)
    for (long image = 0; image < images; image++) {
        float* total = mean + image * s.out;
        std::fill_n(total, s.out, 0.f);
        std::vector<float> run(s.out);
        for (long start = 0; start < s.positions; start += kRun) {
            std::fill(run.begin(), run.end(), 0.f);
            float* sums = run.data();
            for (long i = start; i < std::min(start + kRun, s.positions); i++) {
                float* row = z + (image * s.positions + i) * s.out;
#pragma omp simd
                for (long j = 0; j < s.out; j++) {
                    float bell;
                    const float value = row[j] + bias[j];
                    row[j] = value;
                    sums[j] += value * hssl::normal_cdf(value, bell);
                }
            }
#pragma omp simd
            for (long j = 0; j < s.out; j++) total[j] += share * sums[j];
        }
    }
}

// z_grad of every position from the gradient of its image's mean; by column it is added to `sums`.
void gelu_gradient(long images, const Sizes& s, const float* mean_grad, const float* z, float* z_grad, float* sums) {
    const float share = 1.f / s.positions;
    hssl::add_row_sums(images * s.positions, s.out, sums, [&](long i, float* partial) {
        const float *slope = mean_grad + i / s.positions * s.out, *before = z + i * s.out;
        float* result = z_grad + i * s.out;
#pragma omp simd
        for (long j = 0; j < s.out; j++) {
            float bell;
            const float cdf = hssl::normal_cdf(before[j], bell);
            result[j] = share * slope[j] * (cdf + before[j] * 0.3989422804f * bell);
            partial[j] += result[j];
        }
    });
}

}  // namespace

void hssl_normed_gelu_mean(long images, long positions, long in_dim, long out_dim, double eps, const float* x,
                           const float* norm_weight, const float* norm_bias, const float* weight, const float* bias,
                           float* mean, float* moments, float* z) {
    const Sizes s{images, positions, in_dim, out_dim};
    hssl::LayerWeight layer;
    layer.set(images * positions, out_dim, in_dim, weight);
    hssl::each_chunk(images, positions, hssl::threads_for(images, positions), [&](int, long image, long count) {
        const long rows = count * s.positions, first = image * s.positions;
        Arena arena(rows * (s.in + s.out + 2));
        float* normed = arena.take(rows * s.in);
        float *of_norm = moments ? moments + 2 * first : arena.take(2 * rows),
              *before = z ? z + first * s.out : arena.take(rows * s.out);
        hssl_layer_norm(rows, s.in, eps, x + first * s.in, norm_weight, norm_bias, normed, of_norm);
        layer.multiply(rows, normed, before);
        add_bias_and_average(count, s, bias, before, mean + image * s.out);
    });
}

void hssl_normed_gelu_mean_gradient(long images, long positions, long in_dim, long out_dim, const float* mean_grad,
                                    const float* x, const float* norm_weight, const float* norm_bias,
                                    const float* weight, const float* moments, const float* z, float* x_grad,
                                    float* norm_weight_grad, float* norm_bias_grad, float* weight_grad,
                                    float* bias_grad) {
    const Sizes s{images, positions, in_dim, out_dim};
    const std::vector<ThreadGradients::One> all = {
        {norm_weight_grad, in_dim}, {norm_bias_grad, in_dim}, {weight_grad, out_dim * in_dim}, {bias_grad, out_dim}};
    const int threads = ThreadGradients::affordable(hssl::threads_for(images, positions), all);
    const ThreadGradients gradients(threads, all);
    hssl::each_chunk(images, positions, threads, [&](int thread, long image, long count) {
        const std::vector<float*> g = gradients.of(thread);
        const long rows = count * s.positions, first = image * s.positions;
        Arena arena(rows * (2 * s.in + s.out));
        float *normed = arena.take(rows * s.in), *normed_grad = arena.take(rows * s.in),
              *z_grad = arena.take(rows * s.out);
        const float *in = x + first * s.in, *of_norm = moments + 2 * first;
        gelu_gradient(count, s, mean_grad + image * s.out, z + first * s.out, z_grad, g[3]);
        hssl::norm_again(rows, s.in, in, norm_weight, norm_bias, of_norm, normed);
        multiply_exact('T', 'N', s.out, s.in, rows, z_grad, normed, g[2], true);
        multiply_exact('N', 'N', rows, s.in, s.out, z_grad, weight, normed_grad, false);
        hssl::norm_gradient(rows, s.in, normed_grad, in, norm_weight, of_norm, nullptr, x_grad + first * s.in, g[0],
                            g[1]);
    });
    gradients.add_up();
}
