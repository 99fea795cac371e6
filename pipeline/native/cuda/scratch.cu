// Chunks of device memory that are taken once and used by call after call.
#include "scratch.cuh"

#include <algorithm>
#include <vector>

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kSmallestChunk = 32u << 20;
// Sizes of chunks are its multiples: what differs by a few rows shares a chunk.
constexpr size_t kChunkStep = 8u << 20;

size_t rounded(size_t size, size_t step) { return (size + step - 1) / step * step; }

struct Chunk {
    char* start;
    size_t size;
};

std::vector<Chunk>& chunks() {
    static std::vector<Chunk> all;
    return all;
}

}  // namespace

namespace hssl {

void* Scratch::bytes(size_t size) {
    size = rounded(std::max<size_t>(size, 1), kAlignment);
    std::vector<Chunk>& all = chunks();
    size_t place = 0;
    while (place < all.size() && used_of(place) + size > all[place].size) place++;
    if (place == all.size()) {
        const size_t taken = rounded(std::max(size, kSmallestChunk), kChunkStep);
        void* start = nullptr;
        check(cudaMalloc(&start, taken), "memory for a kernel's own use");
        all.push_back({static_cast<char*>(start), taken});
    }
    used_.resize(std::max(used_.size(), place + 1));
    void* found = all[place].start + used_[place];
    used_[place] += size;
    return found;
}

}  // namespace hssl
