// What all device sources share: launches, errors, numbers of a warp and of a block, loads and stores of four.
//
// Every sum has a fixed order: the same input gives the same bits. The same sources are compiled for the processor
// by the tests, over tests/cuda_on_host; what only a device knows is between `#ifdef __CUDACC__` and `#endif`.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace hssl {

using bf16 = __nv_bfloat16;

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// Raises what Jittor turns into a RuntimeError.
inline void check(cudaError_t status, const char* what) {
    if (status != cudaSuccess)
        throw std::runtime_error(std::string(what) + ": CUDA reports \"" + cudaGetErrorString(status) + "\"");
}

#ifdef __CUDACC__
// On the legacy stream, where Jittor runs all that it runs. `shared`: bytes of `shared_memory`.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
            Arguments... arguments) {
    if (shared > 48 * 1024)
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
              name);
    kernel<<<grid, block, shared>>>(static_cast<Parameters>(arguments)...);
    check(cudaGetLastError(), name);
}

template <class T>
__device__ T* shared_memory() {
    extern __shared__ __align__(16) unsigned char memory[];
    return reinterpret_cast<T*>(memory);
}
#endif

inline unsigned blocks_for(long items, long per_block) {
    return static_cast<unsigned>((items + per_block - 1) / per_block);
}

// --- a warp, a block: every thread gets the result -----------------------------------------------

__device__ inline float warp_sum(float value) {
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
    return value;
}

__device__ inline float warp_max(float value) {
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
    return value;
}

// `memory`: one float of shared memory for each warp, not in use by a sum before without a barrier between.
__device__ inline float block_sum(float value, float* memory) {
    const int warps = blockDim.x / kWarp;
    value = warp_sum(value);
    if (threadIdx.x % kWarp == 0) memory[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = memory[0];
    for (int i = 1; i < warps; i++) value += memory[i];
    __syncthreads();
    return value;
}

__device__ inline float block_max(float value, float* memory) {
    const int warps = blockDim.x / kWarp;
    value = warp_max(value);
    if (threadIdx.x % kWarp == 0) memory[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = memory[0];
    for (int i = 1; i < warps; i++) value = fmaxf(value, memory[i]);
    __syncthreads();
    return value;
}

// --- numbers of either type ----------------------------------------------------------------------

__host__ __device__ inline float to_float(float value) { return value; }
__host__ __device__ inline float to_float(bf16 value) { return __bfloat162float(value); }

template <class T>
__host__ __device__ inline T from_float(float value);
template <>
__host__ __device__ inline float from_float<float>(float value) {
    return value;
}
template <>
__host__ __device__ inline bf16 from_float<bf16>(float value) {
    return __float2bfloat16(value);
}

// Four numbers at an address that is a multiple of four numbers.
__device__ inline float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ inline float4 load4(const bf16* from) {
    const uint2 raw = *reinterpret_cast<const uint2*>(from);
    return make_float4(__uint_as_float(raw.x << 16), __uint_as_float(raw.x & 0xffff0000u),
                       __uint_as_float(raw.y << 16), __uint_as_float(raw.y & 0xffff0000u));
}
__device__ inline void store4(float* to, float4 value) { *reinterpret_cast<float4*>(to) = value; }
__device__ inline unsigned pack2(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    unsigned bits;
    memcpy(&bits, &pair, sizeof bits);
    return bits;
}
__device__ inline void store4(bf16* to, float4 value) {
    *reinterpret_cast<uint2*>(to) = make_uint2(pack2(value.x, value.y), pack2(value.z, value.w));
}

}  // namespace hssl
