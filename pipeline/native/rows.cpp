// Gathers rows of a matrix.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

namespace {

void check(long num_rows, long picked, const int* rows) {
    for (long p = 0; p < picked; p++)
        if (rows[p] < 0 || rows[p] >= num_rows)
            throw std::out_of_range("gather_rows: row " + std::to_string(rows[p]) + " of a matrix of " +
                                    std::to_string(num_rows) + " rows");
}

}  // namespace

void hssl_gather_rows(long num_rows, long channels, long picked, const float* x, const int* rows, float* y) {
    check(num_rows, picked, rows);
#pragma omp parallel for schedule(static)
    for (long p = 0; p < picked; p++) std::copy_n(x + rows[p] * channels, channels, y + p * channels);
}

void hssl_gather_rows_gradient(long num_rows, long channels, long picked, const float* y_grad, const int* rows,
                               float* x_grad) {
    check(num_rows, picked, rows);
    // Who picked row r: order[starts[r]] .. order[starts[r + 1] - 1], ascending, so that sums have one order.
    std::vector<long> starts(num_rows + 1, 0), order(picked);
    for (long p = 0; p < picked; p++) starts[rows[p] + 1]++;
    for (long r = 0; r < num_rows; r++) starts[r + 1] += starts[r];
    std::vector<long> next(starts.begin(), starts.end() - 1);
    for (long p = 0; p < picked; p++) order[next[rows[p]]++] = p;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < num_rows; r++) {
        float* out = x_grad + r * channels;
        std::fill_n(out, channels, 0.f);
        for (long s = starts[r]; s < starts[r + 1]; s++) {
            const float* in = y_grad + order[s] * channels;
#pragma omp simd
            for (long j = 0; j < channels; j++) out[j] += in[j];
        }
    }
}
