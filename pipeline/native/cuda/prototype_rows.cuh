// Rows of numbers for prototypes. A block has a row, and holds it in registers where it fits: it is read from memory
// once.
#pragma once

#include <type_traits>

#include "vectors.cuh"

namespace hssl {

constexpr int kMostThreads = 1024;

__device__ inline float largest(float v) { return v; }
__device__ inline float largest(float4 v) { return fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)); }
__device__ inline float sum_of(float v) { return v; }
__device__ inline float sum_of(float4 v) { return (v.x + v.y) + (v.z + v.w); }
// exp(scale v + shift)
__device__ inline float exps(float v, float scale, float shift) { return expf(v * scale + shift); }
__device__ inline float4 exps(float4 v, float scale, float shift) {
    return make_float4(exps(v.x, scale, shift), exps(v.y, scale, shift), exps(v.z, scale, shift),
                       exps(v.w, scale, shift));
}
__device__ inline float minus(float a, float b) { return a - b; }
__device__ inline float4 minus(float4 a, float4 b) { return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w); }

// exp(scale (v - top)): the difference first, so that no digits are lost where both are large.
template <class V>
__device__ V shifted_exps(V v, float top, float scale) {
    return exps(minus(v, filled<V>(top)), scale, 0.f);
}

// A thread's share of a row of n vectors. kKept: how many of them it keeps in registers, 0 where they are too many.
template <class V, int kKept>
struct Row {
    const float* from;
    int n;
    V kept[kKept ? kKept : 1];

    __device__ Row(const float* from, int n) : from(from), n(n) {
#pragma unroll
        for (int k = 0; k < kKept; k++) {
            const int i = threadIdx.x + k * blockDim.x;
            kept[k] = i < n ? read<V>(from + i * kNumbers<V>) : filled<V>(0.f);
        }
    }
    template <class Visit>
    __device__ void each_kept(Visit visit) {
#pragma unroll
        for (int k = 0; k < kKept; k++) {
            const int i = threadIdx.x + k * blockDim.x;
            if (i < n) visit(kept[k], i);
        }
    }
    // visit(vector, its number in the row)
    template <class Visit>
    __device__ void each(Visit visit) {
        each_kept(visit);
        if (kKept == 0)
            for (int i = threadIdx.x; i < n; i += blockDim.x) {
                V v = read<V>(from + i * kNumbers<V>);
                visit(v, i);
            }
    }
};

// How many threads may share a row of which each keeps so many vectors.
constexpr int most_threads(int kept) { return kept == 1 || kept == 4 ? kMostThreads / 2 : kMostThreads; }

template <class V, class Use>
void with_kept(long n, Use use) {
    const auto threads = [&](long kept) { return blocks_for(n, kept * kWarp) * kWarp; };
    if (n <= 256) return use(V(), std::integral_constant<int, 1>(), threads(1), n);
    if (n <= 4 * kMostThreads / 2) return use(V(), std::integral_constant<int, 4>(), threads(4), n);
    if (n <= 8 * kMostThreads) return use(V(), std::integral_constant<int, 8>(), threads(8), n);
    use(V(), std::integral_constant<int, 0>(), static_cast<unsigned>(kMostThreads), n);
}

// As use(a V, a constant: how many vectors a thread keeps, threads of a block, vectors of a row).
template <class Use>
void with_row(long prototypes, Use use) {
    if (prototypes % 4 == 0)
        with_kept<float4>(prototypes / 4, use);
    else
        with_kept<float>(prototypes, use);
}

}  // namespace hssl
