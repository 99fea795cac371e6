// Picking rows of a matrix. A row that does not exist is picked as NaN, and its gradient goes nowhere.
#include "grouped_sums.cuh"
#include "kernels.h"
#include "vectors.cuh"

namespace {

using hssl::kNumbers;
using hssl::kWarp;

constexpr int kWarps = 8;  // of a block; each has a row

template <class V>
__global__ void __launch_bounds__(kWarps* kWarp)
    pick_rows(long num_rows, int channels, long picked, const float* x, const int* rows, float* y) {
    const long p = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (p >= picked) return;
    const long row = rows[p];
    const bool exists = row >= 0 && row < num_rows;
    const V missing = hssl::filled<V>(hssl::not_a_number());
#pragma unroll 4
    for (int c = threadIdx.x % kWarp * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>)
        hssl::write(y + p * channels + c, exists ? hssl::read<V>(x + row * channels + c) : missing);
}

}  // namespace

void hssl_device_gather_rows(long num_rows, long channels, long picked, const float* x, const int* rows, float* y) {
    hssl::launch("pick_rows", channels % 4 == 0 ? pick_rows<float4> : pick_rows<float>,
                 dim3(hssl::blocks_for(picked, kWarps)), dim3(kWarps * kWarp), 0, num_rows, channels, picked, x, rows,
                 y);
}

void hssl_device_gather_rows_gradient(long num_rows, long channels, long picked, const float* y_grad, const int* rows,
                                      float* x_grad) {
    hssl::Scratch scratch;
    hssl::grouped_sums(num_rows, channels, picked, rows, nullptr, 1, y_grad, x_grad, scratch);
}
