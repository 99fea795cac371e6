// Rows of a head to and from shared memory and registers, and the sizes of a call, for attention.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "attention_products.cuh"
#include "precision.cuh"

namespace hssl {

constexpr int kRows = 16;  // of a warp's product

struct AttentionSizes {
    int tokens, heads, depth;
    float scale;   // of the scores
    float factor;  // of the scores, for powers of two

    AttentionSizes(long tokens, long heads, long depth)
        : tokens(static_cast<int>(tokens)), heads(static_cast<int>(heads)), depth(static_cast<int>(depth)),
          scale(static_cast<float>(1. / std::sqrt(static_cast<double>(depth)))),
          factor(static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(depth)))) {}

    int tiles() const { return (tokens + kRows - 1) / kRows; }
    // From a token to the next, in qkv and in out.
    __host__ __device__ long qkv_stride() const { return 3L * heads * depth; }
    __host__ __device__ long out_stride() const { return static_cast<long>(heads) * depth; }
    // Where the query (part 0), key (1), value (2) or the output of a head's first token begins.
    __device__ long qkv_start(int head, int part) const {
        return static_cast<long>(head / heads) * tokens * qkv_stride() + (part * heads + head % heads) * depth;
    }
    __device__ long out_start(int head) const {
        return static_cast<long>(head / heads) * tokens * out_stride() + head % heads * depth;
    }
};

// --- global to shared ----------------------------------------------------------------------------

// 16 bytes, or zeros; they are there after `wait_for_copies` of the thread that copied.
__device__ inline void copy_piece(void* to, const void* from, bool exists) {
#ifdef __CUDACC__
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(to))),
                 "l"(from), "r"(exists ? 16 : 0)
                 : "memory");
#else
    *static_cast<uint4*>(to) = exists ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
#endif
}
__device__ inline void wait_for_copies() {
#ifdef __CUDACC__
    asm volatile("cp.async.wait_all;\n" ::: "memory");
#endif
}

// tile (rows, D) = from (rows, depth), zeros from row `existing` and from column `depth` on; by `threads` threads.
template <class Products, int D, class T>
__device__ void load_rows(typename Products::Stored* tile, const T* from, long stride, int rows, int existing,
                          int depth, int thread, int threads) {
    using Stored = typename Products::Stored;
    using Rows = Tile<Stored, D>;
    constexpr bool kSameBits = std::is_same_v<T, bf16> || std::is_same_v<Products, Tf32Products<true>>;
    if (depth % Rows::kPiece) {
#pragma unroll 1
        for (int i = thread; i < rows * D; i += threads) {
            const int row = i / D, column = i % D;
            tile[Rows::place(0, row, column / Rows::kPiece) + column % Rows::kPiece] = Products::stored(
                row < existing && column < depth ? to_float(from[row * stride + column]) : 0.f);
        }
        return;
    }
    [[maybe_unused]] constexpr int kAtOnce = kSameBits ? 1 : 4;  // asynchronous copies do not wait for one another
#pragma unroll kAtOnce
    for (int i = thread; i < rows * Rows::kPieces; i += threads) {
        const int row = i / Rows::kPieces, piece = i % Rows::kPieces, column = piece * Rows::kPiece;
        const bool exists = row < existing && column < depth;
        const T* start = exists ? from + row * stride + column : from;
        Stored* to = tile + Rows::place(0, row, piece);
        if constexpr (kSameBits) {
            copy_piece(to, start, exists);
        } else {
#pragma unroll
            for (int j = 0; j < Rows::kPiece; j += 4) {
                const float4 x = exists ? load4(start + j) : make_float4(0.f, 0.f, 0.f, 0.f);
                if constexpr (std::is_same_v<Stored, float>)
                    store4(to + j, make_float4(Products::stored(x.x), Products::stored(x.y), Products::stored(x.z),
                                               Products::stored(x.w)));
                else
                    store4(to + j, x);
            }
        }
    }
}

