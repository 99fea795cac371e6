// The gradient of attention, with the weights computed again. Each warp has 16 keys and goes over the queries, then
// (or in a second kernel) 16 queries and goes over the keys: every sum is in one warp's registers, in a fixed order.
// Source: Dao 2023 (arXiv 2307.08691), whose atomic additions to the gradient of queries the second walk replaces.
#include "attention.cuh"
#include "attention_walk.cuh"
#include "kernels.h"

namespace {

using namespace hssl;

constexpr int kMostWarps = 8;  // of a block
constexpr float kLog2E = 1.4426950408889634f;

// --- products of outputs with their gradients ----------------------------------------------------

// deltas[step i] = sum of out out_grad over row i (i < rows) of a head; eight lanes have a row.
template <class T>
__device__ void put_deltas(const T* out, const T* out_grad, long stride, int rows, int depth, float* deltas,
                           int step) {
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, warps = blockDim.x / kWarp;
    for (int first = 4 * warp; first < rows; first += 4 * warps) {
        const int row = first + lane / 8;
        const T *x = out + row * stride, *slope = out_grad + row * stride;
        float sum = 0.f;
        if (row < rows && depth % 4 == 0) {
#pragma unroll 4
            for (int i = 4 * (lane % 8); i < depth; i += 32) {
                const float4 a = load4(x + i), b = load4(slope + i);
                sum += a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
            }
        } else if (row < rows) {
            for (int i = lane % 8; i < depth; i += 8) sum += to_float(x[i]) * to_float(slope[i]);
        }
#pragma unroll
        for (int apart = 4; apart > 0; apart /= 2) sum += __shfl_xor_sync(kAllLanes, sum, apart);
        if (row < rows && lane % 8 == 0) deltas[step * row] = sum;
    }
}

constexpr int kDeltaThreads = 128, kDeltaRows = 64;

template <class T>
__global__ void __launch_bounds__(kDeltaThreads)
    attention_deltas(AttentionSizes s, int parts, const T* out, const T* out_grad, float* deltas) {
    const int head = blockIdx.x / parts;
    const int first = blockIdx.x % parts * kDeltaRows;
    const long start = s.out_start(head) + first * s.out_stride();
    put_deltas(out + start, out_grad + start, s.out_stride(), min(kDeltaRows, s.tokens - first), s.depth,
               deltas + static_cast<long>(head) * s.tokens + first, 1);
}

// --- all of a head in shared memory --------------------------------------------------------------

// Rows of a head from `first` on: queries and gradients of outputs, or keys and values, one tile after the other.
template <class Products, int D, class T>
__device__ void load_pair(typename Products::Stored* tiles, const AttentionSizes& s, bool keys, int head, int first,
                          int rows, const T* qkv, const T* out_grad) {
#pragma unroll 1
    for (int i = 0; i < 2; i++) {
        const bool inner = keys || i == 0;  // of qkv
        const long stride = inner ? s.qkv_stride() : s.out_stride();
        const T* from = inner ? qkv + s.qkv_start(head, keys + i * keys) : out_grad + s.out_start(head);
        load_rows<Products, D>(tiles + i * rows * Tile<typename Products::Stored, D>::kStride, from + first * stride,
                               stride, rows, s.tokens - first, s.depth, threadIdx.x, blockDim.x);
    }
}

template <class Products, int D, class T>
__global__ void __launch_bounds__(kMostWarps* kWarp, Products::kWords == 4 && D <= 64 ? 2 : 1)
    whole_head_gradient(AttentionSizes s, int rows, const T* qkv, const T* out, const float* log_sums,
                        const T* out_grad, T* qkv_grad) {
    using Stored = typename Products::Stored;
    using Rows = Tile<Stored, D>;
    const int warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp, g = threadIdx.x % kWarp / 4;
    const int head = blockIdx.x;
    Stored* queries = shared_memory<Stored>();
    Stored *slopes = queries + rows * Rows::kStride, *keys = slopes + rows * Rows::kStride,
           *values = keys + rows * Rows::kStride;
    float* numbers = reinterpret_cast<float*>(values + rows * Rows::kStride);

    load_pair<Products, D>(queries, s, false, head, 0, rows, qkv, out_grad);
    load_pair<Products, D>(keys, s, true, head, 0, rows, qkv, out_grad);
    for (int i = threadIdx.x; i < rows; i += blockDim.x) {
        numbers[2 * i] = i < s.tokens ? log_sums[static_cast<long>(head) * s.tokens + i] * kLog2E : INFINITY;
        if (i >= s.tokens) numbers[2 * i + 1] = 0.f;
    }
    put_deltas(out + s.out_start(head), out_grad + s.out_start(head), s.out_stride(), s.tokens, s.depth, numbers + 1,
               2);
    wait_for_copies();
    __syncthreads();

    for (int row = warp * kRows; row < rows; row += warps * kRows) {
        Walk<Products, D, true> walk(keys, values, row);
#pragma unroll 1
        for (int column = 0; column < rows; column += 16)
            walk.add(queries, slopes, numbers, column, 16, s.factor);
        walk.store(s, head, row, qkv_grad);
    }
    for (int row = warp * kRows; row < rows; row += warps * kRows) {
        Walk<Products, D, false> walk(queries, slopes, row);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            walk.row_logs[half] = numbers[2 * (row + g + 8 * half)];
            walk.row_deltas[half] = numbers[2 * (row + g + 8 * half) + 1];
        }
#pragma unroll 1
        for (int column = 0; column < rows; column += 16)
            walk.add(keys, values, nullptr, column, s.tokens - column, s.factor);
        walk.store(s, head, row, qkv_grad);
    }
}

