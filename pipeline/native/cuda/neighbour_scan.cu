// The nearest rows of each query in a block: what cannot be among them is left out by estimates, which are off by a
// bound at most, and the others are summed exactly.
//
// Estimates are products of bfloat16 factors, stored as bfloat16, with an offset for each row and a shift for each
// query, as in evaluate/neighbour_tiles/tile.py, where the bound is derived. Two of its terms are wider here:
// multipliers of a device do not say how they round their float32 sums, and a product is rounded once more.
#include "neighbour_scan.cuh"

namespace {

using hssl::bf16;
using hssl::kAllLanes;
using hssl::Key;
using hssl::kWarp;
using hssl::Scan;

constexpr int kThreads = 128, kWarps = kThreads / kWarp;
constexpr int kAtOnce = 8;                                  // products that a lane reads at once
constexpr long kStep = kWarp * kAtOnce;                     // and a warp
constexpr int kReads = 4;                                   // of a warp at once
constexpr double kEqual = 1.001 / (1 << 23);                // as in scan.cpp
constexpr double kSumRounding = 1. / (1 << 21);             // for each channel; D 2^-24 is that of a float32 sum
constexpr double kProductRounding = 1. / (1 << 8);          // of a bfloat16 number, to either neighbour
constexpr double kEstimateRounding = 1. / (1 << 21), kLeastError = 1e-12;  // as in tile.py

// By how much estimates of the block can differ from a query's similarities at most.
__device__ double error_of(const Scan& scan, long query) {
    const hssl::Largest largest = *scan.largest;
    const double product = scan.queries.rounded[query] * largest.rounded;
    const double error = scan.queries.rest[query] * largest.rounded + scan.queries.centred[query] * largest.rest +
                         product * ((scan.channels + 4) * kSumRounding + kProductRounding) +
                         kEstimateRounding * (product + largest.offset);
    return error * (1 + 1e-5) + kLeastError;
}

__device__ double shift_of(const Scan& scan, long query) {
    return scan.queries.offsets[query] + scan.centre_square;
}

__device__ float below(double value) { return nextafterf(static_cast<float>(value), -INFINITY); }

__device__ float estimate_of(const Scan& scan, const bf16* products, long column) {
    return hssl::to_float(products[column]) + scan.block.narrow_offsets[column];
}

// Descending, by all threads of a block; `count` a power of two.
template <class T>
__device__ void sort(T* values, int count) {
    for (int width = 2; width <= count; width *= 2)
        for (int step = width / 2; step > 0; step /= 2) {
            __syncthreads();
            for (int pair = threadIdx.x; pair < count / 2; pair += blockDim.x) {
                const int low = 2 * pair - pair % step, high = low + step;
                const T one = values[low], other = values[high];
                if ((one < other) == ((low & width) == 0)) values[low] = other, values[high] = one;
            }
        }
    __syncthreads();
}

// The bars of queries that may have fewer than k rows so far, a block each: k estimates of this block reach the k-th
// largest of the maxima of disjoint groups of rows.
__global__ void __launch_bounds__(kThreads) seed_bars(Scan scan) {
    float* maxima = hssl::shared_memory<float>();
    const long query = blockIdx.x;
    const int groups = scan.most / 2;
    const bf16* products = scan.products + query * scan.padded_rows;
    for (int group = threadIdx.x; group < groups; group += kThreads) {
        float most = -INFINITY;
        for (long column = group; column < scan.num_rows; column += groups)
            most = fmaxf(most, estimate_of(scan, products, column));
        maxima[group] = most;
    }
    sort(maxima, groups);
    if (threadIdx.x == 0)
        scan.bars[query] = below(static_cast<double>(maxima[scan.k - 1]) - 2 * error_of(scan, query) - kEqual);
}

// The least that an estimate has to reach for its row to come before the k-th. A thread has a query.
__global__ void __launch_bounds__(kThreads) set_bars(Scan scan, long count) {
    const long query = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (query >= count) return;
    const float worst = hssl::similarity_of(scan.best[query * scan.k + scan.k - 1]);
    // The least number that float32 rounds to this similarity.
    const double exact = (static_cast<double>(worst) + nextafterf(worst, -INFINITY)) / 2;
    scan.bars[query] = below(exact - shift_of(scan, query) - error_of(scan, query));
}

// Of kAtOnce estimates from `column` on, a multiple of it: a bit for each that reaches the bar.
__device__ unsigned reached_of(const Scan& scan, uint4 raw, long column, float bar) {
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
    const float4 low = hssl::load4(scan.block.narrow_offsets + column);
    const float4 high = hssl::load4(scan.block.narrow_offsets + column + 4);
    const float offsets[kAtOnce] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    unsigned reached = 0;
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
        const unsigned word = words[i / 2];
        const float product = __uint_as_float(i % 2 ? word & 0xffff0000u : word << 16);
        if (product + offsets[i] >= bar && column + i < scan.num_rows) reached |= 1u << i;
    }
    return reached;
}

