// Bins of boxes as weighted sums of cells: the gather of RoIAlign, and its gradient.
//
// Neighbouring samples of a bin share cells: of the taps with one cell, the first has all their weight, so that each
// cell is read once.
#include "grouped_sums.cuh"
#include "kernels.h"
#include "vectors.cuh"

namespace {

using hssl::kNumbers;
using hssl::kWarp;

constexpr int kThreads = 128;

// What tap t of a bin weighs, with those after it at the same cell; 0 where one before it has the cell.
__device__ float merged(int t, int taps, const int* cells, const float* weights) {
    float sum = weights[t];
    if (sum == 0.f) return 0.f;
    for (int other = 0; other < t; other++)
        if (weights[other] != 0.f && cells[other] == cells[t]) return 0.f;
    for (int other = t + 1; other < taps; other++)
        if (cells[other] == cells[t]) sum += weights[other];
    return sum;
}

struct Tap {
    int cell;
    float weight;
};

// A block has a row of a box's bins.
template <class V>
__global__ void __launch_bounds__(kThreads, 8)
    pool_bins(long cells, int channels, int bins, int taps, const float* table, const int* rows,
              const float* row_weights, const int* columns, const float* column_weights, float* y) {
    Tap* down = hssl::shared_memory<Tap>();
    Tap* across = down + taps;
    const long bin_row = blockIdx.x, box = bin_row / bins;
    rows += bin_row * taps, row_weights += bin_row * taps;
    columns += box * bins * taps, column_weights += box * bins * taps;
    for (int t = threadIdx.x; t < taps; t += kThreads) down[t] = {rows[t], merged(t, taps, rows, row_weights)};
    for (int t = threadIdx.x; t < bins * taps; t += kThreads) {
        const int bin = t / taps * taps;
        across[t] = {columns[t], merged(t - bin, taps, columns + bin, column_weights + bin)};
    }
    __syncthreads();
    const int vectors = channels / kNumbers<V>;
    for (int item = threadIdx.x; item < bins * vectors; item += kThreads) {
        const int bin = item / vectors, channel = item % vectors * kNumbers<V>;
        V sum = hssl::filled<V>(0.f);
        for (int a = 0; a < taps; a++) {
            if (down[a].weight == 0.f) continue;
#pragma unroll 4
            for (int b = 0; b < taps; b++) {
                const Tap tap = across[bin * taps + b];
                if (tap.weight == 0.f) continue;
                const long cell = static_cast<long>(down[a].cell) + tap.cell;
                const V value = cell >= 0 && cell < cells ? hssl::read<V>(table + cell * channels + channel)
                                                          : hssl::filled<V>(hssl::not_a_number());
                hssl::add_product(sum, down[a].weight * tap.weight, value);
            }
        }
        hssl::write(y + (bin_row * bins + bin) * channels + channel, sum);
    }
}

// For each pair of taps of each bin, as (boxes, bins, bins, taps, taps): the cell, or -1 where the weight is 0.
__global__ void __launch_bounds__(kThreads)
    pair_taps(long pairs, long cells, int bins, int taps, const int* rows, const float* row_weights,
              const int* columns, const float* column_weights, int* keys, float* weights) {
    const long pair = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (pair >= pairs) return;
    const int number = static_cast<int>(pair), b = number % taps, a = number / taps % taps;
    const int bin = number / taps / taps, j = bin % bins, bin_row = bin / bins;
    const long down = static_cast<long>(bin_row) * taps;
    const long across = (static_cast<long>(bin_row / bins) * bins + j) * taps;
    const float weight = merged(a, taps, rows + down, row_weights + down) *
                         merged(b, taps, columns + across, column_weights + across);
    const long cell = static_cast<long>(rows[down + a]) + columns[across + b];
    keys[pair] = weight == 0.f || cell < 0 || cell >= cells ? -1 : static_cast<int>(cell);
    weights[pair] = weight;
}

}  // namespace

void hssl_device_pool_cells(long cells, long channels, long boxes, long bins, long taps, const float* table,
                            const int* rows, const float* row_weights, const int* columns,
                            const float* column_weights, float* y) {
    hssl::launch("pool_bins", channels % 4 == 0 ? pool_bins<float4> : pool_bins<float>,
                 dim3(static_cast<unsigned>(boxes * bins)), dim3(kThreads), (bins + 1) * taps * sizeof(Tap), cells,
                 channels, bins, taps, table, rows, row_weights, columns, column_weights, y);
}

void hssl_device_pool_cells_gradient(long cells, long channels, long boxes, long bins, long taps, const float* y_grad,
                                     const int* rows, const float* row_weights, const int* columns,
                                     const float* column_weights, float* table_grad) {
    const long pairs = boxes * bins * bins * taps * taps;
    hssl::check_entries(cells, pairs);
    hssl::Scratch scratch;
    int* keys = scratch.take<int>(pairs);
    float* weights = scratch.take<float>(pairs);
    hssl::launch("pair_taps", pair_taps, dim3(hssl::blocks_for(pairs, kThreads)), dim3(kThreads), 0, pairs, cells,
                 bins, taps, rows, row_weights, columns, column_weights, keys, weights);
    hssl::grouped_sums(cells, channels, pairs, keys, weights, taps * taps, y_grad, table_grad, scratch);
}
