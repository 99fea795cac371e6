// Sums of rows by key. Entries sorted by key are cut into chunks; a group that lies within one chunk is summed at
// once, of the others the parts in each chunk first: a group of thousands keeps no thread busy for long.
#include "grouped_sums.cuh"

#include "vectors.cuh"

namespace {

using hssl::kNumbers;
using hssl::kWarp;

constexpr int kChunk = 64;  // entries
constexpr int kWarps = 4;   // of a block; each has a group or a chunk

struct Entries {
    const int* keys;
    const int* entries;
    const float* weights;
    const float* values;
    int per_row, channels;
};

// The sum of the sorted entries first .. end - 1 at a lane's channels.
template <class V>
__device__ V sum_of(const Entries& all, int first, int end, int channel) {
    V sum = hssl::filled<V>(0.f);
#pragma unroll 4
    for (int i = first; i < end; i++) {
        const int entry = all.entries[i];
        const long row = entry / all.per_row;
        const V value = hssl::read<V>(all.values + row * all.channels + channel);
        hssl::add_product(sum, all.weights ? all.weights[entry] : 1.f, value);
    }
    return sum;
}

// parts (chunks, 2, channels): of a group of several chunks, the sum within this chunk: first, of the group of the
// chunk's first entry, second, of another that goes on behind the chunk.
template <class V>
__global__ void __launch_bounds__(kWarps* kWarp)
    sum_chunks(int groups, int count, Entries all, const int* starts, float* parts) {
    const long chunk = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    const int first = static_cast<int>(chunk * kChunk), end = min(count, first + kChunk);
    const int channel = (blockIdx.y * kWarp + threadIdx.x % kWarp) * kNumbers<V>;
    if (chunk * kChunk >= count || channel >= all.channels) return;
    const int head = all.keys[first], tail = all.keys[end - 1];
    float* part = parts + 2 * chunk * all.channels + channel;
    if (head < groups && (starts[head] < first || starts[head + 1] > end))
        hssl::write(part, sum_of<V>(all, first, min(end, starts[head + 1]), channel));
    if (tail < groups && tail != head && starts[tail + 1] > end)
        hssl::write(part + all.channels, sum_of<V>(all, starts[tail], end, channel));
}

template <class V>
__global__ void __launch_bounds__(kWarps* kWarp)
    sum_groups(int groups, Entries all, const int* starts, const float* parts, float* out) {
    const long group = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    const int channel = (blockIdx.y * kWarp + threadIdx.x % kWarp) * kNumbers<V>;
    if (group >= groups || channel >= all.channels) return;
    const int first = starts[group], end = starts[group + 1];
    V sum;
    if (first == end || first / kChunk == (end - 1) / kChunk) {
        sum = sum_of<V>(all, first, end, channel);
    } else {
        sum = hssl::filled<V>(0.f);
#pragma unroll 4
        for (int chunk = first / kChunk; chunk <= (end - 1) / kChunk; chunk++) {
            const bool second = chunk * kChunk < first;
            hssl::add(sum, hssl::read<V>(parts + (2L * chunk + second) * all.channels + channel));
        }
    }
    hssl::write(out + group * all.channels + channel, sum);
}

template <class V>
void sum_sorted(long groups, long channels, long count, const Entries& all, float* out, hssl::Scratch& scratch) {
    const long chunks = (count + kChunk - 1) / kChunk;
    int* starts = scratch.take<int>(groups + 1);
    float* parts = scratch.take<float>(2 * chunks * channels);
    const unsigned slabs = hssl::blocks_for(channels, kWarp * kNumbers<V>);
    hssl::group_starts(groups, count, all.keys, starts);
    hssl::launch("sum_chunks", sum_chunks<V>, dim3(hssl::blocks_for(chunks, kWarps), slabs), dim3(kWarps * kWarp), 0,
                 groups, count, all, starts, parts);
    hssl::launch("sum_groups", sum_groups<V>, dim3(hssl::blocks_for(groups, kWarps), slabs), dim3(kWarps * kWarp), 0,
                 groups, all, starts, parts, out);
}

}  // namespace

namespace hssl {

void grouped_sums(long groups, long channels, long entries, const int* keys, const float* weights,
                  long entries_per_row, const float* values, float* out, Scratch& scratch) {
    const SortedEntries sorted = sort_entries(groups, entries, keys, scratch);
    const Entries all{sorted.keys,
                      sorted.entries,
                      weights,
                      values,
                      static_cast<int>(entries_per_row),
                      static_cast<int>(channels)};
    if (channels % 4 == 0)
        sum_sorted<float4>(groups, channels, entries, all, out, scratch);
    else
        sum_sorted<float>(groups, channels, entries, all, out, scratch);
}

}  // namespace hssl
