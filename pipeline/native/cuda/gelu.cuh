// The exact GELU, z (1 + erf(z / sqrt 2)) / 2, and its slope.
#pragma once

#include "device.cuh"

namespace hssl {

struct Gelu {
    float value, slope;
};

// erf by Abramowitz & Stegun 7.1.26 (error 1.5e-7), whose exponential is the one in the slope too; below zero it is
// relative to the small result.
__device__ inline Gelu gelu(float z) {
    const float bell = expf(-0.5f * z * z), t = 1.f / (1.f + 0.3275911f * 0.70710678f * fabsf(z));
    const float tail =
        0.5f * ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t *
        bell;
    const float share = z < 0.f ? tail : 1.f - tail;
    return {z * share, share + z * 0.39894228f * bell};
}

}  // namespace hssl
