// CUDA C++ for the processor: enough of it to run the device sources without a device, one block after the other.
//
// A thread of a block is a fiber. It runs until it ends or waits: at __syncthreads for its block, at a shuffle or a
// small product for its warp. All lanes of a warp must take part, and threads that wait for ever are an error: this is
// stricter than a device. Fresh memory is filled with NaN, so that what nobody wrote is seen.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "stacks.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define CUDA_ON_HOST_VECTOR(type, name)                                                                       \
    struct name##2 { type x, y; };                                                                            \
    struct name##3 { type x, y, z; };                                                                         \
    struct alignas(4 * sizeof(type)) name##4 { type x, y, z, w; };                                            \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                          \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                               \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
CUDA_ON_HOST_VECTOR(float, float)
CUDA_ON_HOST_VECTOR(int, int)
CUDA_ON_HOST_VECTOR(unsigned, uint)
CUDA_ON_HOST_VECTOR(unsigned char, uchar)
#undef CUDA_ON_HOST_VECTOR

namespace cuda_on_host {

constexpr int kLanes = 32;
constexpr size_t kStagger = 4096;

struct Fiber {
    Place place;
    std::unique_ptr<char[]> stack;
    dim3 index;
    unsigned number = 0;
    bool ended = false;
};

struct Slot {
    uint64_t words[6];
};

struct Warp {
    Slot slots[2][kLanes];
    double products[2][16][8];
    int arrived = 0;
    unsigned turn = 0;
};

struct Block {
    std::vector<Fiber> fibers;  // the first `threads` of them; others wait for larger blocks
    std::vector<Warp> warps;
    unsigned threads = 0;
    std::vector<unsigned char> shared;
    Place scheduler;
    Fiber* running = nullptr;
    dim3 index, size, grid;
    unsigned arrived = 0, turn = 0, ended = 0;
    bool progress = false;
    std::function<void()> body;
    std::string problem;
};

// Kernels launched, and products, since the library was loaded.
inline long& launches() {
    static long count = 0;
    return count;
}

inline Block*& block() {
    static thread_local Block* current = nullptr;
    return current;
}

// Goes on in the next thread of the block that has not ended; behind the last one, in the scheduler.
inline void yield(Block* b) {
    Fiber* mine = b->running;
    for (unsigned next = mine->number + 1; next < b->threads; next++)
        if (!b->fibers[next].ended) {
            b->running = &b->fibers[next];
            return change(&mine->place, &b->running->place);
        }
    change(&mine->place, &b->scheduler);
}

// The threads that run, and their stacks, which all kernels of a thread of the processor share.
inline Block& shared_block() {
    static thread_local Block all;
    return all;
}

inline void enter() {
    Block* b = block();
    try {
        b->body();
    } catch (const std::exception& error) {
        b->problem = error.what();
    }
    b->running->ended = true;
    b->ended++;
    b->progress = true;
    // Threads that have ended count as arrived at a block's barrier.
    if (b->arrived && b->arrived + b->ended == b->threads) b->arrived = 0, b->turn++;
    yield(b);
}

inline void run_block(Block& b) {
    block() = &b;
    b.arrived = b.turn = b.ended = 0;
    for (Warp& warp : b.warps) warp.arrived = 0, warp.turn = 0;
    for (unsigned i = 0; i < b.threads; i++) {
        Fiber& fiber = b.fibers[i];
        fiber.ended = false;
        // Tops of stacks at the same place of their pages would be in one another's way in the cache.
        start_at(fiber.place, fiber.stack.get() + i * 192 % kStagger, enter);
    }
    while (b.ended < b.threads && b.problem.empty()) {
        b.progress = false;
        unsigned first = 0;
        while (b.fibers[first].ended) first++;
        b.running = &b.fibers[first];
        change(&b.scheduler, &b.running->place);
        if (!b.progress && b.problem.empty()) b.problem = "threads wait for ever at a barrier or in a warp";
    }
    block() = nullptr;
    if (!b.problem.empty()) throw std::runtime_error("a block on the host: " + b.problem);
}

// Lays down words of this lane, and waits for the warp; the last lane does `work` with the slots of all before the
// others go on.
template <class Work>
Warp& meet(Block* b, const Slot& mine, Work work) {
    const unsigned number = b->running->number;
    Warp& warp = b->warps[number / kLanes];
    const unsigned turn = warp.turn;
    warp.slots[turn % 2][number % kLanes] = mine;
    b->progress = true;
    if (++warp.arrived == kLanes) {
        warp.arrived = 0;
        work(warp, turn % 2);
        warp.turn++;
    } else {
        while (warp.turn == turn) yield(b);
    }
    return warp;
}

// The slots of all lanes, until the warp meets for the second time from here.
inline const Slot* exchange(Block* b, const Slot& mine) {
    const unsigned turn = b->warps[b->running->number / kLanes].turn % 2;
    return meet(b, mine, [](Warp&, unsigned) {}).slots[turn];
}

inline void synchronize_block() {
    Block* b = block();
    const unsigned turn = b->turn;
    b->progress = true;
    if (++b->arrived + b->ended == b->threads) {
        b->arrived = 0;
        b->turn++;
    } else {
        while (b->turn == turn) yield(b);
    }
}

template <class T>
T shuffled(T value, unsigned from_lane) {
    static_assert(sizeof(T) <= 8, "a shuffle moves 8 bytes at most");
    Slot mine{};
    std::memcpy(mine.words, &value, sizeof value);
    const Slot* all = exchange(block(), mine);
    T found;
    std::memcpy(&found, all[from_lane % kLanes].words, sizeof found);
    return found;
}

inline unsigned lane() { return block()->running->number % kLanes; }

inline float as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline float low_bf16(unsigned pair) { return as_float(pair << 16); }
inline float high_bf16(unsigned pair) { return as_float(pair & 0xffff0000u); }

// products[turn] = left (16, depth) right (depth, 8) of the slots of a warp, as the lanes of a device hold them, in double.
inline void multiply(Warp& warp, unsigned turn, bool pairs) {
    const Slot* all = warp.slots[turn];
    double left[16][16], right[16][8];
    for (int lane = 0; lane < kLanes; lane++) {
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 6; i++) {
            const auto word = static_cast<unsigned>(all[lane].words[i]);
            const int half = i < 4 ? i / 2 : i - 4, first = pairs ? 8 * half + 2 * t : 4 * half + t;
            for (int k = 0; k < (pairs ? 2 : 1); k++) {
                const float value = !pairs ? as_float(word) : k ? high_bf16(word) : low_bf16(word);
                if (i < 4)
                    left[g + 8 * (i % 2)][first + k] = value;
                else
                    right[first + k][g] = value;
            }
        }
    }
    const int depth = pairs ? 16 : 8;
    for (int row = 0; row < 16; row++) {
        double sums[8] = {};
        for (int k = 0; k < depth; k++)
            for (int column = 0; column < 8; column++) sums[column] += left[row][k] * right[k][column];
        std::copy_n(sums, 8, warp.products[turn][row]);
    }
}

