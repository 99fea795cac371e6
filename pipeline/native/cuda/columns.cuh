// Passes over a matrix that also add up its columns, in a fixed order, and passes without sums.
#pragma once

#include "device.cuh"
#include "scratch.cuh"

namespace hssl {

constexpr int kColumnThreads = 64, kRowThreads = 4;  // of a block of `column_pass`
constexpr long kMostParts = 512;                     // partial sums of a column

// Parts (count, columns) added up in order: the first columns into `sums` (split), the others into `others`.
void sum_parts(long count, long columns, const float* parts, float* sums, long split, float* others);
inline void sum_parts(long count, long columns, const float* parts, float* sums) {
    sum_parts(count, columns, parts, sums, columns, nullptr);
}

// F: `float4 four(long row, long column)` and `float one(long row, long column)`: do the work at a place, and say
// what is added to the column's sum.
template <class F>
__global__ void column_pass_four(long rows, long columns, long rows_per_block, F work, float* parts) {
    __shared__ float4 shares[kRowThreads][kColumnThreads];
    const int x = threadIdx.x % kColumnThreads, y = threadIdx.x / kColumnThreads;
    const long column = 4 * (static_cast<long>(blockIdx.x) * kColumnThreads + x);
    const long first = static_cast<long>(blockIdx.y) * rows_per_block, end = min(rows, first + rows_per_block);
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
    if (column < columns)
        for (long row = first + y; row < end; row += kRowThreads) {
            const float4 value = work.four(row, column);
            sum.x += value.x, sum.y += value.y, sum.z += value.z, sum.w += value.w;
        }
    if (parts == nullptr) return;
    shares[y][x] = sum;
    __syncthreads();
    if (y == 0 && column < columns) {
        for (int i = 1; i < kRowThreads; i++) {
            const float4 value = shares[i][x];
            sum.x += value.x, sum.y += value.y, sum.z += value.z, sum.w += value.w;
        }
        store4(parts + static_cast<long>(blockIdx.y) * columns + column, sum);
    }
}

template <class F>
__global__ void column_pass_one(long rows, long columns, long rows_per_block, F work, float* parts) {
    const long column = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x;
    const long first = static_cast<long>(blockIdx.y) * rows_per_block, end = min(rows, first + rows_per_block);
    if (column >= columns) return;
    float sum = 0.f;
    for (long row = first; row < end; row++) sum += work.one(row, column);
    if (parts != nullptr) parts[static_cast<long>(blockIdx.y) * columns + column] = sum;
}

// Does `work` at every place of (rows, columns). sums (columns): what it returned, added up by column; or null.
template <class F>
void column_pass(const char* name, long rows, long columns, F work, float* sums, Scratch& scratch) {
    const bool four = columns % 4 == 0;
    const long most = sums ? kMostParts : 65535, per_block = std::max(16L, (rows + most - 1) / most);
    const unsigned parts_of_rows = blocks_for(rows, per_block);
    float* parts = sums ? scratch.take<float>(static_cast<long>(parts_of_rows) * columns) : nullptr;
    if (four)
        launch(name, column_pass_four<F>, dim3(blocks_for(columns, 4 * kColumnThreads), parts_of_rows),
               dim3(kColumnThreads * kRowThreads), 0, rows, columns, per_block, work, parts);
    else
        launch(name, column_pass_one<F>, dim3(blocks_for(columns, 128), parts_of_rows), dim3(128), 0, rows, columns,
               per_block, work, parts);
    if (sums) sum_parts(parts_of_rows, columns, parts, sums);
}

// F: `void four(long first)`, `void one(long place)`.
template <class F>
__global__ void element_pass(long fours, long count, F work) {
    const long thread = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread < fours) work.four(4 * thread);
    if (thread < count - 4 * fours) work.one(4 * fours + thread);
}

// Does `work` at each of `count` places.
template <class F>
void each_element(const char* name, long count, F work) {
    const long fours = count / 4;
    launch(name, element_pass<F>, dim3(blocks_for(std::max(fours, 1L), 256)), dim3(256), 0, fours, count, work);
}

}  // namespace hssl
