// Float arrays as the factors of products.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "columns.cuh"

namespace hssl {

// One array of several that are cast in one launch.
struct Cast {
    const float* from;
    bf16* to;
    long count;
};

constexpr int kMostCasts = 8;

struct Casts {
    Cast all[kMostCasts];
};

void cast(const Casts& casts, int count);

// The array itself, or its numbers as bfloat16 in scratch memory.
template <class T>
const T* as_factor(const float* from, long count, Scratch& scratch) {
    if constexpr (std::is_same_v<T, float>) {
        return from;
    } else {
        bf16* to = scratch.take<bf16>(count);
        cast(Casts{{{from, to, count}}}, 1);
        return to;
    }
}

// Several, in one launch; each pointer is replaced.
template <class T>
struct Factor {
    const float* from;
    long count;
    const T** found;
};

template <class T>
void as_factors(std::initializer_list<Factor<T>> factors, Scratch& scratch) {
    Casts casts{};
    int number = 0;
    for (const Factor<T>& factor : factors) {
        if constexpr (std::is_same_v<T, float>) {
            *factor.found = factor.from;
        } else {
            bf16* to = scratch.take<bf16>(factor.count);
            casts.all[number++] = {factor.from, to, factor.count};
            *factor.found = to;
        }
    }
    if (number) cast(casts, number);
}

}  // namespace hssl
