// The teacher's softmax over prototypes.
#include "kernels.h"
#include "prototype_rows.cuh"

namespace {

using hssl::kMostThreads;
using hssl::kNumbers;
using hssl::kWarp;

template <class V, int kKept>
__global__ void __launch_bounds__(hssl::most_threads(kKept))
    row_probabilities(int n, float scale, const float* logits, const float* center, float* probs) {
    __shared__ float memory[kMostThreads / kWarp];
    const long start = static_cast<long>(blockIdx.x) * n * kNumbers<V>;
    float* out = probs + start;
    hssl::Row<V, kKept> row(logits + start, n);
    row.each_kept([&](V& v, int i) { v = hssl::minus(v, hssl::read<V>(center + i * kNumbers<V>)); });
    auto centered = [&](V v, int i) { return kKept ? v : hssl::minus(v, hssl::read<V>(center + i * kNumbers<V>)); };
    float top = -INFINITY, sum = 0.f;
    row.each([&](V& v, int i) { top = fmaxf(top, hssl::largest(centered(v, i))); });
    top = hssl::block_max(top, memory);
    row.each([&](V& v, int i) {
        v = hssl::shifted_exps(centered(v, i), top, scale);
        sum += hssl::sum_of(v);
        if (kKept == 0) hssl::write(out + i * kNumbers<V>, v);
    });
    const float share = 1.f / hssl::block_sum(sum, memory);
    row.each_kept([&](V& v, int i) { hssl::write(out + i * kNumbers<V>, hssl::scaled(v, share)); });
    if (kKept == 0)
        for (int i = threadIdx.x; i < n; i += blockDim.x)
            hssl::write(out + i * kNumbers<V>, hssl::scaled(hssl::read<V>(out + i * kNumbers<V>), share));
}

}  // namespace

void hssl_device_teacher_probabilities(long rows, long prototypes, double temperature, const float* logits,
                                       const float* center, float* probs) {
    hssl::with_row(prototypes, [&](auto vector, auto kept, unsigned threads, long n) {
        hssl::launch("row_probabilities", row_probabilities<decltype(vector), decltype(kept)::value>,
                     dim3(static_cast<unsigned>(rows)), dim3(threads), 0, n, 1. / temperature, logits, center, probs);
    });
}
