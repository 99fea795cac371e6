// Bins of boxes as weighted sums of cells: the gather of RoIAlign, and its gradient.
#include <omp.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

namespace {

constexpr long kBlock = 64;  // channels summed in registers
constexpr long kLeast = 16;  // channels of a thread in the gradient

// Cells that one bin reads along one axis. Neighbouring samples share cells: each is read once.
struct Taps {
    std::vector<int> cells;
    std::vector<float> weights;
    std::vector<long> ends;  // bin i: ends[i] .. ends[i + 1] - 1

    void read(long bins, long taps, const int* all_cells, const float* all_weights) {
        cells.clear();
        weights.clear();
        ends.assign(1, 0);
        for (long bin = 0; bin < bins; bin++) {
            for (long tap = bin * taps; tap < (bin + 1) * taps; tap++) {
                if (all_weights[tap] == 0.f) continue;
                const auto first = cells.begin() + ends.back();
                const auto found = std::find(first, cells.end(), all_cells[tap]);
                if (found != cells.end()) {
                    weights[found - cells.begin()] += all_weights[tap];
                } else {
                    cells.push_back(all_cells[tap]);
                    weights.push_back(all_weights[tap]);
                }
            }
            ends.push_back(long(cells.size()));
        }
    }
};

void check(long cells, long boxes, long count, const int* rows, const int* columns) {
    for (long n = 0; n < boxes; n++) {
        const auto row = std::minmax_element(rows + n * count, rows + (n + 1) * count);
        const auto column = std::minmax_element(columns + n * count, columns + (n + 1) * count);
        const long low = long(*row.first) + *column.first, high = long(*row.second) + *column.second;
        if (low < 0 || high >= cells)
            throw std::out_of_range("pool_cells: box " + std::to_string(n) + " reads cells " + std::to_string(low) +
                                    " to " + std::to_string(high) + " of " + std::to_string(cells));
    }
}

// Calls use(i, j, cell, weight) for every cell that bin (i, j) reads, bin by bin.
template <typename Begin, typename Use>
void each_cell(const Taps& rows, const Taps& columns, long bins, Begin begin, Use use) {
    for (long i = 0; i < bins; i++)
        for (long j = 0; j < bins; j++) {
            begin(i * bins + j);
            for (long a = rows.ends[i]; a < rows.ends[i + 1]; a++)
                for (long b = columns.ends[j]; b < columns.ends[j + 1]; b++)
                    use(long(rows.cells[a]) + columns.cells[b], rows.weights[a] * columns.weights[b]);
        }
}

}  // namespace

void hssl_pool_cells(long cells, long channels, long boxes, long bins, long taps, long channels_first,
                     const float* table, const int* rows, const float* row_weights, const int* columns,
                     const float* column_weights, float* y) {
    const long count = bins * taps, places = bins * bins;
    check(cells, boxes, count, rows, columns);
#pragma omp parallel
    {
        Taps down, across;
        std::vector<float> channels_last(channels_first ? places * channels : 0);
#pragma omp for schedule(static)
        for (long n = 0; n < boxes; n++) {
            down.read(bins, taps, rows + n * count, row_weights + n * count);
            across.read(bins, taps, columns + n * count, column_weights + n * count);
            float* result = y + n * places * channels;
            float* box = channels_first ? channels_last.data() : result;
            std::fill_n(box, places * channels, 0.f);
            for (long first = 0; first < channels; first += kBlock) {
                const long width = std::min(kBlock, channels - first);
                float* out = nullptr;
                each_cell(
                    down, across, bins, [&](long bin) { out = box + bin * channels + first; },
                    [&](long cell, float weight) {
                        const float* in = table + cell * channels + first;
#pragma omp simd
                        for (long c = 0; c < width; c++) out[c] += weight * in[c];
                    });
            }
            if (channels_first)
                for (long c = 0; c < channels; c++)
                    for (long p = 0; p < places; p++) result[c * places + p] = box[p * channels + c];
        }
    }
}

void hssl_pool_cells_gradient(long cells, long channels, long boxes, long bins, long taps, long channels_first,
                              const float* y_grad, const int* rows, const float* row_weights, const int* columns,
                              const float* column_weights, float* table_grad) {
    const long count = bins * taps, places = bins * bins;
    check(cells, boxes, count, rows, columns);
    // Threads share the channels, not the boxes, which overlap: the order of each sum is that of the boxes.
    const long threads = omp_get_max_threads();
    const long share = std::max(kLeast, (channels / threads + kLeast - 1) / kLeast * kLeast);
    const long blocks = (channels + share - 1) / share;
#pragma omp parallel for schedule(static)
    for (long block = 0; block < blocks; block++) {
        const long first = block * share, width = std::min(share, channels - first);
        for (long cell = 0; cell < cells; cell++) std::fill_n(table_grad + cell * channels + first, width, 0.f);
        Taps down, across;
        std::vector<float> channels_last(channels_first ? places * width : 0);
        for (long n = 0; n < boxes; n++) {
            down.read(bins, taps, rows + n * count, row_weights + n * count);
            across.read(bins, taps, columns + n * count, column_weights + n * count);
            const float* box = y_grad + n * places * channels + (channels_first ? first * places : first);
            long stride = channels;
            if (channels_first) {
                for (long p = 0; p < places; p++)
                    for (long c = 0; c < width; c++) channels_last[p * width + c] = box[c * places + p];
                box = channels_last.data();
                stride = width;
            }
            const float* in = nullptr;
            each_cell(
                down, across, bins, [&](long bin) { in = box + bin * stride; },
                [&](long cell, float weight) {
                    float* out = table_grad + cell * channels + first;
#pragma omp simd
                    for (long c = 0; c < width; c++) out[c] += weight * in[c];
                });
        }
    }
}
