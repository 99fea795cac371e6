// Multiplies planes by a matrix from each side, whose rows have few non-zero values, next to each other.
#include <algorithm>
#include <vector>

#include "kernels.h"

namespace {

// A matrix (out, in) as `count` values of each row, from column `first` on.
struct Band {
    long in, out, count = 1;
    std::vector<int> first;
    std::vector<float> weights;  // (count, out)

    template <class At>
    Band(long in, long out, At at) : in(in), out(out), first(out) {
        for (long i = 0; i < out; i++) {
            long begin = 0, end = in;
            while (begin < in - 1 && at(i, begin) == 0.f) begin++;
            while (end > begin + 1 && at(i, end - 1) == 0.f) end--;
            first[i] = int(begin);
            count = std::max(count, end - begin);
        }
        weights.resize(count * out);
        for (long i = 0; i < out; i++) {
            first[i] = int(std::min<long>(first[i], in - count));
            for (long t = 0; t < count; t++) weights[t * out + i] = at(i, first[i] + t);
        }
    }
};

// y (out, width) = matrix x (in, width).
void down(const Band& band, long width, const float* x, float* y) {
    for (long i = 0; i < band.out; i++) {
        float* out = y + i * width;
        std::fill_n(out, width, 0.f);
        for (long t = 0; t < band.count; t++) {
            const float weight = band.weights[t * band.out + i];
            if (weight == 0.f) continue;
            const float* in = x + (band.first[i] + t) * width;
#pragma omp simd
            for (long j = 0; j < width; j++) out[j] += weight * in[j];
        }
    }
}

// y (height, out) = x (height, in) matrix^T.
void across(const Band& band, long height, const float* x, float* y) {
    const int* first = band.first.data();
    for (long i = 0; i < height; i++) {
        float* out = y + i * band.out;
        std::fill_n(out, band.out, 0.f);
        for (long t = 0; t < band.count; t++) {
            const float* in = x + i * band.in + t;
            const float* weight = band.weights.data() + t * band.out;
#pragma omp simd
            for (long j = 0; j < band.out; j++) out[j] += weight[j] * in[first[j]];
        }
    }
}

void resample(long planes, const Band& rows, const Band& columns, const float* x, float* y) {
    const bool shrinks = rows.out < rows.in;  // fewer rows go through the axis that is slow
#pragma omp parallel
    {
        std::vector<float> between(shrinks ? rows.out * columns.in : rows.in * columns.out);
#pragma omp for schedule(static)
        for (long plane = 0; plane < planes; plane++) {
            const float* in = x + plane * rows.in * columns.in;
            float* out = y + plane * rows.out * columns.out;
            if (shrinks) {
                down(rows, columns.in, in, between.data());
                across(columns, rows.out, between.data(), out);
            } else {
                across(columns, rows.in, in, between.data());
                down(rows, columns.out, between.data(), out);
            }
        }
    }
}

}  // namespace

void hssl_resample(long planes, long height, long width, long new_height, long new_width, const float* x,
                   const float* rows, const float* columns, float* y) {
    const Band of_rows(height, new_height, [&](long i, long j) { return rows[i * height + j]; });
    const Band of_columns(width, new_width, [&](long i, long j) { return columns[i * width + j]; });
    resample(planes, of_rows, of_columns, x, y);
}

void hssl_resample_gradient(long planes, long height, long width, long new_height, long new_width,
                            const float* y_grad, const float* rows, const float* columns, float* x_grad) {
    const Band of_rows(new_height, height, [&](long i, long j) { return rows[j * height + i]; });
    const Band of_columns(new_width, width, [&](long i, long j) { return columns[j * width + i]; });
    resample(planes, of_rows, of_columns, y_grad, x_grad);
}
