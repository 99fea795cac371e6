// Work in several parts on rows: each thread does all parts for its own rows, a few at a time. So no thread waits for
// another between parts, and the output of one part is in the thread's cache when the next part reads it. A function
// called by a part (a product, a norm) runs inside a thread among others, and starts no further threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <vector>

#include "rounding.h"

namespace hssl {

// Rows that a thread takes at once, unless an item has more: enough for fast products. Of bfloat16 twice as many: its
// products are twice as fast, and so is the time in which weights have to come from a cache further away.
constexpr long kChunkRows = 256, kRoundedChunkRows = 2 * kChunkRows;

// Number of threads that take their own items of `rows` rows, if none of them would idle for long or have products of
// few rows, which are faster shared; else 0. Also 0 inside a thread among others, whose work is small enough.
inline int threads_for(long items, long rows) {
    if (omp_in_parallel()) return 0;
    const long threads = omp_get_max_threads();
    const long most = (items + threads - 1) / threads;
    const bool even = 4 * items >= 3 * most * threads, enough = 4 * items * rows >= threads * kChunkRows;
    return threads == 1 || (even && enough) ? static_cast<int>(threads) : 0;
}

// Calls visit(thread, first item, number of items) until all were visited; an item has `rows` rows. With 0
// threads, all at once: every part then divides its own work among threads.
template <class Visit>
void each_chunk(long items, long rows, int threads, Visit visit, long rows_at_once = kChunkRows) {
    if (threads == 0) return visit(0, 0L, items);
    const long step = std::max<long>(1, rows_at_once / rows);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int thread = 0; thread < threads; thread++) {
        const long last = items * (thread + 1) / threads;
        for (long item = items * thread / threads; item < last; item += step)
            visit(thread, item, std::min(step, last - item));
    }
}

template <class Visit>
void each_rounded_chunk(long items, long rows, int threads, Visit visit) {
    each_chunk(items, rows, threads, visit, kRoundedChunkRows);
}

// A thread's memory for one user, kept between calls, and given out in up to sixteen parts. One object of a user at a
// time per thread: what is called from within a part of a layer is another user.
template <class User>
class ArenaOf {
  public:
    explicit ArenaOf(long length) {
        static thread_local std::vector<float> memory;
        if (static_cast<long>(memory.size()) < length + 256) memory.resize(length + 256);
        next_ = memory.data();
    }
    float* take(long length) {
        float* start = next_;
        next_ += (length + 15) / 16 * 16;
        return start;
    }
    // Counts as half as many floats.
    Rounded* take_rounded(long length) { return reinterpret_cast<Rounded*>(take((length + 1) / 2)); }

  private:
    float* next_;
};

using Arena = ArenaOf<struct Layers>;

// A list of gradients per thread to add to, initially zeros. The first thread's are the gradients themselves.
class ThreadGradients {
  public:
    struct One {
        float* start;
        long length;
    };

    // `threads`, or 0 if the other threads' gradients would take more than 256 MiB.
    static int affordable(int threads, const std::vector<One>& gradients) {
        return (threads - 1) * total(gradients) <= (64L << 20) ? threads : 0;
    }

    ThreadGradients(int threads, const std::vector<One>& gradients)
        : threads_(std::max(threads, 1)), length_(total(gradients)), gradients_(gradients) {
        std::vector<float>& partials = memory();
        const long others = (threads_ - 1) * length_;
        if (static_cast<long>(partials.size()) < others) partials.resize(others);
        std::fill_n(partials.data(), others, 0.f);
        for (const One& gradient : gradients) std::fill_n(gradient.start, gradient.length, 0.f);
    }

    // The arrays to which a thread adds its gradients, in their order.
    std::vector<float*> of(int thread) const {
        std::vector<float*> starts;
        float* next = memory().data() + (thread - 1) * length_;
        for (const One& gradient : gradients_) {
            starts.push_back(thread == 0 ? gradient.start : next);
            next += gradient.length;
        }
        return starts;
    }

    // The gradients become the sums of all threads', in the threads' order.
    void add_up() const {
        const float* next = memory().data();
        for (const One& gradient : gradients_) {
            for (int thread = 1; thread < threads_; thread++) {
                const float* partial = next + (thread - 1) * length_;
                float* sum = gradient.start;
                const long length = gradient.length;
#pragma omp parallel for simd schedule(static) if (length > 10000)
                for (long j = 0; j < length; j++) sum[j] += partial[j];
            }
            next += gradient.length;
        }
    }

  private:
    static long total(const std::vector<One>& gradients) {
        long sum = 0;
        for (const One& gradient : gradients) sum += gradient.length;
        return sum;
    }
    // Kept between calls; every call ends before the next one.
    static std::vector<float>& memory() {
        static std::vector<float> partials;
        return partials;
    }

    int threads_;
    long length_;
    const std::vector<One> gradients_;
};

}  // namespace hssl
