// The cross-entropy of distributions over prototypes.
#include "kernels.h"
#include "prototype_rows.cuh"
#include "scratch.cuh"

namespace {

using hssl::kMostThreads;
using hssl::kNumbers;
using hssl::kWarp;

constexpr int kPairThreads = 256;
constexpr int kGradientThreads = 256, kGradientVectors = 4;  // of a thread

struct Pairs {
    const int* logits_row;
    const int* probs_row;
    const float* weights;
    const int* starts;  // (rows + 1) of the pairs of each row
    const int* wrong;   // not 0: rows that do not exist, or descend
};

// starts; *wrong = 1 where a pair is: who finds one writes the same.
__global__ void __launch_bounds__(kPairThreads)
    find_pairs(long rows, long probs_rows, int pairs, const int* logits_row, const int* probs_row, int* starts,
               int* wrong) {
    const long thread = static_cast<long>(blockIdx.x) * kPairThreads + threadIdx.x;
    if (thread < pairs) {
        const int row = logits_row[thread], target = probs_row[thread];
        const bool fits = row >= 0 && row < rows && target >= 0 && target < probs_rows;
        if (!fits || (thread > 0 && row < logits_row[thread - 1])) *wrong = 1;
    }
    if (thread > rows) return;
    int low = 0, high = pairs;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (logits_row[middle] < thread)
            low = middle + 1;
        else
            high = middle;
    }
    starts[thread] = low;
}

// losses (pairs), log_sums (rows); where a pair is wrong, log_sums are NaN and nothing is read.
template <class V, int kKept>
__global__ void __launch_bounds__(hssl::most_threads(kKept))
    row_losses(int n, float scale, const float* logits, const float* probs, Pairs pairs, float* losses,
               float* log_sums) {
    __shared__ float memory[kMostThreads / kWarp];
    const long row_number = blockIdx.x, length = static_cast<long>(n) * kNumbers<V>;
    const int first = pairs.starts[row_number], end = pairs.starts[row_number + 1];
    const bool wrong = *pairs.wrong;
    if (wrong || first == end) {
        if (threadIdx.x == 0) log_sums[row_number] = wrong ? hssl::not_a_number() : 0.f;
        return;
    }
    hssl::Row<V, kKept> row(logits + row_number * length, n);
    float top = -INFINITY, sum = 0.f;
    row.each([&](V& v, int) { top = fmaxf(top, hssl::largest(v)); });
    top = hssl::block_max(top, memory);
    row.each([&](V& v, int) { sum += hssl::sum_of(hssl::shifted_exps(v, top, scale)); });
    const float log_sum = top * scale + logf(hssl::block_sum(sum, memory));
    if (threadIdx.x == 0) log_sums[row_number] = log_sum;
    const V constant = hssl::filled<V>(log_sum);
    for (int p = first; p < end; p++) {
        const float* target = probs + pairs.probs_row[p] * length;
        float part = 0.f;
        row.each([&](V& v, int i) {
            part += hssl::dot(hssl::read<V>(target + i * kNumbers<V>), hssl::minus(constant, hssl::scaled(v, scale)));
        });
        part = hssl::block_sum(part, memory);
        if (threadIdx.x == 0) losses[p] = pairs.weights[p] * part;
    }
}

