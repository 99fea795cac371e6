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
    double count() const { return static_cast<double>(images * positions); }
    bool worth_threads() const { return images * channels * positions > kWorthThreads; }

    // Calls visit(offset of a plane) for every image's plane of a channel.
    template <class Visit>
    void each_plane(long channel, Visit visit) const {
        for (long image = 0; image < images; image++) visit((image * channels + channel) * positions);
    }
};

Maps of_result(const Convolution& s) { return {s.images, s.out, s.out_positions()}; }

// Sums of a plane. They are taken in float32, and sums of planes in float64: maps may have millions of positions.
float sum_of(long positions, const float* z) {
    float sum = 0.f;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < positions; j++) sum += z[j];
    return sum;
}

float squares_around(float mean, long positions, const float* z) {
    float sum = 0.f;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < positions; j++) sum += (z[j] - mean) * (z[j] - mean);
    return sum;
}

// y = ReLU((z - mean) factor + shift); what is no number becomes 0, as in Jittor.
void normed(float mean, float factor, float shift, long positions, const float* z, float* y) {
#pragma omp simd
    for (long j = 0; j < positions; j++) {
        const float value = (z[j] - mean) * factor + shift;
        y[j] = value > 0.f ? value : 0.f;
    }
}

// The slope behind ReLU. It is read even where it is not used, so that the loops have no branch.
inline float behind_relu(float y_grad, float y) { return y > 0.f ? y_grad : 0.f; }

// Slopes of a plane, and their products with the distances to the mean.
struct Sums {
    float slopes, along;
};

Sums sums_of(float mean, long positions, const float* y_grad, const float* y, const float* z) {
    float slopes = 0.f, along = 0.f;
#pragma omp simd reduction(+ : slopes, along)
    for (long j = 0; j < positions; j++) {
        const float slope = behind_relu(y_grad[j], y[j]);
        slopes += slope;
        along += slope * (z[j] - mean);
    }
    return {slopes, along};
}

// Means over the channel of slopes, and of slopes times distances over the variance.
struct Means {
    float slope, along;
};

void norm_gradient(float mean, float factor, Means means, long positions, const float* y_grad, const float* y,
                   const float* z, float* z_grad) {
#pragma omp simd
    for (long j = 0; j < positions; j++)
        z_grad[j] = factor * (behind_relu(y_grad[j], y[j]) - means.slope - (z[j] - mean) * means.along);
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
        double sum = 0, squares = 0;
        maps.each_plane(c, [&](long at) { sum += sum_of(maps.positions, z + at); });
        const float mean = static_cast<float>(sum / maps.count());
        maps.each_plane(c, [&](long at) { squares += squares_around(mean, maps.positions, z + at); });
        const float variance = static_cast<float>(squares / maps.count());
        const float inverse = 1.f / std::sqrt(variance + least);
        moments[2 * c] = mean;
        moments[2 * c + 1] = inverse;
        new_mean[c] = running_mean[c] + (mean - running_mean[c]) * part;
        new_variance[c] = running_variance[c] + (variance - running_variance[c]) * part;
        maps.each_plane(
            c, [&](long at) { normed(mean, inverse * scale[c], shift[c], maps.positions, z + at, y + at); });
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
            const Sums sums = sums_of(mean, maps.positions, y_grad + at, y + at, z + at);
            of_shift += sums.slopes;
            of_scale += sums.along;
        });
        shift_grad[c] = static_cast<float>(of_shift);
        scale_grad[c] = static_cast<float>(of_scale * inverse);
        const Means means{static_cast<float>(of_shift / maps.count()),
                          static_cast<float>(of_scale * inverse * inverse / maps.count())};
        maps.each_plane(c, [&](long at) {
            norm_gradient(mean, scale[c] * inverse, means, maps.positions, y_grad + at, y + at, z + at, z_grad + at);
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
    for (long c = 0; c < out_channels; c++) {
        const float factor = scale[c] / std::sqrt(variance[c] + least);
        maps.each_plane(c, [&](long at) { normed(mean[c], factor, shift[c], maps.positions, y + at, y + at); });
    }
}
