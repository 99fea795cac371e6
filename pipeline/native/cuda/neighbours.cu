// A search for neighbours on the device: its memory, and the order in which it uploads and computes.
#include "neighbours.h"

#include <memory>
#include <numeric>
#include <vector>

#include "neighbour_scan.cuh"
#include "products.cuh"

namespace {

using hssl::check;

thread_local std::string problem;

constexpr int kSlots = 2;
constexpr long kMostNeighbours = 1024;

struct DeviceFree {
    void operator()(void* address) const { cudaFree(address); }
};

struct HostFree {
    void operator()(void* address) const { cudaFreeHost(address); }
};

class Memory {
public:
    template <class T>
    T* on_device(long count, const char* what) {
        void* made = nullptr;
        check(cudaMalloc(&made, std::max<long>(count, 1) * sizeof(T)), what);
        device_.emplace_back(made);
        return static_cast<T*>(made);
    }
    template <class T>
    T* pinned(long count, const char* what) {
        void* made = nullptr;
        check(cudaMallocHost(&made, std::max<long>(count, 1) * sizeof(T)), what);
        host_.emplace_back(made);
        return static_cast<T*>(made);
    }

private:
    std::vector<std::unique_ptr<void, DeviceFree>> device_;
    std::vector<std::unique_ptr<void, HostFree>> host_;
};

// Uploads run in a stream of their own, beside the kernels.
struct Slot {
    float *staged = nullptr, *rows = nullptr;
    std::uint32_t *staged_numbers = nullptr, *numbers = nullptr;
    cudaEvent_t uploaded{}, used{};
};

class Search {
public:
    Search(long channels, long k, long queries, long block_rows, long tile, const float* centre)
        : channels_(channels), padded_((channels + 7) / 8 * 8), k_(k), most_queries_(queries), block_rows_(block_rows),
          tile_(tile) {
        if (k < 1 || k > kMostNeighbours || block_rows % 64 || block_rows < 64 || channels < 1 || tile < 1)
            throw std::runtime_error("a search for " + std::to_string(k) + " neighbours in blocks of " +
                                     std::to_string(block_rows) + " rows of " + std::to_string(channels));
        while (most_ < 2 * k) most_ *= 2;
        queries_ = packed(queries, true);
        block_ = packed(block_rows, false);
        best_ = memory_.on_device<hssl::Key>(queries * k, "neighbours");
        check(cudaMemsetAsync(best_, 0, queries * k * sizeof(hssl::Key)), "neighbours");
        summed_ = memory_.on_device<long>(queries, "candidates");
        check(cudaMemsetAsync(summed_, 0, queries * sizeof(long)), "candidates");
        products_ = memory_.on_device<hssl::bf16>(tile * block_rows, "products");
        bars_ = memory_.on_device<float>(tile, "bars");
        counts_ = memory_.on_device<int>(tile, "candidates");
        columns_ = memory_.on_device<unsigned>(tile * most_, "candidates");
        largest_ = memory_.on_device<hssl::Largest>(1, "bounds");
        not_finite_ = memory_.on_device<int>(1, "bounds");
        check(cudaMemsetAsync(not_finite_, 0, sizeof(int)), "bounds");
        centre_ = memory_.on_device<float>(channels, "centre");
        check(cudaMemcpy(centre_, centre, channels * sizeof(float), cudaMemcpyHostToDevice), "centre");
        for (long c = 0; c < channels; c++) centre_square_ += static_cast<double>(centre[c]) * centre[c];
        for (Slot& slot : slots_) {
            slot.staged = memory_.pinned<float>(block_rows * channels, "pinned memory");
            slot.staged_numbers = memory_.pinned<std::uint32_t>(block_rows, "pinned memory");
            slot.rows = memory_.on_device<float>(block_rows * channels, "rows of the bank");
            slot.numbers = memory_.on_device<std::uint32_t>(block_rows, "rows of the bank");
        }
        check(cudaStreamCreateWithFlags(&uploads_, cudaStreamNonBlocking), "a stream");
        for (Slot& slot : slots_)
            for (cudaEvent_t* event : {&slot.uploaded, &slot.used})
                check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "an event");
    }

    Search(const Search&) = delete;

    ~Search() {
        cudaDeviceSynchronize();
        if (uploads_) cudaStreamDestroy(uploads_);
        for (Slot& slot : slots_)
            for (cudaEvent_t event : {slot.uploaded, slot.used})
                if (event) cudaEventDestroy(event);
    }

    Slot& to_fill(long number) {
        Slot& slot = slots_[number % kSlots];
        check(cudaEventSynchronize(slot.uploaded), "an upload");
        return slot;
    }

    void add_queries(long number, long count) {
        if (count < 0 || count > block_rows_ || held_ + count > most_queries_)
            throw std::runtime_error(std::to_string(held_) + " queries and " + std::to_string(count) +
                                     " more; expected at most " + std::to_string(most_queries_));
        Slot& slot = slots_[number % kSlots];
        hssl::PackedRows to = part(queries_, held_);
        upload(to.rows, slot.staged, count * channels_);
        check(cudaEventRecord(slot.uploaded, uploads_), "an upload");
        check(cudaStreamWaitEvent(nullptr, slot.uploaded, 0), "an upload");
        hssl::pack_rows(to, count, count, channels_, padded_, centre_, not_finite_);
        held_ += count;
    }

