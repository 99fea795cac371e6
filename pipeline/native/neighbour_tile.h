// Products of packed queries and packed rows, in registers, compared with a threshold before they are stored.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace hssl::neighbours {

#ifdef __AVX512F__
constexpr long kLanes = 16, kVectors = 4;
#else
constexpr long kLanes = 8, kVectors = 2;
#endif
constexpr long kQueries = 6, kColumns = kLanes * kVectors;

typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

struct Candidate {
    float estimate;
    std::uint32_t row;
};

#ifdef __AVX512BF16__
// bfloat16, two beside each other: the processor multiplies twice as many as of float32.
typedef std::uint16_t Element;
constexpr long kAtOnce = 2;

inline float to_float(Element element) {
    const std::uint32_t bits = std::uint32_t(element) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// To nearest, ties to even.
inline Element to_element(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return Element((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

typedef __m512bh Factors;
inline Factors load(const Element* from) { return (__m512bh)_mm512_loadu_si512(from); }
inline Factors broadcast(const Element* from) {
    int pair;
    std::memcpy(&pair, from, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}
inline Vector added(Vector sum, Factors left, Factors right) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, left, right);
}
#else
typedef float Element;
constexpr long kAtOnce = 1;

inline float to_float(Element element) { return element; }
inline Element to_element(float value) { return value; }

typedef Vector Factors;
inline Factors load(const Element* from) { return *reinterpret_cast<const Vector*>(from); }
inline Factors broadcast(const Element* from) { return *from - Vector{}; }
inline Vector added(Vector sum, Factors left, Factors right) { return sum + left * right; }
#endif

// A bit for each lane that is not below the threshold.
inline unsigned long not_below(Vector values, float threshold) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)values, _mm512_set1_ps(threshold), _CMP_GE_OQ);
#elif defined(__AVX2__)
    return unsigned(_mm256_movemask_ps(_mm256_cmp_ps((__m256)values, _mm256_set1_ps(threshold), _CMP_GE_OQ)));
#else
    unsigned long reached = 0;
    for (long lane = 0; lane < kLanes; lane++) reached |= (unsigned long)(values[lane] >= threshold) << lane;
    return reached;
#endif
}

// Products of kQueries queries and kColumns rows, plus the rows' offsets. `estimates` of a query are written
// where one of them reaches its threshold; `reached` has a bit for each that does. Returns whether any did.
inline bool estimate(const Element* rows, const Element* queries, long steps, const float* offsets,
                     const float* thresholds, float (*estimates)[kColumns], unsigned long* reached) {
    Vector sums[kQueries][kVectors] = {};
    for (long step = 0; step < steps; step++) {
        Factors factors[kVectors];
        for (long v = 0; v < kVectors; v++) factors[v] = load(rows + (step * kColumns + v * kLanes) * kAtOnce);
        for (long q = 0; q < kQueries; q++) {
            const Factors factor = broadcast(queries + (step * kQueries + q) * kAtOnce);
            for (long v = 0; v < kVectors; v++) sums[q][v] = added(sums[q][v], factor, factors[v]);
        }
    }
    unsigned long any = 0;
    for (long q = 0; q < kQueries; q++) {
        reached[q] = 0;
        for (long v = 0; v < kVectors; v++) {
            sums[q][v] += *reinterpret_cast<const Vector*>(offsets + v * kLanes);
            reached[q] |= not_below(sums[q][v], thresholds[q]) << (v * kLanes);
        }
        any |= reached[q];
    }
    if (!any) return false;
    for (long q = 0; q < kQueries; q++)
        for (long v = 0; v < kVectors; v++) *reinterpret_cast<Vector*>(estimates[q] + v * kLanes) = sums[q][v];
    return true;
}

}  // namespace hssl::neighbours
