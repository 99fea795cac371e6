// Packs rows for the search for neighbours.
#include "neighbour_rows.cuh"

#include <cfloat>

namespace {

using hssl::bf16;
using hssl::kAllLanes;
using hssl::kWarp;
using hssl::PackedRows;

constexpr int kWarps = 8;  // of a block
constexpr int kLargestThreads = 1024;

__device__ double lanes_sum(double value) {
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
    return value;
}

// A warp has a row.
__global__ void __launch_bounds__(kWarps* kWarp)
    pack(PackedRows packed, long count, long padded_count, long channels, long padded_channels, const float* centre,
         int* not_finite) {
    const long row = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (row >= padded_count) return;
    const int lane = threadIdx.x % kWarp;
    bf16* factors = packed.factors + row * padded_channels;
    if (row >= count) {
        for (long c = lane; c < padded_channels; c += kWarp) factors[c] = hssl::from_float<bf16>(0.f);
        return;
    }
    const float* own = packed.rows + row * channels;
    const double norm = sqrt(hssl::exact_dot(own, own, channels)), scale = norm > 0 ? 1 / norm : 0;
    double of_rounded = 0, of_centred = 0, of_rest = 0, offset = 0;
    for (long c = lane; c < padded_channels; c += kWarp) {
        if (c >= channels) {
            factors[c] = hssl::from_float<bf16>(0.f);
            continue;
        }
        const double middle = centre[c], centred = own[c] * scale - middle;
        factors[c] = hssl::from_float<bf16>(static_cast<float>(centred));
        const double rounded = hssl::to_float(factors[c]);
        of_rounded += rounded * rounded;
        of_centred += centred * centred;
        of_rest += (centred - rounded) * (centred - rounded);
        offset += middle * centred;
    }
    of_rounded = lanes_sum(of_rounded), of_centred = lanes_sum(of_centred), of_rest = lanes_sum(of_rest);
    offset = lanes_sum(offset);
    if (lane != 0) return;
    packed.norms[row] = norm;
    packed.offsets[row] = offset;
    packed.narrow_offsets[row] = static_cast<float>(offset);
    packed.rounded[row] = sqrt(of_rounded);
    packed.centred[row] = sqrt(of_centred);
    packed.rest[row] = sqrt(of_rest);
    if (!(norm <= DBL_MAX)) *not_finite = 1;  // who finds one writes the same
}

__device__ double larger(double one, double other) { return one > other ? one : other; }

// One block.
__global__ void __launch_bounds__(kLargestThreads) find_largest(PackedRows packed, long count, hssl::Largest* largest) {
    __shared__ double rounded[kLargestThreads], rest[kLargestThreads], offset[kLargestThreads];
    const int own = threadIdx.x;
    rounded[own] = rest[own] = offset[own] = 0;
    for (long row = own; row < count; row += kLargestThreads) {
        rounded[own] = larger(rounded[own], packed.rounded[row]);
        rest[own] = larger(rest[own], packed.rest[row]);
        offset[own] = larger(offset[own], fabs(packed.offsets[row]));
    }
    __syncthreads();
    for (int step = kLargestThreads / 2; step > 0; step /= 2) {
        if (own < step) {
            rounded[own] = larger(rounded[own], rounded[own + step]);
            rest[own] = larger(rest[own], rest[own + step]);
            offset[own] = larger(offset[own], offset[own + step]);
        }
        __syncthreads();
    }
    if (own == 0) *largest = {rounded[0], rest[0], offset[0]};
}

}  // namespace

namespace hssl {

void pack_rows(const PackedRows& packed, long count, long padded_count, long channels, long padded_channels,
               const float* centre, int* not_finite) {
    launch("pack rows", pack, dim3(blocks_for(padded_count, kWarps)), dim3(kWarps * kWarp), 0, packed, count,
           padded_count, channels, padded_channels, centre, not_finite);
}

void largest_of(const PackedRows& packed, long count, Largest* largest) {
    launch("find largest", find_largest, dim3(1), dim3(kLargestThreads), 0, packed, count, largest);
}

}  // namespace hssl
