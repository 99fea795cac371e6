// A stable sort of whole numbers by counting, a few bits at a time, without atomics.
#include "grouped_sums.cuh"

namespace {

using hssl::kAllLanes;
using hssl::kWarp;

constexpr int kBits = 5, kDigits = 1 << kBits;
constexpr int kThreads = 256, kItems = 8, kTile = kThreads * kItems;  // entries of a block
constexpr int kScanThreads = 1024;

// The keys of a thread's run of entries, -1 behind the last. Keys that are of no group come last.
struct Run {
    int keys[kItems];

    __device__ Run(long entries, int groups, const int* all) {
        const long first = static_cast<long>(blockIdx.x) * kTile + threadIdx.x * kItems;
#pragma unroll
        for (int i = 0; i < kItems; i++) {
            const int key = first + i < entries ? all[first + i] : -1;
            keys[i] = first + i >= entries ? -1 : key < 0 || key > groups ? groups : key;
        }
    }
    // counts[digit][thread]: how often the digit occurs in the run.
    __device__ void count(int shift, unsigned short (*counts)[kThreads]) const {
#pragma unroll
        for (int digit = 0; digit < kDigits; digit++) counts[digit][threadIdx.x] = 0;
#pragma unroll
        for (int i = 0; i < kItems; i++)
            if (keys[i] >= 0) counts[(keys[i] >> shift) % kDigits][threadIdx.x]++;
    }
};

// totals (digits, tiles)
__global__ void __launch_bounds__(kThreads)
    count_digits(long entries, int groups, int shift, const int* keys, unsigned* totals) {
    __shared__ unsigned short counts[kDigits][kThreads];
    Run(entries, groups, keys).count(shift, counts);
    __syncthreads();
    constexpr int kParts = kThreads / kDigits;
    const int digit = threadIdx.x / kParts, part = threadIdx.x % kParts;
    unsigned sum = 0;
    for (int i = part; i < kThreads; i += kParts) sum += counts[digit][i];
#pragma unroll
    for (int step = kParts / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
    if (part == 0) totals[static_cast<long>(digit) * gridDim.x + blockIdx.x] = sum;
}

// Of a warp: the sum over the lanes before.
__device__ unsigned sum_before(unsigned value) {
    const int lane = threadIdx.x % kWarp;
    unsigned sum = value;
#pragma unroll
    for (int step = 1; step < kWarp; step *= 2) {
        const unsigned other = __shfl_up_sync(kAllLanes, sum, step);
        if (lane >= step) sum += other;
    }
    return sum - value;
}

// Each number becomes the sum of those before it.
__global__ void __launch_bounds__(kScanThreads) scan(long count, unsigned* numbers) {
    __shared__ unsigned warps[kScanThreads / kWarp];
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    const long run = (count + kScanThreads - 1) / kScanThreads;
    const long first = min(count, threadIdx.x * run), end = min(count, first + run);
    unsigned sum = 0;
    for (long i = first; i < end; i++) sum += numbers[i];
    unsigned before = sum_before(sum);
    if (lane == kWarp - 1) warps[warp] = before + sum;
    __syncthreads();
    if (warp == 0) warps[lane] = sum_before(warps[lane]);
    __syncthreads();
    before += warps[warp];
    for (long i = first; i < end; i++) {
        const unsigned value = numbers[i];
        numbers[i] = before;
        before += value;
    }
}

// Keys and `order` (null: the entries as they come) to where they belong by one digit.
__global__ void __launch_bounds__(kThreads)
    place_entries(long entries, int groups, int shift, const int* keys, const int* order, const unsigned* places,
                  int* sorted_keys, int* sorted_order) {
    __shared__ unsigned short counts[kDigits][kThreads];
    __shared__ unsigned starts[kDigits];
    const Run run(entries, groups, keys);
    run.count(shift, counts);
    if (threadIdx.x < kDigits) starts[threadIdx.x] = places[static_cast<long>(threadIdx.x) * gridDim.x + blockIdx.x];
    __syncthreads();
    // A warp turns the counts of a digit into what comes before each thread's.
    const int lane = threadIdx.x % kWarp;
    for (int digit = threadIdx.x / kWarp; digit < kDigits; digit += kThreads / kWarp) {
        unsigned short* own = counts[digit] + lane * (kThreads / kWarp);
        unsigned sum = 0;
        for (int i = 0; i < kThreads / kWarp; i++) sum += own[i];
        unsigned before = sum_before(sum);
        for (int i = 0; i < kThreads / kWarp; i++) {
            const unsigned short count = own[i];
            own[i] = static_cast<unsigned short>(before);
            before += count;
        }
    }
    __syncthreads();
    const long first = static_cast<long>(blockIdx.x) * kTile + threadIdx.x * kItems;
#pragma unroll
    for (int i = 0; i < kItems; i++) {
        if (run.keys[i] < 0) continue;
        const unsigned place = starts[(run.keys[i] >> shift) % kDigits] +
                               counts[(run.keys[i] >> shift) % kDigits][threadIdx.x]++;
        sorted_keys[place] = run.keys[i];
        sorted_order[place] = order ? order[first + i] : static_cast<int>(first + i);
    }
}

__global__ void find_starts(long groups, long entries, const int* keys, int* starts) {
    const long group = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (group > groups) return;
    long low = 0, high = entries;
    while (low < high) {
        const long middle = (low + high) / 2;
        if (keys[middle] < group)
            low = middle + 1;
        else
            high = middle;
    }
    starts[group] = static_cast<int>(low);
}

}  // namespace

namespace hssl {

void check_entries(long groups, long entries) {
    constexpr long kMost = 0x7fffffffL - kTile;
    if (entries > kMost || groups > kMost)
        throw std::runtime_error("sums by row: " + std::to_string(entries) + " rows to add to " +
                                 std::to_string(groups) + "; expected at most " + std::to_string(kMost) +
                                 " of each: use smaller batches");
}

void group_starts(long groups, long entries, const int* keys, int* starts) {
    launch("find_starts", find_starts, dim3(blocks_for(groups + 1, 128)), dim3(128), 0, groups, entries, keys,
           starts);
}

SortedEntries sort_entries(long groups, long entries, const int* keys, Scratch& scratch) {
    check_entries(groups, entries);
    const unsigned tiles = blocks_for(entries, kTile);
    const long counts = static_cast<long>(tiles) * kDigits;
    unsigned* totals = scratch.take<unsigned>(counts);
    int* key_buffers[2] = {scratch.take<int>(entries), scratch.take<int>(entries)};
    int* order_buffers[2] = {scratch.take<int>(entries), scratch.take<int>(entries)};
    const int* order = nullptr;
    int turn = 0;
    for (int shift = 0; shift == 0 || groups >> shift; shift += kBits, turn = 1 - turn) {
        launch("count_digits", count_digits, dim3(tiles), dim3(kThreads), 0, entries, groups, shift, keys, totals);
        launch("scan", scan, dim3(1), dim3(kScanThreads), 0, counts, totals);
        launch("place_entries", place_entries, dim3(tiles), dim3(kThreads), 0, entries, groups, shift, keys, order,
               totals, key_buffers[turn], order_buffers[turn]);
        keys = key_buffers[turn], order = order_buffers[turn];
    }
    return {keys, order};
}

}  // namespace hssl