// --- columns in chunks ---------------------------------------------------------------------------

struct Plan {
    int warps, parts, chunk, chunks;
    size_t bytes;
};

template <class Products, int D>
Plan plan_for(const AttentionSizes& s) {
    const size_t row = 2 * Tile<typename Products::Stored, D>::kStride * sizeof(typename Products::Stored);
    const int tiles = s.tiles();
    Plan plan{even_share(tiles, kMostWarps), 0, std::min(64, tiles * kRows), 0, 0};
    const auto bytes = [&] { return plan.warps * kRows * row + 2 * plan.chunk * (row + 2 * sizeof(float)); };
    if (bytes() > block_memory_limit()) plan.warps = even_share(tiles, kMostWarps / 2);
    while (bytes() > block_memory_limit()) plan.chunk -= kRows;
    plan.bytes = bytes();
    plan.parts = (tiles + plan.warps - 1) / plan.warps;
    plan.chunks = (s.tokens + plan.chunk - 1) / plan.chunk;
    return plan;
}

// Gradients of a block's keys and values, or of its queries.
template <class Products, int D, bool kKeys, class T>
__global__ void __launch_bounds__(kMostWarps* kWarp, Products::kWords == 4 && D <= 64 ? 2 : 1)
    part_gradient(AttentionSizes s, Plan plan, const T* qkv, const float* log_sums, const float* deltas,
                  const T* out_grad, T* qkv_grad) {
    using Stored = typename Products::Stored;
    using Rows = Tile<Stored, D>;
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, block_rows = plan.warps * kRows;
    const int head = blockIdx.x / plan.parts;
    const int first = blockIdx.x % plan.parts * block_rows, row = first + warp * kRows;
    Stored* own = shared_memory<Stored>();
    Stored* stages = own + 2 * block_rows * Rows::kStride;
    float* numbers = reinterpret_cast<float*>(stages + 4 * plan.chunk * Rows::kStride);
    log_sums += static_cast<long>(head) * s.tokens;
    deltas += static_cast<long>(head) * s.tokens;

    const auto load_chunk = [&](int chunk) {
        const int column = chunk * plan.chunk;
        load_pair<Products, D>(stages + chunk % 2 * 2 * plan.chunk * Rows::kStride, s, !kKeys, head, column,
                               plan.chunk, qkv, out_grad);
        if (!kKeys) return;
        float* to = numbers + chunk % 2 * 2 * plan.chunk;
        for (int i = threadIdx.x; i < plan.chunk; i += blockDim.x) {
            const bool exists = column + i < s.tokens;
            to[2 * i] = exists ? log_sums[column + i] * kLog2E : INFINITY;
            to[2 * i + 1] = exists ? deltas[column + i] : 0.f;
        }
    };
    load_pair<Products, D>(own, s, kKeys, head, first, block_rows, qkv, out_grad);
    load_chunk(0);
    wait_for_copies();
    __syncthreads();
    Walk<Products, D, kKeys> walk(own, own + block_rows * Rows::kStride, warp * kRows);
    if (!kKeys) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int query = row + g + 8 * half;
            walk.row_logs[half] = query < s.tokens ? log_sums[query] * kLog2E : INFINITY;
            walk.row_deltas[half] = query < s.tokens ? deltas[query] : 0.f;
        }
    }
    for (int chunk = 0; chunk < plan.chunks; chunk++) {
        if (chunk > 0) {
            wait_for_copies();
            __syncthreads();
        }
        if (chunk + 1 < plan.chunks) load_chunk(chunk + 1);
        const Stored *firsts = stages + chunk % 2 * 2 * plan.chunk * Rows::kStride,
                     *seconds = firsts + plan.chunk * Rows::kStride;
        const float* their_numbers = numbers + chunk % 2 * 2 * plan.chunk;
        const int existing = min(plan.chunk, s.tokens - chunk * plan.chunk);
#pragma unroll 1
        for (int column = 0; column < existing; column += 16)
            walk.add(firsts, seconds, their_numbers, column, existing - column, s.factor);
    }
    walk.store(s, head, row, qkv_grad);
}

}  // namespace