    void search(long number, long count) {
        if (count < 1 || count > block_rows_) throw std::runtime_error("a block of " + std::to_string(count) + " rows");
        Slot& slot = slots_[number % kSlots];
        check(cudaStreamWaitEvent(uploads_, slot.used, 0), "an upload");
        upload(slot.rows, slot.staged, count * channels_);
        upload(slot.numbers, slot.staged_numbers, count);
        check(cudaEventRecord(slot.uploaded, uploads_), "an upload");
        check(cudaStreamWaitEvent(nullptr, slot.uploaded, 0), "an upload");
        hssl::PackedRows block = block_;
        block.rows = slot.rows;
        const long padded_rows = (count + 63) / 64 * 64;
        hssl::pack_rows(block, count, padded_rows, channels_, padded_, centre_, not_finite_);
        hssl::largest_of(block, count, largest_);
        for (long first = 0; first < held_; first += tile_) {
            const long queries = std::min(tile_, held_ - first);
            const hssl::PackedRows tile = part(queries_, first);
            hssl::product(queries, padded_rows, padded_, tile.factors, false, block.factors, true,
                          static_cast<const hssl::bf16*>(nullptr), products_);
            hssl::scan_block({tile, block, largest_, products_, slot.numbers, count, padded_rows, channels_, searched_,
                              centre_square_, static_cast<int>(k_), static_cast<int>(most_), bars_, counts_, columns_,
                              summed_ + first, best_ + first * k_},
                             queries);
        }
        check(cudaEventRecord(slot.used), "a block");
        searched_ += count;
    }

    // Whether all rows were finite.
    bool best(std::uint64_t* found) {
        int not_finite = 0;
        check(cudaMemcpy(&not_finite, not_finite_, sizeof not_finite, cudaMemcpyDeviceToHost), "the search");
        if (held_) {
            static_assert(sizeof(hssl::Key) == sizeof *found, "keys are 64 bits");
            check(cudaMemcpy(found, best_, held_ * k_ * sizeof *found, cudaMemcpyDeviceToHost), "neighbours");
        }
        return !not_finite;
    }

    long summed() {
        std::vector<long> all(held_);
        if (held_) check(cudaMemcpy(all.data(), summed_, held_ * sizeof(long), cudaMemcpyDeviceToHost), "candidates");
        return std::accumulate(all.begin(), all.end(), 0L);
    }

private:
    hssl::PackedRows packed(long count, bool with_rows) {
        const char* what = with_rows ? "queries" : "a block of the bank";
        hssl::PackedRows made{};
        if (with_rows) made.rows = memory_.on_device<float>(count * channels_, what);
        made.factors = memory_.on_device<hssl::bf16>(count * padded_, what);
        for (double** each : {&made.norms, &made.offsets, &made.rounded, &made.centred, &made.rest})
            *each = memory_.on_device<double>(count, what);
        made.narrow_offsets = memory_.on_device<float>(count, what);
        return made;
    }

    hssl::PackedRows part(const hssl::PackedRows& all, long first) const {
        return {all.rows + first * channels_, all.factors + first * padded_, all.norms + first, all.offsets + first,
                all.narrow_offsets + first, all.rounded + first, all.centred + first, all.rest + first};
    }

    template <class T>
    void upload(T* to, const T* from, long count) {
        check(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyHostToDevice, uploads_), "an upload");
    }

    long channels_, padded_, k_, most_queries_, block_rows_, tile_, most_ = 1024, held_ = 0, searched_ = 0;
    double centre_square_ = 0;
    Memory memory_;
    hssl::PackedRows queries_{}, block_{};
    hssl::Key* best_ = nullptr;
    long* summed_ = nullptr;
    hssl::bf16* products_ = nullptr;
    float *bars_ = nullptr, *centre_ = nullptr;
    int *counts_ = nullptr, *not_finite_ = nullptr;
    unsigned* columns_ = nullptr;
    hssl::Largest* largest_ = nullptr;
    Slot slots_[kSlots];
    cudaStream_t uploads_ = nullptr;
};

// No exception may leave: Python calls through C.
template <class Result, class Act>
Result guarded(Result failed, Act act) {
    try {
        return act();
    } catch (const std::exception& error) {
        problem = error.what();
        return failed;
    }
}

Search& as_search(void* search) { return *static_cast<Search*>(search); }

}  // namespace

void* hssl_device_neighbours_open(long channels, long k, long queries, long block_rows, long tile,
                                  const float* centre) {
    return guarded<void*>(nullptr, [&]() -> void* {
        return new Search(channels, k, queries, block_rows, tile, centre);
    });
}

float* hssl_device_neighbours_rows(void* search, long slot) {
    return guarded<float*>(nullptr, [&] { return as_search(search).to_fill(slot).staged; });
}

std::uint32_t* hssl_device_neighbours_numbers(void* search, long slot) {
    return guarded<std::uint32_t*>(nullptr, [&] { return as_search(search).to_fill(slot).staged_numbers; });
}

int hssl_device_neighbours_add_queries(void* search, long slot, long count) {
    return guarded(1, [&] { return as_search(search).add_queries(slot, count), 0; });
}

int hssl_device_neighbours_search(void* search, long slot, long count) {
    return guarded(1, [&] { return as_search(search).search(slot, count), 0; });
}

int hssl_device_neighbours_best(void* search, std::uint64_t* found) {
    return guarded(1, [&] { return as_search(search).best(found) ? 0 : 2; });
}

long hssl_device_neighbours_summed(void* search) {
    return guarded(-1L, [&] { return as_search(search).summed(); });
}

void hssl_device_neighbours_close(void* search) { delete static_cast<Search*>(search); }

const char* hssl_device_neighbours_problem() { return problem.c_str(); }
