// Convolution, batch norm and ReLU in one call. A thread takes channels of its own through all of the norm, so that
// what one part reads is still in its cache.
#include <algorithm>
#include <cmath>
#include <vector>

#include "convolution.h"
#include "kernels.h"

namespace {

using hssl::Convolution;

// Below this many numbers threads cost more than they save.
constexpr long kWorthThreads = 20000;

// Images, channels and positions of a map: (images, channels, positions).
struct Maps {
    long images, channels, positions;
    float count() const { return static_cast<float>(images * positions); }
    bool worth_threads() const { return images * channels * positions > kWorthThreads; }

    // Calls visit(offset of a plane) for every image's plane of a channel.
    template <class Visit>
    void each_plane(long channel, Visit visit) const {
        for (long image = 0; image < images; image++) visit((image * channels + channel) * positions);
    }
};

Maps of_result(const Convolution& s) { return {s.images, s.out, s.out_positions()}; }

// Planes are summed in float32, and their sums in float64: maps may have millions of positions.
float mean_of(const Maps& maps, long channel, const float* z) {
    double total = 0;
    maps.each_plane(channel, [&](long at) {
        float sum = 0.f;
#pragma omp simd reduction(+ : sum)
        for (long j = 0; j < maps.positions; j++) sum += z[at + j];
        total += sum;
    });
    return static_cast<float>(total / maps.count());
}

float variance_of(const Maps& maps, long channel, const float* z, float mean) {
    double total = 0;
    maps.each_plane(channel, [&](long at) {
        float sum = 0.f;
#pragma omp simd reduction(+ : sum)
        for (long j = 0; j < maps.positions; j++) sum += (z[at + j] - mean) * (z[at + j] - mean);
        total += sum;
    });
    return static_cast<float>(total / maps.count());
}

// y = ReLU((z - mean) factor + shift); what is no number becomes 0, as in Jittor.
void normed(const Maps& maps, long channel, float mean, float factor, float shift, const float* z, float* y) {
    maps.each_plane(channel, [&](long at) {
#pragma omp simd
        for (long j = 0; j < maps.positions; j++) {
            const float value = (z[at + j] - mean) * factor + shift;
            y[at + j] = value > 0.f ? value : 0.f;
        }
    });
}

// Memory between norm and convolution, kept between calls.
float* slopes_of(long length) {
    static std::vector<float> memory;
    if (static_cast<long>(memory.size()) < length) memory.resize(length);
    return memory.data();
}

}  // namespace

void hssl_conv_norm(long images, long in_channels, long height, long width, long out_channels, long side, long stride,
                    double eps, double momentum, const float* x, const float* weight, const float* scale,
                    const float* shift, const float* running_mean, const float* running_variance, float* y, float* z,
                    float* moments, float* new_mean, float* new_variance) {
    const Convolution shape{images, in_channels, height, width, out_channels, side, stride};
    hssl::convolve(shape, x, weight, z);
    const Maps maps = of_result(shape);
    const float part = static_cast<float>(momentum), least = static_cast<float>(eps);
#pragma omp parallel for schedule(static) if (maps.worth_threads())
    for (long c = 0; c < out_channels; c++) {
        const float mean = mean_of(maps, c, z), variance = variance_of(maps, c, z, mean);
        const float inverse = 1.f / std::sqrt(variance + least);
        moments[2 * c] = mean;
        moments[2 * c + 1] = inverse;
        new_mean[c] = running_mean[c] + (mean - running_mean[c]) * part;
        new_variance[c] = running_variance[c] + (variance - running_variance[c]) * part;
        normed(maps, c, mean, inverse * scale[c], shift[c], z, y);
    }
}

void hssl_conv_norm_gradient(long images, long in_channels, long height, long width, long out_channels, long side,
                             long stride, const float* y_grad, const float* x, const float* weight,
                             const float* scale, const float* y, const float* z, const float* moments,
                             float* weight_grad, float* scale_grad, float* shift_grad, float* x_grad) {
    const Convolution shape{images, in_channels, height, width, out_channels, side, stride};
    const Maps maps = of_result(shape);
    float* z_grad = slopes_of(images * out_channels * maps.positions);
#pragma omp parallel for schedule(static) if (maps.worth_threads())
    for (long c = 0; c < out_channels; c++) {
        const float mean = moments[2 * c], inverse = moments[2 * c + 1];
        double of_shift = 0, of_scale = 0;
        maps.each_plane(c, [&](long at) {
            float slopes = 0.f, along = 0.f;
#pragma omp simd reduction(+ : slopes, along)
            for (long j = 0; j < maps.positions; j++) {
                const float slope = y[at + j] > 0.f ? y_grad[at + j] : 0.f;
                slopes += slope;
                along += slope * (z[at + j] - mean);
            }
            of_shift += slopes;
            of_scale += along;
        });
        shift_grad[c] = static_cast<float>(of_shift);
        scale_grad[c] = static_cast<float>(of_scale * inverse);
        const float factor = scale[c] * inverse, mean_slope = static_cast<float>(of_shift / maps.count());
        const float mean_along = static_cast<float>(of_scale * inverse * inverse / maps.count());
        maps.each_plane(c, [&](long at) {
#pragma omp simd
            for (long j = 0; j < maps.positions; j++) {
                const float slope = y[at + j] > 0.f ? y_grad[at + j] : 0.f;
                z_grad[at + j] = factor * (slope - mean_slope - (z[at + j] - mean) * mean_along);
            }
        });
    }
    hssl::convolve_gradient(shape, x, weight, z_grad, x_grad, weight_grad);
}

void hssl_conv_known_norm(long images, long in_channels, long height, long width, long out_channels, long side,
                          long stride, double eps, const float* x, const float* weight, const float* scale,
                          const float* shift, const float* mean, const float* variance, float* y) {
    const Convolution shape{images, in_channels, height, width, out_channels, side, stride};
    hssl::convolve(shape, x, weight, y);
    const Maps maps = of_result(shape);
    const float least = static_cast<float>(eps);
#pragma omp parallel for schedule(static) if (maps.worth_threads())
    for (long c = 0; c < out_channels; c++)
        normed(maps, c, mean[c], scale[c] / std::sqrt(variance[c] + least), shift[c], y, y);
}
