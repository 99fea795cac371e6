// Work on rows that each thread does for rows of its own, a few at a time, through several parts: no thread waits for
// another between the parts, and what one part has written is in the thread's cache when the next reads it. What a
// part calls (a product, a norm) finds itself in a thread among others, and uses no more threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <vector>

namespace hssl {

// Rows that a thread takes at once, where an item has no more: enough for a product's speed.
constexpr long kChunkRows = 256;

// Threads that can take items of `rows` rows of their own, none of them idle for long nor with products of a few rows,
// which are faster shared; else 0. Within a thread of others 0 too: what it was given is small enough.
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
void each_chunk(long items, long rows, int threads, Visit visit) {
    if (threads == 0) return visit(0, 0L, items);
    const long step = std::max<long>(1, kChunkRows / rows);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int thread = 0; thread < threads; thread++) {
        const long last = items * (thread + 1) / threads;
        for (long item = items * thread / threads; item < last; item += step)
            visit(thread, item, std::min(step, last - item));
    }
}

// Memory of a thread that lives from call to call, handed out in parts, sixteen at most. One at a time in a thread.
class Arena {
  public:
    explicit Arena(long length) {
        static thread_local std::vector<float> memory;
        if (static_cast<long>(memory.size()) < length + 256) memory.resize(length + 256);
        next_ = memory.data();
    }
    float* take(long length) {
        float* start = next_;
        next_ += (length + 15) / 16 * 16;
        return start;
    }

  private:
    float* next_;
};

// A list of gradients for each thread to add to, zeros at first. The first thread's are the gradients themselves.
class ThreadGradients {
  public:
    struct One {
        float* start;
        long length;
    };

    // Threads that there is memory for, `threads` or 0: the others' gradients take 256 MiB at most.
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

    // Where a thread adds to the gradients, in their order.
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
    // Lives from call to call; every call ends before the next.
    static std::vector<float>& memory() {
        static std::vector<float> partials;
        return partials;
    }

    int threads_;
    long length_;
    const std::vector<One> gradients_;
};

}  // namespace hssl
