// Multiplies planes by a matrix from each side, whose rows have few non-zero values, next to each other. Of each
// matrix a few neighbouring rows are multiplied at once, with the columns in which one of them has a value.
#include <algorithm>
#include <vector>

#include "kernels.h"
#include "tiles.h"

namespace {

using hssl::kLanes;
using hssl::Left;
using hssl::padded;

// A matrix (out, in), as parts of up to `most` neighbouring rows.
struct Banded {
    struct Part {
        long row, rows, first, count;  // columns from `first` on
        std::vector<float> weights;    // (rows, count) if `most` are the tile's rows, else (count, kLanes)
    };
    long in, out;
    std::vector<Part> parts;

    template <class At>
    Banded(long in, long out, bool transposed, At at) : in(in), out(out) {
        const long most = transposed ? kLanes : hssl::kTileRows;
        for (long row = 0; row < out; row += most) {
            Part part{row, std::min(most, out - row), in, 0, {}};
            long end = 0;
            for (long i = row; i < row + part.rows; i++)
                for (long k = 0; k < in; k++)
                    if (at(i, k) != 0.f) part.first = std::min(part.first, k), end = std::max(end, k + 1);
            part.first = std::min(part.first, end);
            part.count = end - part.first;
            part.weights.assign(part.count * (transposed ? kLanes : part.rows), 0.f);
            for (long i = 0; i < part.rows; i++)
                for (long k = 0; k < part.count; k++)
                    part.weights[transposed ? k * kLanes + i : i * part.count + k] = at(row + i, part.first + k);
            parts.push_back(std::move(part));
        }
    }
};

// y (out, width) = matrix x (in, width); width is a multiple of kLanes.
void down(const Banded& matrix, long width, const float* x, float* y) {
    for (const Banded::Part& part : matrix.parts)
        hssl::multiply(part.rows, width, part.count, Left{part.weights.data(), part.count, 1}, x + part.first * width,
                       width, y + part.row * width, width, false);
}

// y (rows, padded(out)) = x (rows, in) matrix^T; rows of x are `stride` apart.
void across(const Banded& matrix, long rows, const float* x, long stride, float* y) {
    for (const Banded::Part& part : matrix.parts)
        hssl::multiply(rows, kLanes, part.count, Left{x + part.first, stride, 1}, part.weights.data(), kLanes,
                       y + part.row, padded(matrix.out), false);
}

// Rows of one stride as rows of another one.
void copy_rows(long rows, long length, const float* from, long from_stride, float* to, long to_stride) {
    for (long i = 0; i < rows; i++) std::copy_n(from + i * from_stride, length, to + i * to_stride);
}

// A thread takes some planes at once: small ones have too few rows for a product.
constexpr long kRows = 64;

// Inside a thread among others it starts no further ones.
void resample(long planes, const Banded& rows, const Banded& columns, const float* x, float* y) {
    const bool shrinks = rows.out < rows.in;  // fewer rows go through the axis that is multiplied second
    const long wide_in = padded(columns.in), wide_out = padded(columns.out);
    const bool fits = wide_out == columns.out;
    const long step = std::max<long>(1, kRows / rows.in);
#pragma omp parallel
    {
        std::vector<float> before(shrinks ? rows.in * wide_in : 0), behind(fits ? 0 : step * rows.out * wide_out),
            between(step * (shrinks ? rows.out * wide_in : rows.in * wide_out));
#pragma omp for schedule(static)
        for (long first = 0; first < planes; first += step) {
            const long count = std::min(step, planes - first);
            const float* in = x + first * rows.in * columns.in;
            float *out = y + first * rows.out * columns.out, *result = fits ? out : behind.data();
            if (shrinks) {
                for (long plane = 0; plane < count; plane++, in += rows.in * columns.in) {
                    copy_rows(rows.in, columns.in, in, columns.in, before.data(), wide_in);
                    down(rows, wide_in, before.data(), between.data() + plane * rows.out * wide_in);
                }
                across(columns, count * rows.out, between.data(), wide_in, result);
            } else {
                across(columns, count * rows.in, in, columns.in, between.data());
                for (long plane = 0; plane < count; plane++)
                    down(rows, wide_out, between.data() + plane * rows.in * wide_out,
                         result + plane * rows.out * wide_out);
            }
            if (!fits) copy_rows(count * rows.out, columns.out, result, wide_out, out, columns.out);
        }
    }
}

}  // namespace