// The rows of the block whose estimates reach the bar. A block has a query; a warp a part of its products, of which it
// lists the columns in order.
__global__ void __launch_bounds__(kThreads) collect(Scan scan, long part) {
    unsigned* lists = hssl::shared_memory<unsigned>();  // (warps, most)
    __shared__ int counts[kWarps];
    const long query = blockIdx.x;
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    const bf16* products = scan.products + query * scan.padded_rows;
    const float bar = scan.bars[query];
    const long first = warp * part, end = min(first + part, scan.padded_rows);
    unsigned* list = lists + static_cast<long>(warp) * scan.most;
    int listed = 0;
    for (long start = first; start < end; start += kReads * kStep) {
        uint4 raw[kReads];  // on their way together
#pragma unroll
        for (int r = 0; r < kReads; r++) {
            const long column = start + r * kStep + lane * kAtOnce;
            raw[r] = column < end ? *reinterpret_cast<const uint4*>(products + column) : uint4{};
        }
#pragma unroll
        for (int r = 0; r < kReads; r++) {
            const long column = start + r * kStep + lane * kAtOnce;
            const unsigned reached = column < end ? reached_of(scan, raw[r], column, bar) : 0;
            if (__ballot_sync(kAllLanes, reached != 0) == 0) continue;
            const int own = __popc(reached);
            int before = own;
#pragma unroll
            for (int step = 1; step < kWarp; step *= 2) {
                const int other = __shfl_up_sync(kAllLanes, before, step);
                if (lane >= step) before += other;
            }
            int place = listed + before - own;
            listed += __shfl_sync(kAllLanes, before, kWarp - 1);
            for (int i = 0; i < kAtOnce; i++)
                if (reached >> i & 1) {
                    if (place < scan.most) list[place] = static_cast<unsigned>(column + i);
                    place++;
                }
        }
    }
    if (lane == 0) counts[warp] = listed;
    __syncthreads();
    int total = 0, before = 0;
    for (int i = 0; i < kWarps; i++) {
        if (i == warp) before = total;
        total += counts[i];
    }
    if (threadIdx.x == 0) scan.counts[query] = total;
    if (total > scan.most) return;
    for (int i = lane; i < listed; i += kWarp) scan.columns[query * scan.most + before + i] = list[i];
}

// How many of descending keys are larger.
__device__ int larger_than(const Key* keys, int count, Key key) {
    int low = 0, high = count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (keys[middle] > key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Sums the candidates of a query exactly, and takes those that are among the best. Where there were too many to list,
// all rows of the block are candidates, a part after the other. A block has a query.
__global__ void __launch_bounds__(kThreads) take(Scan scan) {
    Key *found = hssl::shared_memory<Key>(), *merged = found + scan.most;
    __shared__ int any;
    const long query = blockIdx.x;
    const int count = scan.counts[query], warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, k = scan.k;
    const bool listed = count <= scan.most;
    const long num_candidates = listed ? count : scan.num_rows;
    const unsigned* columns = scan.columns + query * scan.most;
    const float* left = scan.queries.rows + query * scan.channels;
    const double norm = scan.queries.norms[query];
    Key* best = scan.best + query * k;
    if (threadIdx.x == 0) scan.summed[query] += num_candidates;
    for (long start = 0; start < num_candidates; start += scan.most) {
        const int part = static_cast<int>(min(static_cast<long>(scan.most), num_candidates - start));
        const Key worst = best[k - 1];
        if (threadIdx.x == 0) any = 0;
        __syncthreads();
        for (int i = warp; i < part; i += kWarps) {
            const long column = listed ? static_cast<long>(columns[i]) : start + i;
            const double product = hssl::exact_dot(left, scan.block.rows + column * scan.channels, scan.channels);
            const double length = norm * scan.block.norms[column];
            // A zero row is similar to nothing. + 0: -0.0 and 0.0 are equal.
            const float similarity = length > 0 ? static_cast<float>(product / length) + 0.f : 0.f;
            const Key key = hssl::key_of(similarity, scan.numbers[column]);
            if (lane == 0) {
                found[i] = key > worst ? key : 0;
                if (key > worst) any = 1;  // who finds one writes the same
            }
        }
        __syncthreads();
        const bool none = !any;
        __syncthreads();
        if (none) continue;
        int padded = 1;
        while (padded < part) padded *= 2;
        for (int i = part + threadIdx.x; i < padded; i += kThreads) found[i] = 0;
        sort(found, padded);
        const int taken = larger_than(found, padded, 0);
        for (int i = threadIdx.x; i < k; i += kThreads) {
            const int place = i + larger_than(found, taken, best[i]);
            if (place < k) merged[place] = best[i];
        }
        for (int i = threadIdx.x; i < taken; i += kThreads) {
            const int place = i + larger_than(best, k, found[i]);
            if (place < k) merged[place] = found[i];
        }
        __syncthreads();
        for (int i = threadIdx.x; i < k; i += kThreads) best[i] = merged[i];
        __syncthreads();
    }
}

}  // namespace

namespace hssl {

void scan_block(const Scan& scan, long count) {
    const dim3 queries(static_cast<unsigned>(count)), threads(kThreads);
    if (scan.num_before < scan.k)
        launch("seed bars", seed_bars, queries, threads, scan.most / 2 * sizeof(float), scan);
    else
        launch("set bars", set_bars, dim3(blocks_for(count, kThreads)), threads, 0, scan, count);
    const long part = (scan.padded_rows + kWarps * kStep - 1) / (kWarps * kStep) * kStep;
    launch("collect", collect, queries, threads, kWarps * scan.most * sizeof(unsigned), scan, part);
    launch("take", take, queries, threads, (scan.most + scan.k) * sizeof(Key), scan);
}

}  // namespace hssl