// --- registers to global -------------------------------------------------------------------------

// Of each four lanes, lane t gets word t of lanes 0..3.
__device__ inline void exchange_in_four(unsigned (&words)[4]) {
#pragma unroll
    for (int step = 1; step < 4; step *= 2) {
        const bool second = threadIdx.x & step;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (i & step) continue;
            const unsigned found = __shfl_xor_sync(kAllLanes, second ? words[i] : words[i + step], step);
            if (second)
                words[i] = found;
            else
                words[i + step] = found;
        }
    }
}

// to (rows, depth) = sums (16, D) of a warp scale; rows from `existing` on are left out.
template <int D, class T>
__device__ void store_rows(const float (&sums)[D / 8][4], float scale, T* to, long stride, int existing, int depth) {
    const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const bool exists = g + 8 * half < existing;
        T* row = to + (g + 8 * half) * stride;
        if (std::is_same_v<T, bf16> && depth % 8 == 0) {
            // 16 bytes to a lane: pairs alone would fill half of what memory writes at once.
#pragma unroll
            for (int i = 0; i < D / 8; i += 4) {
                unsigned words[4];
#pragma unroll
                for (int j = 0; j < 4; j++)
                    words[j] = pack2(sums[i + j][2 * half] * scale, sums[i + j][2 * half + 1] * scale);
                exchange_in_four(words);
                const int column = 8 * (i + t);
                if (exists && column < depth)
                    *reinterpret_cast<uint4*>(row + column) = make_uint4(words[0], words[1], words[2], words[3]);
            }
            continue;
        }
#pragma unroll
        for (int i = 0; i < D / 8; i++) {
            const float low = sums[i][2 * half] * scale, high = sums[i][2 * half + 1] * scale;
            const int column = 8 * i + 2 * t;
            if (!exists || column >= depth) continue;
            if (std::is_same_v<T, float> && depth % 2 == 0) {
                *reinterpret_cast<float2*>(row + column) = make_float2(low, high);
            } else {
                row[column] = from_float<T>(low);
                if (column + 1 < depth) row[column + 1] = from_float<T>(high);
            }
        }
    }
}

// --- what a call runs ----------------------------------------------------------------------------

// Bytes that a block may have: at most half of a multiprocessor's on an H100, so that two fit.
inline size_t block_memory_limit() {
    static constexpr size_t kHalf = 112 * 1024;
#ifdef __CUDACC__
    static const size_t limit = [] {
        int device = 0, bytes = 0;
        check(cudaGetDevice(&device), "attention");
        check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "attention");
        return std::min(size_t{kHalf}, static_cast<size_t>(bytes));
    }();
    return limit;
#else
    return kHalf;
#endif
}

// Warps of a block, at most `most`, so that blocks, or rounds of one block, have nearly equal shares of tiles.
inline int even_share(int tiles, int most) {
    const int shares = (tiles + most - 1) / most;
    return (tiles + shares - 1) / shares;
}

// Calls run(Products{}, std::integral_constant<int, D>{}) for the precision, and for a D that is at least the depth.
template <class T, class Run>
void with_products(const AttentionSizes& s, Run run) {
    const auto with_depth = [&](auto products) {
        if (s.depth <= 32) return run(products, std::integral_constant<int, 32>{});
        if (s.depth <= 64) return run(products, std::integral_constant<int, 64>{});
        if (s.depth <= 96) return run(products, std::integral_constant<int, 96>{});
        if (s.depth <= 128) return run(products, std::integral_constant<int, 128>{});
        throw std::runtime_error("attention on the device: expected a depth of at most 128 for each head, found " +
                                 std::to_string(s.depth) + "; use more heads");
    };
    if constexpr (std::is_same_v<T, float>) {
        if (precision() == Precision::float32) return with_depth(Tf32Products<true>{});
        if (precision() == Precision::tf32) return with_depth(Tf32Products<false>{});
    }
    with_depth(Bf16Products{});
}

}  // namespace hssl
