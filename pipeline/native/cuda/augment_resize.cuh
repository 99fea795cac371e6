// Antialiased bicubic resize of a box of an 8-bit RGB image, as ../augment_resize.h does it: columns, then rows, with
// 22-bit fixed-point weights and rounding to 8 bits between.
#pragma once

#include "augment_exact.cuh"
#include "augment_records.cuh"

namespace hssl {

constexpr int kWeightBits = 22;
constexpr int kHalfWeight = 1 << (kWeightBits - 1);

// Weights of both axes of all crops. Line 2 n is of crop n's columns, line 2 n + 1 of its rows.
struct ResizePlan {
    int size, taps;
    int* first;    // (2 crops, size): first source pixel of each output pixel
    int* count;    // (2 crops, size): how many
    int* weights;  // (2 crops, taps, size)

    __device__ const int* first_of(long line) const { return first + line * size; }
    __device__ const int* count_of(long line) const { return count + line * size; }
    __device__ const int* weights_of(long line) const { return weights + line * taps * size; }
};

// Source rows between the two passes: (all_rows, 3, pitch), pitch a multiple of 4.
struct MiddleRows {
    unsigned char* bytes;
    int pitch;

    __device__ unsigned char* row(long index, int channel) const { return bytes + (index * 3 + channel) * pitch; }
};

// Keys' cubic with a = -1/2.
__device__ inline double cubic(double x) {
    using exact::product, exact::sum;
    x = fabs(x);
    if (x < 1.0) return sum(product(product(sum(product(1.5, x), -2.5), x), x), 1.0);
    if (x < 2.0) return product(sum(product(sum(product(sum(x, -5.0), x), 8.0), x), -4.0), -0.5);
    return 0.0;
}

__device__ inline unsigned char clipped(int weighted) {
    return static_cast<unsigned char>(min(max(weighted >> kWeightBits, 0), 255));
}

// One thread for each output pixel of a line.
static __global__ void plan_resize(const ImageEntry* images, const CropOrder* crops, long lines, ResizePlan plan) {
    using exact::product, exact::sum;
    const long item = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (item >= lines * plan.size) return;
    const long line = item / plan.size;
    const int i = static_cast<int>(item - line * plan.size);
    const bool of_rows = line % 2;
    const CropOrder& crop = crops[line / 2];
    const ImageEntry& image = images[crop.image];
    const int limit = of_rows ? image.height : image.width;
    const int start = of_rows ? crop.top : crop.left, length = of_rows ? crop.height : crop.width;
    const int offset = of_rows ? crop.window_top : crop.window_left;
    const double scale = static_cast<double>(length) / (of_rows ? crop.resized_height : crop.resized_width);
    const double stretch = fmax(scale, 1.0);  // the filter widens when shrinking, hence no aliasing
    const double support = 2.0 * stretch, inverse = 1.0 / stretch;
    const double centre = sum(start, product(offset + i + 0.5, scale));
    const int low = max(static_cast<int>(sum(sum(centre, -support), 0.5)), 0);
    const int count = min(min(static_cast<int>(sum(sum(centre, support), 0.5)), limit) - low, plan.taps);
    const int target = crop.flip && !of_rows ? plan.size - 1 - i : i;
    plan.first[line * plan.size + target] = low;
    plan.count[line * plan.size + target] = count;
    auto exact_weight = [&](int k) { return cubic(product(sum(sum(k + low, -centre), 0.5), inverse)); };
    double total = 0.0;
    for (int k = 0; k < count; k++) total = sum(total, exact_weight(k));
    int* weights = plan.weights + line * plan.taps * plan.size + target;
    for (int k = 0; k < count; k++) {
        const double share = total != 0.0 ? exact_weight(k) / total : exact_weight(k);
        const double scaled = product(share, 1 << kWeightBits);
        weights[static_cast<long>(k) * plan.size] = static_cast<int>(sum(scaled, scaled < 0 ? -0.5 : 0.5));
    }
}

constexpr int kRowsAtOnce = 4;  // of one thread: they share each weight

// Columns of the source rows that each crop needs. Grid: (crops, enough blocks for the crop with the most rows).
static __global__ void shrink_columns(const unsigned char* packed, const ImageEntry* images, const CropOrder* crops,
                                      ResizePlan plan, MiddleRows middle) {
    const long n = blockIdx.x;
    const CropOrder& crop = crops[n];
    const ImageEntry& image = images[crop.image];
    const int* row_first = plan.first_of(2 * n + 1);
    const int top = row_first[0];
    const int rows = row_first[plan.size - 1] + plan.count_of(2 * n + 1)[plan.size - 1] - top;
    const int item = blockIdx.y * blockDim.x + threadIdx.x;
    const int group = item / plan.size, x = item - group * plan.size;
    const int row = group * kRowsAtOnce;
    if (row >= rows) return;
    const int first = plan.first_of(2 * n)[x], count = plan.count_of(2 * n)[x];
    const int* weights = plan.weights_of(2 * n) + x;
    const unsigned char* pixel[kRowsAtOnce];
    int value[kRowsAtOnce][3];
#pragma unroll
    for (int r = 0; r < kRowsAtOnce; r++) {
        const long source = top + min(row + r, rows - 1);
        pixel[r] = packed + image.at + (source * image.width + first) * 3;
        value[r][0] = value[r][1] = value[r][2] = kHalfWeight;
    }
    for (int k = 0; k < count; k++) {
        const int weight = weights[static_cast<long>(k) * plan.size];
#pragma unroll
        for (int r = 0; r < kRowsAtOnce; r++)
#pragma unroll
            for (int c = 0; c < 3; c++) value[r][c] += pixel[r][3 * k + c] * weight;
    }
#pragma unroll
    for (int r = 0; r < kRowsAtOnce; r++)
        if (row + r < rows)
            for (int c = 0; c < 3; c++) middle.row(crop.rows_before + row + r, c)[x] = clipped(value[r][c]);
}

// Pixels x .. x + 3 of output row y, x a multiple of 4: value[channel][i]. Beyond the row's end they mean nothing.
__device__ inline void shrink_rows(const CropOrder& crop, long n, const ResizePlan& plan, const MiddleRows& middle,
                                   int x, int y, int (&value)[3][4]) {
    const int* row_first = plan.first_of(2 * n + 1);
    const int count = plan.count_of(2 * n + 1)[y];
    const int* weights = plan.weights_of(2 * n + 1) + y;
    const unsigned char* from = middle.row(crop.rows_before + row_first[y] - row_first[0], 0) + x;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 4; i++) value[c][i] = kHalfWeight;
    for (int k = 0; k < count; k++, from += 3 * middle.pitch) {
        const int weight = weights[static_cast<long>(k) * plan.size];
#pragma unroll
        for (int c = 0; c < 3; c++) {
            const unsigned four = *reinterpret_cast<const unsigned*>(from + c * middle.pitch);
#pragma unroll
            for (int i = 0; i < 4; i++) value[c][i] += static_cast<int>(four >> 8 * i & 255) * weight;
        }
    }
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 4; i++) value[c][i] = clipped(value[c][i]);
}

}  // namespace hssl
