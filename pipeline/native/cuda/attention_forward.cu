// The forward pass of attention: each warp has 16 queries and goes over the keys, and its softmax is rescaled when a
// larger score appears. Sources: Milakov and Gimelshein 2018 (arXiv 1805.02867); Dao 2023 (arXiv 2307.08691).
#include "attention.cuh"
#include "attention_tiles.cuh"
#include "kernels.h"

namespace {

using namespace hssl;

constexpr int kMostWarps = 8;

// Where they fit (with depth 64 in bfloat16: up to 384 tokens), all keys and values of a head are in shared memory at
// once, as one chunk, and a block does all of its queries in rounds. Else a block does one round, and chunks follow
// one another through two stages.
struct Plan {
    int warps, rounds, parts, chunk, chunks;
    size_t bytes;
};

template <class Products, int D>
Plan plan_for(const AttentionSizes& s) {
    const size_t row = Tile<typename Products::Stored, D>::kStride * sizeof(typename Products::Stored);
    const int tiles = s.tiles();
    Plan plan{even_share(tiles, kMostWarps), 0, 1, tiles * kRows, 1, 0};
    plan.rounds = (tiles + plan.warps - 1) / plan.warps;
    plan.bytes = (plan.warps * kRows + 2 * plan.chunk) * row;
    if (plan.bytes <= block_memory_limit()) return plan;
    plan.rounds = 1;
    plan.chunk = 64;
    const auto bytes = [&] { return (plan.warps * kRows + 4 * plan.chunk) * row; };
    if (bytes() > block_memory_limit()) plan.warps = even_share(tiles, kMostWarps / 2);
    while (bytes() > block_memory_limit()) plan.chunk -= kRows;
    plan.bytes = bytes();
    plan.parts = (tiles + plan.warps - 1) / plan.warps;
    plan.chunks = (s.tokens + plan.chunk - 1) / plan.chunk;
    return plan;
}

// A warp's 16 queries: rows g and g + 8 are this lane's.
template <int D>
struct Queries {
    float sums[D / 8][4] = {};
    float largest[2] = {-INFINITY, -INFINITY};
    float totals[2] = {0.f, 0.f};  // of this lane's columns
};

// Adds 16 kBlocks keys; those from `existing` on (existing > 0) have no weight.
template <class Products, int D, int kBlocks, class Left>
__device__ inline void add_keys(Queries<D>& q, const Left& queries, const typename Products::Stored* keys,
                                const typename Products::Stored* values, int row, int existing, float factor) {
    constexpr int kWords = Products::kWords;
    float scores[2 * kBlocks][4] = {};
#pragma unroll
    for (int step = 0; step < D / 16; step++) {
        unsigned a[kWords];
        queries.part(a, step);
#pragma unroll
        for (int j = 0; j < kBlocks; j++) {
            unsigned b[kWords];
            Products::template right_turned<D>(b, keys, row + 16 * j, 16 * step);
            Products::multiply(scores[2 * j], scores[2 * j + 1], a, b);
        }
    }
    if (existing < 16 * kBlocks) {
        const int t = threadIdx.x % 4;
#pragma unroll
        for (int j = 0; j < 2 * kBlocks; j++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (8 * j + 2 * t + i % 2 >= existing) scores[j][i] = -INFINITY;
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float most = q.largest[half];
#pragma unroll
        for (int j = 0; j < 2 * kBlocks; j++) most = fmaxf(most, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
        most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 1));
        most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 2));
        // The first key exists: `most` is a number.
        const float rescale = power_of_two((q.largest[half] - most) * factor), shift = most * factor;
        q.largest[half] = most;
        float total = 0.f;
#pragma unroll
        for (int j = 0; j < 2 * kBlocks; j++)
#pragma unroll
            for (int i = 2 * half; i < 2 * half + 2; i++) {
                scores[j][i] = power_of_two(scores[j][i] * factor - shift);
                total += scores[j][i];
            }
        q.totals[half] = q.totals[half] * rescale + total;
#pragma unroll
        for (int j = 0; j < D / 8; j++) q.sums[j][2 * half] *= rescale, q.sums[j][2 * half + 1] *= rescale;
    }
#pragma unroll
    for (int j = 0; j < kBlocks; j++) {
        unsigned a[kWords];
        Products::left(a, scores[2 * j], scores[2 * j + 1]);
#pragma unroll
        for (int step = 0; step < D / 16; step++) {
            unsigned b[kWords];
            Products::template right<D>(b, values, row + 16 * j, 16 * step);
            Products::multiply(q.sums[2 * step], q.sums[2 * step + 1], a, b);
        }
    }
}

