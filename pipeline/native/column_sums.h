// Sums over the rows of a matrix, in an order that depends only on the number of threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <vector>

namespace hssl {

// Calls visit(row, partial) for each row; each thread has a `partial` of `length` zeros to add to.
// Then totals[j] += sum of the threads' partial[j], in the threads' order. Inside a parallel region there is one thread.
template <class Visit>
void add_row_sums(long rows, long length, float* totals, Visit visit) {
    const long most = omp_in_parallel() ? 1 : omp_get_max_threads();
    const int threads = static_cast<int>(std::min(most, std::max<long>(rows / 8, 1)));
    // 16 floats apart from the neighbour's: no cache line is shared.
    const long stride = (length + 31) / 16 * 16;
    std::vector<float> partials(static_cast<size_t>(stride * threads), 0.f);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int thread = 0; thread < threads; thread++) {
        float* partial = partials.data() + thread * stride;
        for (long row = rows * thread / threads; row < rows * (thread + 1) / threads; row++) visit(row, partial);
    }
    for (long j = 0; j < length; j++) {
        float total = 0.f;
        for (int thread = 0; thread < threads; thread++) total += partials[thread * stride + j];
        totals[j] += total;
    }
}

// The same from totals of zero.
template <class Visit>
void reduce_rows(long rows, long length, float* totals, Visit visit) {
    std::fill_n(totals, length, 0.f);
    add_row_sums(rows, length, totals, visit);
}

// sums (columns) grow by the columns of x (rows, columns).
inline void add_column_sums(long rows, long columns, const float* x, float* sums) {
    add_row_sums(rows, columns, sums, [&](long i, float* partial) {
        const float* row = x + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) partial[j] += row[j];
    });
}

}  // namespace hssl
