// Products of 16 x 16 matrices by one warp, for attention: factors from tiles in shared memory or from sums of a
// product before, in bfloat16, in tf32, or in three tf32 products that are nearly as exact as float32.
//
// A product has fragments of both factors in registers, and sums in two parts: columns 0..7 and columns 8..15, each
// as in tensor_core.cuh. Lane l is g = l / 4 and t = l % 4.
#pragma once

#include "tensor_core.cuh"

namespace hssl {

// Rows of D numbers in shared memory, in pieces of 16 bytes. Each row's pieces are in another order, or rows are a
// piece longer, so that the same piece of 8 rows meets every bank once.
template <class Stored, int D>
struct Tile {
    static constexpr int kPiece = 16 / sizeof(Stored), kPieces = D / kPiece;
    static constexpr bool kReordered = kPieces % 8 == 0;
    static constexpr int kStride = (kReordered ? kPieces : kPieces + 1) * kPiece;
    static_assert(kPieces % 2 == 0, "an odd number of pieces between rows needs an even number in a row");

    // Where a piece of row `first + row` begins; first % 8 = 0.
    static __device__ int place(int first, int row, int piece) {
        return (first + row) * kStride + (kReordered ? piece ^ (row % 8) : piece) * kPiece;
    }
};

// Which four matrices of 8 rows and one piece are loaded: the second is the next 8 rows or the next piece, ...
enum class Order { rows_first, pieces_first, one_row };

__device__ inline int rows_before(Order order, int matrix) {
    return order == Order::rows_first ? matrix % 2 * 8 : order == Order::pieces_first ? matrix / 2 * 8 : 0;
}
__device__ inline int pieces_before(Order order, int matrix) {
    return order == Order::rows_first ? matrix / 2 : order == Order::pieces_first ? matrix % 2 : matrix;
}

// Matrix i goes to word i of each lane: 4 bytes of row g, at 4t; kTurned: bf16 numbers (2t, g) and (2t + 1, g).
// row % 8 = 0; piece is a multiple of how many pieces of a row are loaded.
template <int D, Order kOrder, bool kTurned, class Stored>
__device__ inline void load_matrices(unsigned* words, const Stored* tile, int row, int piece) {
    using Rows = Tile<Stored, D>;
    const int lane = threadIdx.x % kWarp;
#ifdef __CUDACC__
    const int matrix = lane / 8;
    const Stored* from =
        tile + Rows::place(row + rows_before(kOrder, matrix), lane % 8, piece ^ pieces_before(kOrder, matrix));
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(from));
    if (kTurned)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                     : "r"(address)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                     : "r"(address)
                     : "memory");
#else
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
        const int first = row + rows_before(kOrder, i), from = piece ^ pieces_before(kOrder, i);
        if (kTurned) {
            memcpy(words + i, tile + Rows::place(first, 2 * t, from) + g, 2);
            memcpy(reinterpret_cast<char*>(words + i) + 2, tile + Rows::place(first, 2 * t + 1, from) + g, 2);
        } else {
            memcpy(words + i, reinterpret_cast<const char*>(tile + Rows::place(first, g, from)) + 4 * t, 4);
        }
    }
#endif
}

struct Bf16Products {
    using Stored = bf16;
    static constexpr int kWords = 4;      // of a lane's fragment
    static constexpr int kKeyBlocks = 3;  // of 16 keys that the forward pass takes at once, as registers allow

    static __device__ bf16 stored(float value) { return from_float<bf16>(value); }

    // left = tile[row.., column..]
    template <int D>
    static __device__ void left(unsigned (&a)[kWords], const bf16* tile, int row, int column) {
        load_matrices<D, Order::rows_first, false>(a, tile, row, column / 8);
    }
    // left = sums of a product, rounded
    static __device__ void left(unsigned (&a)[kWords], const float (&low)[4], const float (&high)[4]) {
        a[0] = pack2(low[0], low[1]), a[1] = pack2(low[2], low[3]);
        a[2] = pack2(high[0], high[1]), a[3] = pack2(high[2], high[3]);
    }
    // right = tile[row.., column..]^T
    template <int D>
    static __device__ void right_turned(unsigned (&b)[kWords], const bf16* tile, int row, int column) {
        load_matrices<D, Order::pieces_first, false>(b, tile, row, column / 8);
    }
    // right = tile[row.., column..], for a left that was sums of a product
    template <int D>
    static __device__ void right(unsigned (&b)[kWords], const bf16* tile, int row, int column) {
        load_matrices<D, Order::rows_first, true>(b, tile, row, column / 8);
    }
    static __device__ void multiply(float (&low)[4], float (&high)[4], const unsigned (&a)[kWords],
                                    const unsigned (&b)[kWords]) {
        mma_bf16(low, a, {b[0], b[1]});
        mma_bf16(high, a, {b[2], b[3]});
    }
};

