// Layer norm, and rows scaled to length one.
#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "norm_rows.h"

void hssl_layer_norm(long rows, long channels, double eps, const float* x, const float* weight, const float* bias,
                     float* y, float* moments) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++)
        hssl::norm_row(channels, static_cast<float>(eps), x + i * channels, weight, bias, y + i * channels,
                       moments + 2 * i);
}

void hssl_layer_norm_gradient(long rows, long channels, const float* y_grad, const float* x, const float* weight,
                              const float* moments, float* x_grad, float* weight_grad, float* bias_grad) {
    std::fill_n(weight_grad, channels, 0.f);
    std::fill_n(bias_grad, channels, 0.f);
    hssl::norm_gradient(rows, channels, y_grad, x, weight, moments, nullptr, x_grad, weight_grad, bias_grad);
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