// One block. In double: the order is fixed, and thousands of pairs lose no digits.
__global__ void __launch_bounds__(kMostThreads)
    add_losses(int pairs, const int* wrong, const float* losses, float* loss) {
    __shared__ double shares[kMostThreads];
    double sum = 0.;
    if (!*wrong)
        for (int p = threadIdx.x; p < pairs; p += kMostThreads) sum += losses[p];
    shares[threadIdx.x] = sum;
    __syncthreads();
    for (int step = kMostThreads / 2; step > 0; step /= 2) {
        if (static_cast<int>(threadIdx.x) < step) shares[threadIdx.x] += shares[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) *loss = *wrong ? hssl::not_a_number() : static_cast<float>(shares[0]);
}

template <class V>
__global__ void __launch_bounds__(kGradientThreads)
    row_gradients(int n, float scale, const float* logits, const float* probs, Pairs pairs, const float* log_sums,
                  const float* loss_grad, float* logits_grad) {
    const long row = blockIdx.x, length = static_cast<long>(n) * kNumbers<V>;
    const int first = pairs.starts[row], end = pairs.starts[row + 1];
    const float log_sum = log_sums[row], share = *loss_grad * scale;
    // A log sum that is no number may tell of rows of `probs` that do not exist.
    const bool wrong = *pairs.wrong || log_sum != log_sum;
    float weight = 0.f;
    for (int p = first; p < end; p++) weight += pairs.weights[p];
    weight *= share;
    V slopes[kGradientVectors];
    const int start = blockIdx.y * kGradientVectors * kGradientThreads + threadIdx.x;
#pragma unroll
    for (int k = 0; k < kGradientVectors; k++) {
        const int i = start + k * kGradientThreads;
        slopes[k] = hssl::filled<V>(wrong ? hssl::not_a_number() : 0.f);
        if (!wrong && first < end && i < n) {
            const V logit = hssl::read<V>(logits + row * length + i * kNumbers<V>);
            slopes[k] = hssl::scaled(hssl::exps(logit, scale, -log_sum), weight);
        }
    }
    for (int p = first; p < end && !wrong; p++) {
        const float* target = probs + pairs.probs_row[p] * length;
        const float part = -pairs.weights[p] * share;
#pragma unroll
        for (int k = 0; k < kGradientVectors; k++) {
            const int i = start + k * kGradientThreads;
            if (i < n) hssl::add_product(slopes[k], part, hssl::read<V>(target + i * kNumbers<V>));
        }
    }
#pragma unroll
    for (int k = 0; k < kGradientVectors; k++) {
        const int i = start + k * kGradientThreads;
        if (i < n) hssl::write(logits_grad + row * length + i * kNumbers<V>, slopes[k]);
    }
}

Pairs find(long rows, long probs_rows, long pairs, const int* logits_row, const int* probs_row, const float* weights,
           hssl::Scratch& scratch) {
    int *starts = scratch.take<int>(rows + 1), *wrong = scratch.take<int>(1);
    hssl::check(cudaMemsetAsync(wrong, 0, sizeof(int)), "find_pairs");
    hssl::launch("find_pairs", find_pairs, dim3(hssl::blocks_for(std::max(rows + 1, pairs), kPairThreads)),
                 dim3(kPairThreads), 0, rows, probs_rows, pairs, logits_row, probs_row, starts, wrong);
    return {logits_row, probs_row, weights, starts, wrong};
}

}  // namespace

void hssl_device_soft_cross_entropy(long rows, long prototypes, long probs_rows, long pairs, double temperature,
                                    const float* logits, const float* probs, const int* logits_row,
                                    const int* probs_row, const float* weights, float* loss, float* log_sums) {
    hssl::Scratch scratch;
    const Pairs found = find(rows, probs_rows, pairs, logits_row, probs_row, weights, scratch);
    float* losses = scratch.take<float>(pairs);
    hssl::with_row(prototypes, [&](auto vector, auto kept, unsigned threads, long n) {
        hssl::launch("row_losses", row_losses<decltype(vector), decltype(kept)::value>,
                     dim3(static_cast<unsigned>(rows)), dim3(threads), 0, n, 1. / temperature, logits, probs, found,
                     losses, log_sums);
    });
    hssl::launch("add_losses", add_losses, dim3(1), dim3(kMostThreads), 0, pairs, found.wrong, losses, loss);
}

void hssl_device_soft_cross_entropy_gradient(long rows, long prototypes, long pairs, double temperature,
                                             const float* logits, const float* probs, const int* logits_row,
                                             const int* probs_row, const float* weights, const float* log_sums,
                                             const float* loss_grad, float* logits_grad) {
    hssl::Scratch scratch;
    const long unknown = 1L << 31;  // how many rows `probs` has: the pass forward has looked at that
    const Pairs found = find(rows, unknown, pairs, logits_row, probs_row, weights, scratch);
    const bool four = prototypes % 4 == 0;
    const long n = four ? prototypes / 4 : prototypes;
    hssl::launch("row_gradients", four ? row_gradients<float4> : row_gradients<float>,
                 dim3(static_cast<unsigned>(rows), hssl::blocks_for(n, kGradientThreads * kGradientVectors)),
                 dim3(kGradientThreads), 0, n, 1. / temperature, logits, probs, found, log_sums, loss_grad,
                 logits_grad);
}