void hssl_resample(long planes, long height, long width, long new_height, long new_width, const float* x,
                   const float* rows, const float* columns, float* y) {
    const Banded of_rows(height, new_height, false, [&](long i, long j) { return rows[i * height + j]; });
    const Banded of_columns(width, new_width, true, [&](long i, long j) { return columns[i * width + j]; });
    resample(planes, of_rows, of_columns, x, y);
}

void hssl_resample_gradient(long planes, long height, long width, long new_height, long new_width,
                            const float* y_grad, const float* rows, const float* columns, float* x_grad) {
    const Banded of_rows(new_height, height, false, [&](long i, long j) { return rows[j * height + i]; });
    const Banded of_columns(new_width, width, true, [&](long i, long j) { return columns[j * width + i]; });
    resample(planes, of_rows, of_columns, y_grad, x_grad);
}

namespace {

// Calls visit(image, map, sizes of the map, place of its first channel among all, its two matrices); sizes: channels,
// height and width of each map. `matrices` holds those of the maps whose size is not `height` x `width`.
template <class Visit>
void each_map(long images, long count, const long* sizes, long height, long width, const float* matrices, Visit visit) {
    std::vector<long> places(count), starts(count);
    for (long i = 0, place = 0, start = 0; i < count; i++) {
        places[i] = place, starts[i] = start;
        const long* of = sizes + 3 * i;
        place += of[0];
        if (of[1] != height || of[2] != width) start += height * of[1] + width * of[2];
    }
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (long image = 0; image < images; image++)
        for (long i = 0; i < count; i++) {
            const float* rows = matrices + starts[i];
            visit(image, i, sizes + 3 * i, places[i], rows, rows + height * sizes[3 * i + 1]);
        }
}

long all_channels(long count, const long* sizes) {
    long sum = 0;
    for (long i = 0; i < count; i++) sum += sizes[3 * i];
    return sum;
}

}  // namespace

void hssl_stack_resampled(long images, long count, const long* sizes, long height, long width,
                          const float* const* maps, const float* matrices, float* y) {
    const long channels = all_channels(count, sizes), positions = height * width;
    each_map(images, count, sizes, height, width, matrices,
             [&](long image, long i, const long* of, long place, const float* rows, const float* columns) {
                 const float* x = maps[i] + image * of[0] * of[1] * of[2];
                 float* to = y + (image * channels + place) * positions;
                 if (of[1] == height && of[2] == width)
                     std::copy_n(x, of[0] * positions, to);
                 else
                     hssl_resample(of[0], of[1], of[2], height, width, x, rows, columns, to);
             });
}

void hssl_stack_resampled_gradient(long images, long count, const long* sizes, long height, long width,
                                   const float* y_grad, const float* matrices, float* const* map_grads) {
    const long channels = all_channels(count, sizes), positions = height * width;
    each_map(images, count, sizes, height, width, matrices,
             [&](long image, long i, const long* of, long place, const float* rows, const float* columns) {
                 const float* from = y_grad + (image * channels + place) * positions;
                 float* x_grad = map_grads[i] + image * of[0] * of[1] * of[2];
                 if (of[1] == height && of[2] == width)
                     std::copy_n(from, of[0] * positions, x_grad);
                 else
                     hssl_resample_gradient(of[0], of[1], of[2], height, width, from, rows, columns, x_grad);
             });
}
