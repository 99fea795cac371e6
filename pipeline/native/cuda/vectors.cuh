// Numbers of a row, one or four at a time: kernels are written once, with V = float4 where the length of a row is a
// multiple of four, else V = float.
#pragma once

#include "device.cuh"

namespace hssl {

template <class V>
constexpr int kNumbers = sizeof(V) / sizeof(float);

template <class V>
__device__ inline V read(const float* from) {
    return *reinterpret_cast<const V*>(from);
}
__device__ inline void write(float* to, float v) { *to = v; }
__device__ inline void write(float* to, float4 v) { *reinterpret_cast<float4*>(to) = v; }

template <class V>
__device__ inline V filled(float value);
template <>
__device__ inline float filled<float>(float value) {
    return value;
}
template <>
__device__ inline float4 filled<float4>(float value) {
    return make_float4(value, value, value, value);
}

__device__ inline float not_a_number() { return __uint_as_float(0x7fc00000u); }

// sum += factor v
__device__ inline void add_product(float& sum, float factor, float v) { sum += factor * v; }
__device__ inline void add_product(float4& sum, float factor, float4 v) {
    sum.x += factor * v.x, sum.y += factor * v.y, sum.z += factor * v.z, sum.w += factor * v.w;
}

__device__ inline void add(float& sum, float v) { sum += v; }
__device__ inline void add(float4& sum, float4 v) { sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w; }

__device__ inline float scaled(float v, float factor) { return v * factor; }
__device__ inline float4 scaled(float4 v, float factor) {
    return make_float4(v.x * factor, v.y * factor, v.z * factor, v.w * factor);
}

__device__ inline float divided(float v, float divisor) { return v / divisor; }
__device__ inline float4 divided(float4 v, float divisor) {
    return make_float4(v.x / divisor, v.y / divisor, v.z / divisor, v.w / divisor);
}

__device__ inline float dot(float a, float b) { return a * b; }
__device__ inline float dot(float4 a, float4 b) { return (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w); }

}  // namespace hssl