inline void small_product(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], bool pairs) {
    Block* own = block();
    const unsigned number = own->running->number, g = number % kLanes / 4, t = number % 4;
    const unsigned turn = own->warps[number / kLanes].turn % 2;
    const Slot mine{{a[0], a[1], a[2], a[3], b[0], b[1]}};
    Warp& warp = meet(own, mine, [&](Warp& all, unsigned of) { multiply(all, of, pairs); });
    for (int i = 0; i < 4; i++)
        c[i] = static_cast<float>(c[i] + warp.products[turn][g + 8 * (i / 2)][2 * t + i % 2]);
}

inline void mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { small_product(c, a, b, true); }
inline void mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { small_product(c, a, b, false); }

// 10 bits behind the point, to nearest, ties away from zero.
inline unsigned to_tf32(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
    return (bits + 0x1000u) & 0xffffe000u;
}

}  // namespace cuda_on_host

#define threadIdx (cuda_on_host::block()->running->index)
#define blockIdx (cuda_on_host::block()->index)
#define blockDim (cuda_on_host::block()->size)
#define gridDim (cuda_on_host::block()->grid)

inline void __syncthreads() { cuda_on_host::synchronize_block(); }
inline void __syncwarp(unsigned = 0xffffffffu) { cuda_on_host::exchange(cuda_on_host::block(), {}); }
template <class T>
T __shfl_sync(unsigned, T value, int lane) {
    return cuda_on_host::shuffled(value, static_cast<unsigned>(lane));
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    return cuda_on_host::shuffled(value, cuda_on_host::lane() ^ static_cast<unsigned>(mask));
}
template <class T>
T __shfl_down_sync(unsigned, T value, int delta) {
    const unsigned lane = cuda_on_host::lane(), from = lane + static_cast<unsigned>(delta);
    return cuda_on_host::shuffled(value, from < cuda_on_host::kLanes ? from : lane);
}
template <class T>
T __shfl_up_sync(unsigned, T value, int delta) {
    const unsigned lane = cuda_on_host::lane();
    return cuda_on_host::shuffled(value, lane >= static_cast<unsigned>(delta) ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned, int value) {
    const cuda_on_host::Slot* all = cuda_on_host::exchange(cuda_on_host::block(), {{value != 0}});
    unsigned found = 0;
    for (int i = 0; i < cuda_on_host::kLanes; i++) found |= static_cast<unsigned>(all[i].words[0]) << i;
    return found;
}
template <class T>
T __ldg(const T* address) {
    return *address;
}

inline float __uint_as_float(unsigned bits) { return cuda_on_host::as_float(bits); }
inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline float rsqrtf(float value) { return 1.f / std::sqrt(value); }
inline float __expf(float value) { return std::exp(value); }
inline float __logf(float value) { return std::log(value); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
template <class T>
T min(T a, T b) {
    return a < b ? a : b;
}
template <class T>
T max(T a, T b) {
    return a > b ? a : b;
}
inline long min(long a, int b) { return a < b ? a : b; }
inline long min(int a, long b) { return a < b ? a : b; }
inline long max(long a, int b) { return a > b ? a : b; }
inline long max(int a, long b) { return a > b ? a : b; }

// --- the runtime's functions ---------------------------------------------------------------------

using cudaError_t = int;
using cudaStream_t = void*;
constexpr cudaError_t cudaSuccess = 0, cudaErrorMemoryAllocation = 2;
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };

inline const char* cudaGetErrorString(cudaError_t status) { return status ? "an error on the host" : "no error"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaMalloc(void** address, size_t size) {
    *address = std::aligned_alloc(256, (size + 255) / 256 * 256);
    if (*address == nullptr) return cudaErrorMemoryAllocation;
    std::memset(*address, 0xff, size);  // NaN, as float and as bfloat16
    return cudaSuccess;
}
template <class T>
cudaError_t cudaMalloc(T** address, size_t size) {
    return cudaMalloc(reinterpret_cast<void**>(address), size);
}
inline cudaError_t cudaFree(void* address) {
    std::free(address);
    return cudaSuccess;
}
inline cudaError_t cudaMallocHost(void** address, size_t size) { return cudaMalloc(address, size); }
inline cudaError_t cudaFreeHost(void* address) { return cudaFree(address); }
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, cudaMemcpyKind, cudaStream_t = nullptr) {
    std::memmove(to, from, size);
    return cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind kind) {
    return cudaMemcpyAsync(to, from, size, kind);
}
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t size, cudaStream_t = nullptr) {
    std::memset(to, value, size);
    return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
constexpr unsigned cudaStreamNonBlocking = 1;
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) { return cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
using cudaEvent_t = int;
constexpr unsigned cudaEventDisableTiming = 2;
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr) { return cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }

