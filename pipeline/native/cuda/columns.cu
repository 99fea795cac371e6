// The second stage of sums over columns.
#include "columns.cuh"

namespace {

constexpr int kSlices = 32;

// A block for 32 columns; each of its warps adds every 32nd part, then the warps' sums are added in order.
__global__ void add_parts(long count, long columns, const float* parts, float* sums, long split, float* others) {
    __shared__ float shares[kSlices][hssl::kWarp + 1];
    const int lane = threadIdx.x % hssl::kWarp, slice = threadIdx.x / hssl::kWarp;
    const long column = static_cast<long>(blockIdx.x) * hssl::kWarp + lane;
    float sum = 0.f;
    if (column < columns)
        for (long i = slice; i < count; i += kSlices) sum += parts[i * columns + column];
    shares[slice][lane] = sum;
    __syncthreads();
    if (slice == 0 && column < columns) {
        for (int i = 1; i < kSlices; i++) sum += shares[i][lane];
        (column < split ? sums[column] : others[column - split]) = sum;
    }
}

}  // namespace

namespace hssl {

void sum_parts(long count, long columns, const float* parts, float* sums, long split, float* others) {
    launch("add_parts", add_parts, dim3(blocks_for(columns, kWarp)), dim3(kSlices * kWarp), 0, count, columns, parts,
           sums, split, others);
}

}  // namespace hssl