template <class Products, int D, class T>
__global__ void __launch_bounds__(kMostWarps* kWarp, D <= 64 ? 2 : 1)
    attend(AttentionSizes s, Plan plan, const T* qkv, T* out, float* log_sums) {
    using Stored = typename Products::Stored;
    using Rows = Tile<Stored, D>;
    constexpr int kBlocks = D <= 64 ? Products::kKeyBlocks : (Products::kKeyBlocks + 1) / 2;
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    const int head = blockIdx.x / plan.parts;
    const int part = blockIdx.x % plan.parts;
    Stored* own = shared_memory<Stored>() + warp * kRows * Rows::kStride;
    Stored* stages = shared_memory<Stored>() + plan.warps * kRows * Rows::kStride;
    const T* head_queries = qkv + s.qkv_start(head, 0);

    const auto stage_keys = [&](int chunk) {
        return stages + chunk % 2 * 2 * plan.chunk * Rows::kStride;
    };
    const auto load_chunk = [&](int chunk) {
        const int first = chunk * plan.chunk;
#pragma unroll 1
        for (int i = 0; i < 2; i++)
            load_rows<Products, D>(stage_keys(chunk) + i * plan.chunk * Rows::kStride,
                                   qkv + s.qkv_start(head, 1 + i) + first * s.qkv_stride(), s.qkv_stride(),
                                   plan.chunk, s.tokens - first, s.depth, threadIdx.x, blockDim.x);
    };
    load_chunk(0);
    for (int round = 0; round < plan.rounds; round++) {
        const int first_query = ((part * plan.rounds + round) * plan.warps + warp) * kRows;
        __syncwarp();
        load_rows<Products, D>(own, head_queries + first_query * s.qkv_stride(), s.qkv_stride(), kRows,
                               s.tokens - first_query, s.depth, lane, kWarp);
        wait_for_copies();
        if (round == 0)
            __syncthreads();
        else
            __syncwarp();
        const LeftRows<Products, D, Products::kWords == 4 ? 32 : 16> queries(own, 0);
        Queries<D> q;
        for (int chunk = 0; chunk < plan.chunks; chunk++) {
            if (chunk > 0) {
                wait_for_copies();
                __syncthreads();
            }
            if (chunk + 1 < plan.chunks) load_chunk(chunk + 1);
            const Stored *keys = stage_keys(chunk), *values = keys + plan.chunk * Rows::kStride;
            const int existing = min(plan.chunk, s.tokens - chunk * plan.chunk);
            int row = 0;
            for (; row + 16 * (kBlocks - 1) < existing; row += 16 * kBlocks)
                add_keys<Products, D, kBlocks>(q, queries, keys, values, row, existing - row, s.factor);
            for (; kBlocks > 1 && row < existing; row += 16)
                add_keys<Products, D, 1>(q, queries, keys, values, row, existing - row, s.factor);
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float total = q.totals[half];
            total += __shfl_xor_sync(kAllLanes, total, 1);
            total += __shfl_xor_sync(kAllLanes, total, 2);
            const float inverse = 1.f / total;
#pragma unroll
            for (int j = 0; j < D / 8; j++) q.sums[j][2 * half] *= inverse, q.sums[j][2 * half + 1] *= inverse;
            const int query = first_query + lane / 4 + 8 * half;
            if (lane % 4 == 0 && query < s.tokens)
                log_sums[static_cast<long>(head) * s.tokens + query] = q.largest[half] * s.scale + logf(total);
        }
        store_rows<D>(q.sums, 1.f, out + s.out_start(head) + first_query * s.out_stride(), s.out_stride(),
                      s.tokens - first_query, s.depth);
    }
}

}  // namespace

namespace hssl {

template <class T>
void attention(long batch, long tokens, long heads, long depth, const T* qkv, T* out, float* log_sums) {
    if (batch * tokens * heads * depth == 0) return;
    const AttentionSizes s(tokens, heads, depth);
    with_products<T>(s, [&](auto products, auto padded_depth) {
        using Products = decltype(products);
        constexpr int D = decltype(padded_depth)::value;
        const Plan plan = plan_for<Products, D>(s);
        launch("attention", attend<Products, D, T>, dim3(blocks_for(batch * heads * plan.parts, 1)),
               dim3(plan.warps * kWarp), plan.bytes, s, plan, qkv, out, log_sums);
    });
}

template void attention(long, long, long, long, const float*, float*, float*);
template void attention(long, long, long, long, const bf16*, bf16*, float*);

}  // namespace hssl

void hssl_device_attention(long batch, long tokens, long heads, long depth, const float* qkv, float* out,
                           float* log_sums) {
    hssl::attention(batch, tokens, heads, depth, qkv, out, log_sums);
}
