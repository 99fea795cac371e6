// Layer norm: of one row and its gradient, again from its moments, and the gradient of rows whose weights' gradients
// grow.
#pragma once

#include <cmath>
#include <vector>

#include "column_sums.h"

namespace hssl {

// out = (in - mean) scale weight + bias; moments: mean and scale, which is 1 / standard deviation.
inline void norm_row_again(long channels, const float* in, const float* weight, const float* bias,
                           const float* moments, float* out) {
    const float mean = moments[0], scale = moments[1];
#pragma omp simd
    for (long j = 0; j < channels; j++) out[j] = (in[j] - mean) * scale * weight[j] + bias[j];
}

// The same, from moments that it computes.
inline void norm_row(long channels, float eps, const float* in, const float* weight, const float* bias, float* out,
                     float* moments) {
    float sum = 0.f, squares = 0.f;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < channels; j++) sum += in[j];
    const float mean = sum / channels;
#pragma omp simd reduction(+ : squares)
    for (long j = 0; j < channels; j++) squares += (in[j] - mean) * (in[j] - mean);
    const float scale = 1.f / std::sqrt(squares / channels + eps);
    moments[0] = mean;
    moments[1] = scale;
    norm_row_again(channels, in, weight, bias, moments, out);
}

// store(j, gradient of in[j]) for each j; weight_sums and bias_sums grow by the row's share.
template <class Store>
void norm_row_gradient(long channels, const float* slope, const float* in, const float* weight, const float* moments,
                       float* weight_sums, float* bias_sums, Store store) {
    const float mean = moments[0], scale = moments[1];
    float sum = 0.f, product = 0.f;
#pragma omp simd reduction(+ : sum, product)
    for (long j = 0; j < channels; j++) {
        const float normed = (in[j] - mean) * scale, weighted = slope[j] * weight[j];
        sum += weighted;
        product += weighted * normed;
        weight_sums[j] += slope[j] * normed;
        bias_sums[j] += slope[j];
    }
    sum /= channels;
    product /= channels;
#pragma omp simd
    for (long j = 0; j < channels; j++)
        store(j, scale * (slope[j] * weight[j] - sum - (in[j] - mean) * scale * product));
}

// y (rows, channels) = norm(x), from the moments that it was computed with before.
inline void norm_again(long rows, long channels, const float* x, const float* weight, const float* bias,
                       const float* moments, float* y) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++)
        norm_row_again(channels, x + i * channels, weight, bias, moments + 2 * i, y + i * channels);
}

// x_grad = straight_grad (zeros if null) + the gradient through the norm; those of weight and bias grow.
inline void norm_gradient(long rows, long channels, const float* y_grad, const float* x, const float* weight,
                          const float* moments, const float* straight_grad, float* x_grad, float* weight_grad,
                          float* bias_grad) {
    std::vector<float> totals(2 * channels, 0.f);
    add_row_sums(rows, 2 * channels, totals.data(), [&](long i, float* sums) {
        const float *slope = y_grad + i * channels, *in = x + i * channels;
        float* out = x_grad + i * channels;
        auto visit = [&](auto store) {
            norm_row_gradient(channels, slope, in, weight, moments + 2 * i, sums, sums + channels, store);
        };
        if (straight_grad == nullptr) return visit([=](long j, float gradient) { out[j] = gradient; });
        const float* straight = straight_grad + i * channels;
        visit([=](long j, float gradient) { out[j] = straight[j] + gradient; });
    });
    for (long j = 0; j < channels; j++) {
        weight_grad[j] += totals[j];
        bias_grad[j] += totals[channels + j];
    }
}

}  // namespace hssl
