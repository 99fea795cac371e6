// Layer norm, and rows scaled to length one.
#include <cmath>
#include <vector>

#include "column_sums.h"
#include "kernels.h"

void hssl_layer_norm(long rows, long channels, double eps, const float* x, const float* weight, const float* bias,
                     float* y, float* moments) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float* in = x + i * channels;
        float *out = y + i * channels, sum = 0.f, squares = 0.f;
#pragma omp simd reduction(+ : sum)
        for (long j = 0; j < channels; j++) sum += in[j];
        const float mean = sum / channels;
#pragma omp simd reduction(+ : squares)
        for (long j = 0; j < channels; j++) squares += (in[j] - mean) * (in[j] - mean);
        const float scale = 1.f / std::sqrt(squares / channels + static_cast<float>(eps));
        moments[2 * i] = mean;
        moments[2 * i + 1] = scale;
#pragma omp simd
        for (long j = 0; j < channels; j++) out[j] = (in[j] - mean) * scale * weight[j] + bias[j];
    }
}

void hssl_layer_norm_gradient(long rows, long channels, const float* y_grad, const float* x, const float* weight,
                              const float* moments, float* x_grad, float* weight_grad, float* bias_grad) {
    std::vector<float> totals(2 * channels);
    hssl::reduce_rows(rows, 2 * channels, totals.data(), [&](long i, float* sums) {
        const float *slope = y_grad + i * channels, *in = x + i * channels;
        const float mean = moments[2 * i], scale = moments[2 * i + 1];
        float *out = x_grad + i * channels, *bias_sums = sums + channels, sum = 0.f, product = 0.f;
#pragma omp simd reduction(+ : sum, product)
        for (long j = 0; j < channels; j++) {
            const float normed = (in[j] - mean) * scale, weighted = slope[j] * weight[j];
            sum += weighted;
            product += weighted * normed;
            sums[j] += slope[j] * normed;
            bias_sums[j] += slope[j];
        }
        sum /= channels;
        product /= channels;
#pragma omp simd
        for (long j = 0; j < channels; j++)
            out[j] = scale * (slope[j] * weight[j] - sum - (in[j] - mean) * scale * product);
    });
    std::copy_n(totals.data(), channels, weight_grad);
    std::copy_n(totals.data() + channels, channels, bias_grad);
}

void hssl_l2_normalize(long rows, long channels, double eps, const float* x, float* y, float* scales) {
    const float least = static_cast<float>(eps);
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float* in = x + i * channels;
        float *out = y + i * channels, squares = 0.f;
#pragma omp simd reduction(+ : squares)
        for (long j = 0; j < channels; j++) squares += in[j] * in[j];
        const float norm = std::sqrt(squares), scale = 1.f / (norm > least ? norm : least);
        scales[i] = norm > least ? scale : -scale;
#pragma omp simd
        for (long j = 0; j < channels; j++) out[j] = in[j] * scale;
    }
}

void hssl_l2_normalize_gradient(long rows, long channels, const float* y_grad, const float* y, const float* scales,
                                float* x_grad) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float *slope = y_grad + i * channels, *unit = y + i * channels;
        float *out = x_grad + i * channels, along = 0.f;
#pragma omp simd reduction(+ : along)
        for (long j = 0; j < channels; j++) along += slope[j] * unit[j];
        if (scales[i] < 0.f) along = 0.f;
        const float scale = std::fabs(scales[i]);
#pragma omp simd
        for (long j = 0; j < channels; j++) out[j] = (slope[j] - unit[j] * along) * scale;
    }
}
