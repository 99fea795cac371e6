// Antialiased bicubic resize of a box of an 8-bit RGB image, equal to Pillow's to the bit.
//
// Two passes, columns then rows, with 22-bit fixed-point weights and rounding to 8 bits between them.
// Only the rows and columns that the wanted window of the result depends on are touched.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace augment {

constexpr int kLanes = 16;
constexpr int kWeightBits = 22;
typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));
typedef uint8_t Bytes __attribute__((vector_size(kLanes)));

inline Ints load(const uint8_t* bytes) {
    Bytes raw;
    std::memcpy(&raw, bytes, kLanes);
    return __builtin_convertvector(raw, Ints);
}

inline void store_clipped(uint8_t* out, Ints sum) {
    Ints value = sum >> kWeightBits;
    value = value < 0 ? Ints{} : value;
    value = value > 255 ? Ints{} + 255 : value;
    const Bytes bytes = __builtin_convertvector(value, Bytes);
    std::memcpy(out, &bytes, kLanes);
}

inline int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// Keys' cubic with a = -1/2.
inline double cubic(double x) {
    x = std::fabs(x);
    if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5;
    return 0.0;
}

// Weights of one axis: output i is the sum over k < count[i] of weight[i * taps + k] * input[first[i] + k].
struct Axis {
    int taps = 0;
    std::vector<int> first, count;
    std::vector<int32_t> weight;

    int begin() const { return *std::min_element(first.begin(), first.end()); }
    int end() const {
        int last = 0;
        for (size_t i = 0; i < first.size(); i++) last = std::max(last, first[i] + count[i]);
        return last;
    }
};