// kThreefold: x y = hi hi + hi lo + lo hi, with hi = tf32(x) and lo = tf32(x - hi).
// A fragment is two of half the depth. Sums hold columns 2t and 2t + 1 where a left factor has t and t + 4: those two
// are taken as they are, and the right factor's rows are exchanged alike.
template <bool kThreefold>
struct Tf32Products {
    using Stored = float;
    static constexpr int kWords = 8;
    static constexpr int kKeyBlocks = kThreefold ? 1 : 2;

    static __device__ float stored(float value) { return kThreefold ? value : __uint_as_float(to_tf32(value)); }

    template <int D>
    static __device__ void left(unsigned (&a)[kWords], const float* tile, int row, int column) {
        load_matrices<D, Order::rows_first, false>(a, tile, row, column / 4);
        load_matrices<D, Order::rows_first, false>(a + 4, tile, row, column / 4 + 2);
    }
    static __device__ void left(unsigned (&a)[kWords], const float (&low)[4], const float (&high)[4]) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int from = i % 2 * 2 + i / 2;
            a[i] = __float_as_uint(stored(low[from]));
            a[4 + i] = __float_as_uint(stored(high[from]));
        }
    }
    template <int D>
    static __device__ void right_turned(unsigned (&b)[kWords], const float* tile, int row, int column) {
        load_matrices<D, Order::one_row, false>(b, tile, row, column / 4);
        load_matrices<D, Order::one_row, false>(b + 4, tile, row + 8, column / 4);
    }
    template <int D>
    static __device__ void right(unsigned (&b)[kWords], const float* tile, int row, int column) {
        const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int i = 0; i < kWords; i++) {
            const int first = row + i / 2 % 2 * 8, piece = (column + i / 4 * 8) / 4;
            b[i] = __float_as_uint(tile[Tile<float, D>::place(first, 2 * t + i % 2, piece ^ (g / 4)) + g % 4]);
        }
    }
    static __device__ void multiply(float (&low)[4], float (&high)[4], const unsigned (&a)[kWords],
                                    const unsigned (&b)[kWords]) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const unsigned(&part)[4] = reinterpret_cast<const unsigned(&)[4]>(a[4 * half]);
            multiply_eight(low, part, {b[2 * half], b[2 * half + 1]});
            multiply_eight(high, part, {b[4 + 2 * half], b[4 + 2 * half + 1]});
        }
    }

private:
    static __device__ void multiply_eight(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        if constexpr (kThreefold) {
            unsigned a_high[4], a_low[4], b_high[2], b_low[2];
#pragma unroll
            for (int i = 0; i < 4; i++) split(a[i], a_high[i], a_low[i]);
#pragma unroll
            for (int i = 0; i < 2; i++) split(b[i], b_high[i], b_low[i]);
            mma_tf32(c, a_low, b_high);
            mma_tf32(c, a_high, b_low);
            mma_tf32(c, a_high, b_high);
        } else {
            mma_tf32(c, a, b);
        }
    }
    static __device__ void split(unsigned bits, unsigned& high, unsigned& low) {
        const float value = __uint_as_float(bits);
        high = to_tf32(value);
        low = to_tf32(value - __uint_as_float(high));
    }
};

// A left factor of 16 rows of a tile: in registers where they are few, else loaded anew for each product.
template <class Products, int D, int kMostWords>
struct LeftRows {
    static constexpr int kWords = Products::kWords, kSteps = D / 16;
    static constexpr bool kHeld = kSteps * kWords <= kMostWords;
    const typename Products::Stored* tile;
    int row;
    unsigned held[kHeld ? kSteps : 1][kWords];

    __device__ LeftRows(const typename Products::Stored* tile, int row) : tile(tile), row(row) {
        if constexpr (kHeld) {
#pragma unroll
            for (int i = 0; i < kSteps; i++) Products::template left<D>(held[i], tile, row, 16 * i);
        }
    }
    __device__ void part(unsigned (&a)[kWords], int step) const {
        if constexpr (kHeld) {
#pragma unroll
            for (int i = 0; i < kWords; i++) a[i] = held[step][i];
        } else {
            Products::template left<D>(a, tile, row, 16 * step);
        }
    }
};

// 2 to the power of value; below 2^-126 it may be 0. ex2.approx is within 2^-22 of the result.
__device__ inline float power_of_two(float value) {
#ifdef __CUDACC__
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(result) : "f"(value));
    return result;
#else
    return exp2f(value);
#endif
}

}  // namespace hssl
