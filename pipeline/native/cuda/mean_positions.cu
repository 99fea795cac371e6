// The mean over the places of maps, or over all rows of a matrix.
#include "kernels.h"
#include "scratch.cuh"
#include "vectors.cuh"

namespace {

using hssl::kNumbers;
using hssl::kWarp;

constexpr int kSlices = 8;          // warps of a block: each adds every 8th place
constexpr long kLeastChunk = 64;    // places of a block
constexpr long kBlocksWanted = 512;  // places are cut until there are so many groups of rows

// y (groups, chunks, channels) = sum over the places of a chunk of x (groups, places, channels), divided.
template <class V>
__global__ void __launch_bounds__(kSlices* kWarp)
    sum_places(long places, int channels, long chunks, long per_chunk, float divisor, const float* x, float* y) {
    __shared__ V shares[kSlices][kWarp];
    const int lane = threadIdx.x % kWarp, slice = threadIdx.x / kWarp;
    const int channel = (blockIdx.y * kWarp + lane) * kNumbers<V>;
    const long group = blockIdx.x / chunks, chunk = blockIdx.x % chunks;
    const long first = chunk * per_chunk, end = min(places, first + per_chunk);
    V sum = hssl::filled<V>(0.f);
    if (channel < channels) {
#pragma unroll 4
        for (long place = first + slice; place < end; place += kSlices)
            hssl::add(sum, hssl::read<V>(x + (group * places + place) * channels + channel));
    }
    shares[slice][lane] = sum;
    __syncthreads();
    if (slice > 0 || channel >= channels) return;
    for (int i = 1; i < kSlices; i++) hssl::add(sum, shares[i][lane]);
    // Exact where the divisor is 1.
    hssl::write(y + static_cast<long>(blockIdx.x) * channels + channel, hssl::divided(sum, divisor));
}

template <class V>
__global__ void __launch_bounds__(kSlices* kWarp)
    spread_mean(long rows, long places, int channels, const float* y_grad, float* x_grad) {
    const long row = static_cast<long>(blockIdx.x) * kSlices + threadIdx.x / kWarp;
    if (row >= rows) return;
    const float* from = y_grad + row / places * channels;
    const float count = static_cast<float>(places);
#pragma unroll 4
    for (int c = threadIdx.x % kWarp * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>)
        hssl::write(x_grad + row * channels + c, hssl::divided(hssl::read<V>(from + c), count));
}

template <class V>
void mean(long groups, long places, long channels, const float* x, float* y) {
    const unsigned slabs = hssl::blocks_for(channels, kWarp * kNumbers<V>);
    const long wanted = std::max(1L, kBlocksWanted / (groups * slabs));
    const long per_chunk = std::max(kLeastChunk, (places + wanted - 1) / wanted);
    const long chunks = (places + per_chunk - 1) / per_chunk;
    const dim3 threads(kSlices * kWarp);
    auto sum = [&](long all, long parts, long per_part, long divisor, const float* from, float* to) {
        hssl::launch("sum_places", sum_places<V>, dim3(static_cast<unsigned>(groups * parts), slabs), threads, 0, all,
                     channels, parts, per_part, divisor, from, to);
    };
    if (chunks == 1) return sum(places, 1, places, places, x, y);
    hssl::Scratch scratch;
    float* parts = scratch.take<float>(groups * chunks * channels);
    sum(places, chunks, per_chunk, 1, x, parts);
    sum(chunks, 1, chunks, places, parts, y);
}

}  // namespace

void hssl_device_mean_positions(long groups, long places, long channels, const float* x, float* y) {
    channels % 4 == 0 ? mean<float4>(groups, places, channels, x, y) : mean<float>(groups, places, channels, x, y);
}

void hssl_device_mean_positions_gradient(long groups, long places, long channels, const float* y_grad, float* x_grad) {
    hssl::launch("spread_mean", channels % 4 == 0 ? spread_mean<float4> : spread_mean<float>,
                 dim3(hssl::blocks_for(groups * places, kSlices)), dim3(kSlices * kWarp), 0, groups * places, places,
                 channels, y_grad, x_grad);
}