namespace hssl {

template <class T>
void attention_gradient(long batch, long tokens, long heads, long depth, const T* qkv, const T* out,
                        const float* log_sums, const T* out_grad, T* qkv_grad, Scratch& scratch) {
    if (batch * tokens * heads * depth == 0) return;
    const AttentionSizes s(tokens, heads, depth);
    const long all_heads = batch * heads;
    with_products<T>(s, [&](auto products, auto padded_depth) {
        using Products = decltype(products);
        using Stored = typename Products::Stored;
        constexpr int D = decltype(padded_depth)::value;
        const int rows = s.tiles() * kRows;
        const size_t whole = rows * (4 * Tile<Stored, D>::kStride * sizeof(Stored) + 2 * sizeof(float));
        if (whole <= block_memory_limit()) {
            launch("attention_gradient", whole_head_gradient<Products, D, T>, dim3(blocks_for(all_heads, 1)),
                   dim3(even_share(s.tiles(), kMostWarps) * kWarp), whole, s, rows, qkv, out, log_sums, out_grad,
                   qkv_grad);
            return;
        }
        float* deltas = scratch.take<float>(all_heads * tokens);
        const int delta_parts = (s.tokens + kDeltaRows - 1) / kDeltaRows;
        launch("attention_gradient", attention_deltas<T>, dim3(blocks_for(all_heads * delta_parts, 1)),
               dim3(kDeltaThreads), 0, s, delta_parts, out, out_grad, deltas);
        const Plan plan = plan_for<Products, D>(s);
        const dim3 grid(blocks_for(all_heads * plan.parts, 1)), block(plan.warps * kWarp);
        launch("attention_gradient", part_gradient<Products, D, true, T>, grid, block, plan.bytes, s, plan, qkv,
               log_sums, deltas, out_grad, qkv_grad);
        launch("attention_gradient", part_gradient<Products, D, false, T>, grid, block, plan.bytes, s, plan, qkv,
               log_sums, deltas, out_grad, qkv_grad);
    });
}

template void attention_gradient(long, long, long, long, const float*, const float*, const float*, const float*,
                                 float*, Scratch&);
template void attention_gradient(long, long, long, long, const bf16*, const bf16*, const float*, const bf16*, bf16*,
                                 Scratch&);

}  // namespace hssl

void hssl_device_attention_gradient(long batch, long tokens, long heads, long depth, const float* qkv,
                                    const float* out, const float* log_sums, const float* out_grad, float* qkv_grad) {
    hssl::Scratch scratch;
    hssl::attention_gradient(batch, tokens, heads, depth, qkv, out, log_sums, out_grad, qkv_grad, scratch);
}
