// Chunks of device memory that are taken once and used by call after call.
#include "scratch.cuh"

#include <algorithm>
#include <vector>

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kSmallestChunk = 32u << 20;

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
    size = (std::max<size_t>(size, 1) + kAlignment - 1) / kAlignment * kAlignment;
    std::vector<Chunk>& all = chunks();
    while (chunk_ < all.size() && used_ + size > all[chunk_].size) chunk_++, used_ = 0;
    if (chunk_ == all.size()) {
        const size_t taken = std::max(size, kSmallestChunk);
        void* start = nullptr;
        check(cudaMalloc(&start, taken), "memory for a kernel's own use");
        all.push_back({static_cast<char*>(start), taken});
        used_ = 0;
    }
    void* found = all[chunk_].start + used_;
    used_ += size;
    return found;
}

}  // namespace hssl
