// Functions that the compiler can turn into vector code.
#pragma once

#include <cstring>

namespace hssl {

// x 2^n, n whole, where neither has an exponent below -126; NaN stays NaN.
inline float times_power(float x, float n) {
    int bits;
    std::memcpy(&bits, &x, sizeof bits);
    bits += static_cast<int>(n) << 23;
    std::memcpy(&x, &bits, sizeof bits);
    return x;
}

// exp(x) for x up to 88, relative error below 2e-7; arguments below -87 count as -87. What is constant in a loop is
// multiplied by it in another loop: GCC 12 computes that product at -87 beforehand, and leaves the loop scalar.
inline float vector_exp(float x) {
    x = x < -87.f ? -87.f : x;
    const float n = __builtin_rintf(x * 1.44269504f);
    // ln 2 in two parts, the first of which has few digits: n times it is exact.
    const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return times_power(p * r * r + r + 1.f, n);
}

// The normal distribution up to x, absolute error below 2e-7; `bell` becomes exp(-x^2 / 2).
// Source: Abramowitz & Stegun 7.1.26.
inline float normal_cdf(float x, float& bell) {
    bell = vector_exp(-0.5f * x * x);
    const float t = 1.f / (1.f + 0.3275911f * 0.70710678118f * __builtin_fabsf(x));
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float tail = 0.5f * p * t * bell;
    return x < 0.f ? tail : 1.f - tail;
}

}  // namespace hssl
