// Rows as the search for neighbours needs them: rounded for products, exact for what decides.
#pragma once

#include "device.cuh"

namespace hssl {

// The sum of left[c] right[c] by a warp: every lane gets it. Products of float numbers are exact in double, and the
// order of the sums is that of `dot` in evaluate/neighbour_tiles/scan.cpp: the result is the processor's, to the bit.
__device__ inline double exact_dot(const float* left, const float* right, long channels) {
    double sum = 0;
#pragma unroll 4
    for (long c = threadIdx.x % kWarp; c < channels; c += kWarp)
        sum += static_cast<double>(left[c]) * static_cast<double>(right[c]);
#pragma unroll
    for (int half = kWarp / 2; half > 0; half /= 2) sum += __shfl_down_sync(kAllLanes, sum, half);
    return __shfl_sync(kAllLanes, sum, 0);
}

// Of rows (count, channels) on the device; unit rows less the centre are called centred.
struct PackedRows {
    float* rows;      // as they are
    bf16* factors;    // (padded count, padded channels) centred and rounded; 0 where it is padded
    double* norms;    // lengths of the rows
    double* offsets;  // centre . centred
    float* narrow_offsets;  // likewise
    double* rounded;  // lengths of the rounded rows,
    double* centred;  // of the centred ones,
    double* rest;     // and of what rounding took
};

struct Largest {
    double rounded, rest, offset;
};

// Packs `count` rows at `packed`, and writes zeros as the factors of those up to `padded_count`. *not_finite = 1 where
// a row is not.
void pack_rows(const PackedRows& packed, long count, long padded_count, long channels, long padded_channels,
               const float* centre, int* not_finite);

// The largest of some rows, (1).
void largest_of(const PackedRows& packed, long count, Largest* largest);

}  // namespace hssl