namespace hssl {

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 size, size_t shared,
            Arguments... arguments) {
    const unsigned threads = size.x * size.y * size.z;
    if (threads == 0 || threads > 1024 || threads % cuda_on_host::kLanes)
        throw std::runtime_error(std::string(name) + ": a block of " + std::to_string(threads) + " threads");
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535)
        throw std::runtime_error(std::string(name) + ": an impossible grid");
    if (shared > 227 * 1024) throw std::runtime_error(std::string(name) + ": too much shared memory");
    cuda_on_host::launches()++;
    cuda_on_host::Block& b = cuda_on_host::shared_block();
    while (b.fibers.size() < threads) {
        b.fibers.emplace_back();
        b.fibers.back().stack.reset(new char[cuda_on_host::kStackBytes + cuda_on_host::kStagger]);  // not filled, unlike make_unique's
    }
    b.threads = threads;
    for (unsigned i = 0; i < threads; i++) {
        b.fibers[i].number = i;
        b.fibers[i].index = dim3(i % size.x, i / size.x % size.y, i / size.x / size.y);
    }
    b.warps.resize(threads / cuda_on_host::kLanes);
    b.size = size;
    b.grid = grid;
    b.problem.clear();
    b.body = [&] { kernel(static_cast<Parameters>(arguments)...); };
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                b.index = dim3(x, y, z);
                b.shared.assign(shared + 16, 0xff);
                cuda_on_host::run_block(b);
            }
}

template <class T>
T* shared_memory() {
    const auto address = reinterpret_cast<uintptr_t>(cuda_on_host::block()->shared.data());
    return reinterpret_cast<T*>((address + 15) / 16 * 16);
}

}  // namespace hssl
