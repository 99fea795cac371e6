// A warp's walk of 16 rows over columns, for the gradient of attention: 16 keys over the queries, or 16 queries over
// the keys. Weights are computed again, and each product's sums are the left factor of the next, in registers.
#pragma once

#include "attention_tiles.cuh"

namespace hssl {

// The value, of which the compiler knows nothing: addresses that follow from it are computed where they are used, and
// not kept during a walk, which needs all registers.
__device__ inline int forgotten(int value) {
#ifdef __CUDACC__
    asm volatile("" : "+r"(value));
#endif
    return value;
}

// With kKeys, rows are keys: their first is the key and their second the value; columns are queries: their first is
// the query and their second the gradient of the output. Without, rows are queries and columns are keys.
template <class Products, int D, bool kKeys>
struct Walk {
    using Stored = typename Products::Stored;
    using First = LeftRows<Products, D, 16>;
    using Second = LeftRows<Products, D, kKeys ? 0 : 16>;
    static constexpr int kWords = Products::kWords;

    First first;
    Second second;
    float first_sums[D / 8][4] = {};               // slopes of scores times the columns' first
    float second_sums[kKeys ? D / 8 : 1][4] = {};  // weights times the columns' second
    float row_logs[2] = {}, row_deltas[2] = {};    // of this lane's queries; logarithms are to base 2

    __device__ Walk(const Stored* first, const Stored* second, int row) : first(first, row), second(second, row) {}

    // Adds 16 columns, from `column` on; of keys, `existing` of them exist. With kKeys, `numbers` are the log and the
    // delta of each column: a query that does not exist has an infinite log.
    __device__ void add(const Stored* firsts, const Stored* seconds, const float* numbers, int column, int existing,
                        float factor) {
        const int t = threadIdx.x % 4;
        float weights[2][4] = {}, slopes[2][4] = {};
        unsigned a[kWords], b[kWords];
#pragma unroll
        for (int step = 0; step < D / 16; step++) {
            first.part(a, step);
            Products::template right_turned<D>(b, firsts, column, 16 * step);
            Products::multiply(weights[0], weights[1], a, b);
            second.part(a, step);
            Products::template right_turned<D>(b, seconds, column, 16 * step);
            Products::multiply(slopes[0], slopes[1], a, b);
        }
#pragma unroll
        for (int j = 0; j < 2; j++) {
            float4 two = {};  // the numbers of two columns
            if (kKeys) two = load4(numbers + 2 * (column + 8 * j + 2 * t));
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const float log_sum = !kKeys ? row_logs[i / 2] : i % 2 ? two.z : two.x;
                const float mean = !kKeys ? row_deltas[i / 2] : i % 2 ? two.w : two.y;
                float weight = power_of_two(weights[j][i] * factor - log_sum);
                if (!kKeys && 8 * j + 2 * t + i % 2 >= existing) weight = 0.f;
                weights[j][i] = weight;
                slopes[j][i] = weight * (slopes[j][i] - mean);
            }
        }
        if constexpr (kKeys) {
            Products::left(a, weights[0], weights[1]);
#pragma unroll
            for (int step = 0; step < D / 16; step++) {
                Products::template right<D>(b, seconds, column, 16 * step);
                Products::multiply(second_sums[2 * step], second_sums[2 * step + 1], a, b);
            }
        }
        Products::left(a, slopes[0], slopes[1]);
#pragma unroll
        for (int step = 0; step < D / 16; step++) {
            Products::template right<D>(b, firsts, column, 16 * step);
            Products::multiply(first_sums[2 * step], first_sums[2 * step + 1], a, b);
        }
    }

    // Rows of a head from `row` on.
    template <class T>
    __device__ void store(const AttentionSizes& s, int head, int row, T* qkv_grad) const {
        head = forgotten(head);
        T* to = qkv_grad + row * s.qkv_stride();
        store_rows<D>(first_sums, s.scale, to + s.qkv_start(head, kKeys ? 1 : 0), s.qkv_stride(), s.tokens - row,
                      s.depth);
        if constexpr (kKeys)
            store_rows<D>(second_sums, 1.f, to + s.qkv_start(head, 2), s.qkv_stride(), s.tokens - row, s.depth);
    }
};

}  // namespace hssl
