// Products of small matrices held in cache, computed tile by tile in registers: of floats, or of pairs of bfloat16.
#pragma once

#include <algorithm>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include "rounding.h"

namespace hssl {

#ifdef __AVX512F__
constexpr long kLanes = 16, kTileVectors = 4;
#else
constexpr long kLanes = 8, kTileVectors = 2;
#endif
constexpr long kTileRows = 6;

// Floats that need no alignment beyond a float's own.
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

inline long padded(long length) { return (length + kLanes - 1) / kLanes * kLanes; }

typedef Pair Pairs __attribute__((vector_size(kLanes * sizeof(Pair)), aligned(sizeof(Pair)), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline Pairs load(const Pair* from) { return *reinterpret_cast<const Pairs*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }

inline void add_product(Vector& sums, float left, Vector right) { sums += left * right; }

// Both products of each pair.
inline void add_product(Vector& sums, Pair left, Pairs right) {
#ifdef __AVX512BF16__
    sums = (Vector)_mm512_dpbf16_ps((__m512)sums, (__m512bh)_mm512_set1_epi32(left), (__m512bh)right);
#else
    const std::uint32_t low = left << 16, high = left & 0xffff0000;
    float first, second;
    std::memcpy(&first, &low, sizeof first);
    std::memcpy(&second, &high, sizeof second);
    sums += first * (Vector)(right << 16);
    sums += second * (Vector)(right & 0xffff0000);
#endif
}

// Element (row, inner) of the left factor is data[row * row_stride + inner * inner_stride]. Of pairs, `inner` counts
// pairs, and element (inner, column) of the right factor is the pair (2 inner, column), (2 inner + 1, column).
template <class Factor>
struct LeftOf {
    const Factor* data;
    long row_stride, inner_stride;
};
typedef LeftOf<float> Left;
typedef LeftOf<Pair> LeftPairs;

template <int Rows, int Vectors, class Factor>
void multiply_tile(long inner, LeftOf<Factor> left, const Factor* right, long right_stride, float* out,
                   long out_stride, bool add) {
    // Unrolled on request: otherwise GCC keeps the sums of some tiles in memory at both ends of the loop.
    Vector sums[Rows][Vectors];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; r++) {
        // Behind the loop nothing waits for it.
        __builtin_prefetch(out + r * out_stride, 1);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; v++) sums[r][v] = Vector{};
    }
#pragma GCC unroll 2
    for (long k = 0; k < inner; k++) {
        decltype(load(right)) factors[Vectors];
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; v++) factors[v] = load(right + k * right_stride + v * kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < Rows; r++) {
            Factor scalar;  // copied, since pairs are also written as two values
            std::memcpy(&scalar, left.data + r * left.row_stride + k * left.inner_stride, sizeof scalar);
#pragma GCC unroll 8
            for (int v = 0; v < Vectors; v++) add_product(sums[r][v], scalar, factors[v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; v++) {
            float* to = out + r * out_stride + v * kLanes;
            store(to, add ? sums[r][v] + load(to) : sums[r][v]);
        }
}

template <int Vectors, class Factor>
void multiply_column(long rows, long inner, LeftOf<Factor> left, const Factor* right, long right_stride, float* out,
                     long out_stride, bool add) {
    long row = 0;
    for (; row + kTileRows <= rows; row += kTileRows) {
        const LeftOf<Factor> part{left.data + row * left.row_stride, left.row_stride, left.inner_stride};
        multiply_tile<kTileRows, Vectors>(inner, part, right, right_stride, out + row * out_stride, out_stride, add);
    }
    const LeftOf<Factor> part{left.data + row * left.row_stride, left.row_stride, left.inner_stride};
    out += row * out_stride;
    switch (rows - row) {
        case 5: return multiply_tile<5, Vectors>(inner, part, right, right_stride, out, out_stride, add);
        case 4: return multiply_tile<4, Vectors>(inner, part, right, right_stride, out, out_stride, add);
        case 3: return multiply_tile<3, Vectors>(inner, part, right, right_stride, out, out_stride, add);
        case 2: return multiply_tile<2, Vectors>(inner, part, right, right_stride, out, out_stride, add);
        case 1: return multiply_tile<1, Vectors>(inner, part, right, right_stride, out, out_stride, add);
        default: return;
    }
}

// out (rows, columns) = left (rows, inner) right (inner, columns), added to `out` if `add`.
// `columns` is a multiple of kLanes.
template <class Factor>
void multiply(long rows, long columns, long inner, LeftOf<Factor> left, const Factor* right, long right_stride,
              float* out, long out_stride, bool add) {
    const long vectors = columns / kLanes, strips = (vectors + kTileVectors - 1) / kTileVectors;
    for (long strip = 0; strip < strips; strip++) {
        // As even as can be: a strip of one vector would wait for its own sums.
        const long first = vectors * strip / strips, count = vectors * (strip + 1) / strips - first;
        const Factor* from = right + first * kLanes;
        float* to = out + first * kLanes;
        switch (count) {
            case 1: multiply_column<1>(rows, inner, left, from, right_stride, to, out_stride, add); break;
            case 2: multiply_column<2>(rows, inner, left, from, right_stride, to, out_stride, add); break;
#ifdef __AVX512F__
            case 3: multiply_column<3>(rows, inner, left, from, right_stride, to, out_stride, add); break;
            case 4: multiply_column<4>(rows, inner, left, from, right_stride, to, out_stride, add); break;
#endif
        }
    }
}

}  // namespace hssl
