// Gradients of a convolution where few positions of the result have a slope: products of these positions alone.
//
// Of a network that proposes boxes, a step trains a few hundred of all anchors, and all other slopes are 0.
#pragma once

#include <omp.h>

#include <algorithm>
#include <vector>

#include "chunks.h"
#include "convolution.h"
#include "products.h"

namespace hssl {

class FewSlopes {
  public:
    // slopes (positions of the result, out), of a convolution at stride 1 with the channels last.
    FewSlopes(const Convolution& shape, const float* slopes)
        : shape_(shape), slopes_(slopes), positions_(shape.images * shape.out_positions()),
          taps_(shape.side * shape.side), length_(taps_ * shape.in) {
        for (long row = 0; row < positions_; row++) {
            const float* first = slopes + row * shape.out;
            int found = 0;
#pragma omp simd reduction(| : found)
            for (long j = 0; j < shape.out; j++) found |= first[j] != 0.f;
            if (found) rows_.push_back(row);
        }
    }

    // Whether the products of these rows are faster than the convolutions of all.
    bool pay() const { return kWorth * static_cast<long>(rows_.size()) <= positions_; }

    // As `convolve_gradient`.
    void gradient(const float* x, const float* weight, float* x_grad, float* weight_grad) const {
        const long out = shape_.out;
        ArenaOf<FewSlopes> memory(2 * kAtOnce * length_ + kAtOnce * out + 2 * out * length_ + 80);
        float *patches = memory.take(kAtOnce * length_), *patch_grads = memory.take(kAtOnce * length_),
              *slopes = memory.take(kAtOnce * out), *by_taps = memory.take(out * length_),
              *by_taps_grad = memory.take(out * length_);
        reorder(weight, by_taps);
        std::fill_n(by_taps_grad, out * length_, 0.f);
        if (x_grad != nullptr) std::fill_n(x_grad, positions_ * shape_.in, 0.f);
        for (long first = 0; first < static_cast<long>(rows_.size()); first += kAtOnce) {
            const long count = std::min<long>(kAtOnce, rows_.size() - first);
#pragma omp parallel for schedule(static)
            for (long i = 0; i < count; i++) {
                std::copy_n(slopes_ + rows_[first + i] * out, out, slopes + i * out);
                std::fill_n(patches + i * length_, length_, 0.f);
                each_tap(rows_[first + i], [&](long tap, long from) {
                    std::copy_n(x + from * shape_.in, shape_.in, patches + i * length_ + tap * shape_.in);
                });
            }
            multiply_exact('T', 'N', out, length_, count, slopes, patches, by_taps_grad, true);
            if (x_grad == nullptr) continue;
            multiply_exact('N', 'N', count, length_, out, slopes, by_taps, patch_grads, false);
            add_patches(first, count, patch_grads, x_grad);
        }
        for (long o = 0; o < out; o++)
            for (long tap = 0; tap < taps_; tap++)
                for (long c = 0; c < shape_.in; c++)
                    weight_grad[(o * shape_.in + c) * taps_ + tap] = by_taps_grad[(o * taps_ + tap) * shape_.in + c];
    }

  private:
    static constexpr long kWorth = 2;     // one row in so many
    static constexpr long kAtOnce = 256;  // rows whose patches are in memory

    // Calls visit(tap of the filter, row of x) for the taps that read no border.
    template <class Visit>
    void each_tap(long row, Visit visit) const {
        const long column = row % shape_.width, line = row / shape_.width % shape_.height, border = shape_.side / 2;
        for (long i = 0; i < shape_.side; i++)
            for (long j = 0; j < shape_.side; j++) {
                const long down = line + i - border, across = column + j - border;
                if (down < 0 || down >= shape_.height || across < 0 || across >= shape_.width) continue;
                visit(i * shape_.side + j, row + (i - border) * shape_.width + j - border);
            }
    }

    // weight (out, in, taps) to (out, taps, in)
    void reorder(const float* weight, float* by_taps) const {
        for (long o = 0; o < shape_.out; o++)
            for (long c = 0; c < shape_.in; c++)
                for (long tap = 0; tap < taps_; tap++)
                    by_taps[(o * taps_ + tap) * shape_.in + c] = weight[(o * shape_.in + c) * taps_ + tap];
    }

    // Threads share the channels, not the patches, which overlap: the order of each sum is that of the rows.
    void add_patches(long first, long count, const float* patch_grads, float* x_grad) const {
        const long threads = std::min<long>(omp_get_max_threads(), (shape_.in + 15) / 16);
#pragma omp parallel for schedule(static) num_threads(threads)
        for (long thread = 0; thread < threads; thread++) {
            const long from = shape_.in * thread / threads, to = shape_.in * (thread + 1) / threads;
            for (long i = 0; i < count; i++)
                each_tap(rows_[first + i], [&](long tap, long row) {
                    const float* patch = patch_grads + i * length_ + tap * shape_.in;
                    float* sums = x_grad + row * shape_.in;
#pragma omp simd
                    for (long c = from; c < to; c++) sums[c] += patch[c];
                });
        }
    }

    const Convolution shape_;
    const float* slopes_;
    const long positions_, taps_, length_;
    std::vector<long> rows_;
};

}  // namespace hssl
