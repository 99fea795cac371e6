// bfloat16: the upper half of a float32, as products of rounded factors take it.
#pragma once

#include <cstdint>
#include <cstring>

namespace hssl {

typedef std::uint16_t Rounded;
// Two neighbours along the sum of a product: the first one in the lower half, which is what the processor multiplies at
// once.
typedef std::uint32_t Pair;

// To nearest, ties to even; NaN stays NaN, so that a diverged network is noticed.
inline Rounded rounded(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return static_cast<Rounded>((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : nearest);
}

inline float widened(Rounded x) {
    const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline Pair pair_of(Rounded first, Rounded second) { return first | static_cast<Pair>(second) << 16; }

inline void round_row(long size, const float* x, Rounded* y) {
#pragma omp simd
    for (long i = 0; i < size; i++) y[i] = rounded(x[i]);
}

// The same by all threads; inside a parallel region by one.
inline void round_all(long size, const float* x, Rounded* y) {
    constexpr long kAtOnce = 4096;
#pragma omp parallel for schedule(static) if (size > kAtOnce)
    for (long i = 0; i < size; i += kAtOnce) round_row(size - i < kAtOnce ? size - i : kAtOnce, x + i, y + i);
}

}  // namespace hssl
