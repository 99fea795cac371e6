// Convolution with a bias, and ReLU if asked for, of several maps whose positions are the rows of one table.
#include <algorithm>

#include "chunks.h"
#include "column_sums.h"
#include "convolution.h"
#include "few_slopes.h"
#include "kernels.h"

namespace {

using hssl::Convolution;

// Below this many numbers threads cost more than they save.
constexpr long kWorthThreads = 20000;

struct Maps {
    long count;
    const int* sizes;  // images, height, width of each
    long in, out, side;

    long rows() const {
        long sum = 0;
        for (long i = 0; i < count; i++) sum += rows_of(i);
        return sum;
    }
    long rows_of(long i) const { return long(sizes[3 * i]) * sizes[3 * i + 1] * sizes[3 * i + 2]; }

    // Calls visit(index, convolution, first row) for each map.
    template <class Visit>
    void each(Visit visit) const {
        long first = 0;
        for (long i = 0; i < count; first += rows_of(i), i++) {
            const int* size = sizes + 3 * i;
            visit(i, Convolution{size[0], in, size[1], size[2], out, side, 1, true}, first);
        }
    }
};

// y + bias, or ReLU of it, which makes 0 of what is no number, as in Jittor.
void finish(long rows, long channels, bool relu, const float* bias, float* y) {
#pragma omp parallel for schedule(static) if (rows * channels > kWorthThreads)
    for (long i = 0; i < rows; i++) {
        float* row = y + i * channels;
#pragma omp simd
        for (long j = 0; j < channels; j++) {
            const float value = row[j] + bias[j];
            row[j] = relu && !(value > 0.f) ? 0.f : value;
        }
    }
}

}  // namespace

void hssl_biased_conv(long count, const int* sizes, long in_channels, long out_channels, long side, long shared,
                      long relu, const float* x, const float* const* weights, const float* const* biases, float* y) {
    const Maps maps{count, sizes, in_channels, out_channels, side};
    maps.each([&](long i, const Convolution& shape, long first) {
        const long layer = shared ? 0 : i;
        float* out = y + first * out_channels;
        hssl::convolve(shape, x + first * in_channels, weights[layer], out);
        finish(maps.rows_of(i), out_channels, relu != 0, biases[layer], out);
    });
}

void hssl_biased_conv_gradient(long count, const int* sizes, long in_channels, long out_channels, long side,
                               long shared, long relu, const float* y_grad, const float* x, const float* y,
                               const float* const* weights, float* const* weight_grads, float* const* bias_grads,
                               float* x_grad) {
    const Maps maps{count, sizes, in_channels, out_channels, side};
    const bool masked = relu != 0;
    const long rows = maps.rows(), length = out_channels * in_channels * side * side;
    hssl::ArenaOf<Maps> memory(rows * out_channels + length);
    float *behind_relu = memory.take(rows * out_channels), *of_map = memory.take(length);
    for (long layer = 0; layer < (shared ? 1 : count); layer++) std::fill_n(bias_grads[layer], out_channels, 0.f);
    maps.each([&](long i, const Convolution& shape, long first) {
        const long layer = shared ? 0 : i;
        const float* slopes = y_grad + first * out_channels;
        const float* values = y + first * out_channels;
        float* kept = behind_relu + first * out_channels;
        hssl::add_row_sums(maps.rows_of(i), out_channels, bias_grads[layer], [&](long row, float* sums) {
            const long at = row * out_channels;
#pragma omp simd
            for (long j = 0; j < out_channels; j++) {
                const float value = values[at + j], slope = slopes[at + j];
                // Both are read always, so that the loop has no branch.
                const float passed = (value > 0.f) | !masked ? slope : 0.f;
                kept[at + j] = passed;
                sums[j] += passed;
            }
        });
        // The filters of several maps gather their gradients in the maps' order.
        float* weight_grad = shared && i > 0 ? of_map : weight_grads[layer];
        const float* given = x + first * in_channels;
        float* to = x_grad == nullptr ? nullptr : x_grad + first * in_channels;
        const hssl::FewSlopes few(shape, kept);
        if (few.pay())
            few.gradient(given, weights[layer], to, weight_grad);
        else
            hssl::convolve_gradient(shape, given, weights[layer], kept, to, weight_grad);
        if (weight_grad != of_map) return;
#pragma omp simd
        for (long j = 0; j < length; j++) weight_grads[0][j] += of_map[j];
    });
}
