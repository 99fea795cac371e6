// The 16-bit float of the device sources, for the processor: rounding to nearest, ties to even.
#pragma once

#include <cstdint>
#include <cstring>

struct __nv_bfloat16 {
    uint16_t bits;
};

struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};

inline float __bfloat162float(__nv_bfloat16 value) {
    const uint32_t word = static_cast<uint32_t>(value.bits) << 16;
    float result;
    std::memcpy(&result, &word, sizeof result);
    return result;
}

inline __nv_bfloat16 __float2bfloat16(float value) {
    uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    if (value != value) return {0x7fff};
    word += 0x7fffu + (word >> 16 & 1u);
    return {static_cast<uint16_t>(word >> 16)};
}

inline __nv_bfloat16 __float2bfloat16_rn(float value) { return __float2bfloat16(value); }

inline __nv_bfloat162 __floats2bfloat162_rn(float low, float high) {
    return {__float2bfloat16(low), __float2bfloat16(high)};
}