// [start, start + length) of an axis of `limit` pixels becomes `resized` pixels; the window
// [offset, offset + size) of these is wanted, from right to left if `mirrored`.
inline void plan_axis(Axis& axis, int limit, int start, int length, int resized, int offset, int size,
                      bool mirrored) {
    const double scale = double(length) / resized;
    const double stretch = std::max(scale, 1.0);  // the filter widens when shrinking, hence no aliasing
    const double support = 2.0 * stretch;
    const double inverse = 1.0 / stretch;
    axis.taps = int(std::ceil(support)) * 2 + 1;
    axis.first.resize(size);
    axis.count.resize(size);
    axis.weight.assign(size_t(size) * axis.taps, 0);
    std::vector<double> exact(axis.taps);
    for (int i = 0; i < size; i++) {
        const double centre = start + (offset + i + 0.5) * scale;
        const int low = std::max(int(centre - support + 0.5), 0);
        const int count = std::min(int(centre + support + 0.5), limit) - low;
        double total = 0.0;
        for (int k = 0; k < count; k++) total += exact[k] = cubic((k + low - centre + 0.5) * inverse);
        const int target = mirrored ? size - 1 - i : i;
        axis.first[target] = low;
        axis.count[target] = count;
        for (int k = 0; k < count; k++) {
            const double scaled = (total != 0.0 ? exact[k] / total : exact[k]) * (1 << kWeightBits);
            axis.weight[size_t(target) * axis.taps + k] = int32_t(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        }
    }
}

struct ResizeScratch {
    Axis columns, rows;
    std::vector<uint8_t> turned, narrow, middle;
};

// 16 x 16 bytes: out[i * out_stride + j] = in[j][i].
inline void transpose_16(const uint8_t* const* in, uint8_t* out, size_t out_stride) {
    typedef uint8_t Block __attribute__((vector_size(16)));
    Block a[16], b[16];
    for (int j = 0; j < 16; j++) std::memcpy(&a[j], in[j], 16);
    const Block low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
    const Block high = low + 8;
    // Four perfect shuffles of rows j and j + 8 turn the block.
    for (int round = 0; round < 2; round++) {
        for (int j = 0; j < 8; j++) {
            b[2 * j] = __builtin_shuffle(a[j], a[j + 8], low);
            b[2 * j + 1] = __builtin_shuffle(a[j], a[j + 8], high);
        }
        for (int j = 0; j < 8; j++) {
            a[2 * j] = __builtin_shuffle(b[j], b[j + 8], low);
            a[2 * j + 1] = __builtin_shuffle(b[j], b[j + 8], high);
        }
    }
    for (int i = 0; i < 16; i++) std::memcpy(out + i * out_stride, &a[i], 16);
}

// Sixteen rows at once: the rows lie side by side, so that each weight multiplies a vector of rows.
// `rows[r]` points at column `left` of row r; result: middle[r][channel][i], `pitch` bytes per channel.
inline void shrink_columns(ResizeScratch& scratch, const uint8_t* const* rows, int left, int width, uint8_t* middle,
                           int pitch) {
    const Axis& axis = scratch.columns;
    uint8_t* turned = scratch.turned.data();
    const int bytes = width * 3;
    int at = 0;
    for (; at + kLanes <= bytes; at += kLanes) {
        const uint8_t* here[kLanes];
        for (int r = 0; r < kLanes; r++) here[r] = rows[r] + at;
        transpose_16(here, turned + size_t(at) * kLanes, kLanes);
    }
    for (; at < bytes; at++)
        for (int r = 0; r < kLanes; r++) turned[size_t(at) * kLanes + r] = rows[r][at];
    uint8_t* narrow = scratch.narrow.data();
    for (size_t i = 0; i < axis.first.size(); i++) {
        const uint8_t* pixel = turned + size_t(axis.first[i] - left) * 3 * kLanes;
        const int32_t* weight = &axis.weight[i * axis.taps];
        Ints red = Ints{} + (1 << (kWeightBits - 1)), green = red, blue = red;
        for (int k = 0; k < axis.count[i]; k++, pixel += 3 * kLanes) {
            red += load(pixel) * weight[k];
            green += load(pixel + kLanes) * weight[k];
            blue += load(pixel + 2 * kLanes) * weight[k];
        }
        store_clipped(narrow + i * kLanes, red);
        store_clipped(narrow + (pitch + i) * kLanes, green);
        store_clipped(narrow + (2 * pitch + i) * kLanes, blue);
    }
    for (int i = 0; i < 3 * pitch; i += kLanes) {
        const uint8_t* here[kLanes];
        for (int j = 0; j < kLanes; j++) here[j] = narrow + size_t(i + j) * kLanes;
        transpose_16(here, middle + i, 3 * size_t(pitch));
    }
}

// middle: rows of `pitch` bytes per channel, from input row `top` on; planes: (3, size, size).
inline void shrink_rows(const Axis& axis, const uint8_t* middle, int top, int pitch, int size, uint8_t* planes) {
    std::vector<uint8_t> line(pitch);
    const size_t row_bytes = 3 * size_t(pitch);
    for (int y = 0; y < size; y++) {
        const uint8_t* base = middle + size_t(axis.first[y] - top) * row_bytes;
        const int32_t* weight = &axis.weight[size_t(y) * axis.taps];
        for (int channel = 0; channel < 3; channel++) {
            for (int x = 0; x < pitch; x += kLanes) {
                const uint8_t* pixel = base + channel * pitch + x;
                Ints sum = Ints{} + (1 << (kWeightBits - 1));
                for (int k = 0; k < axis.count[y]; k++, pixel += row_bytes) sum += load(pixel) * weight[k];
                store_clipped(&line[x], sum);
            }
            std::memcpy(planes + (size_t(channel) * size + y) * size, line.data(), size);
        }
    }
}

// `scratch.columns` and `scratch.rows` are planned; the result is (3, size, size).
inline void resize(ResizeScratch& scratch, const uint8_t* image, int image_width, int size, uint8_t* planes) {
    const int left = scratch.columns.begin(), width = scratch.columns.end() - left;
    const int top = scratch.rows.begin(), height = scratch.rows.end() - top;
    const int pitch = round_up(size, kLanes);
    scratch.turned.resize(size_t(width) * 3 * kLanes);
    scratch.narrow.resize(size_t(pitch) * 3 * kLanes);
    scratch.middle.resize(size_t(round_up(height, kLanes)) * 3 * pitch);
    for (int y = 0; y < height; y += kLanes) {
        const uint8_t* rows[kLanes];
        for (int r = 0; r < kLanes; r++) {
            const int row = top + std::min(y + r, height - 1);
            rows[r] = image + (size_t(row) * image_width + left) * 3;
        }
        shrink_columns(scratch, rows, left, width, &scratch.middle[size_t(y) * 3 * pitch], pitch);
    }
    shrink_rows(scratch.rows, scratch.middle.data(), top, pitch, size, planes);
}

}  // namespace augment
