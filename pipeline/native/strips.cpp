// Products whose right factor is copied into a thread's cache a strip of columns at a time.
#include "strips.h"

#include <algorithm>
#include <vector>

#include "tiles.h"
#include "transposition.h"

namespace {

using hssl::kLanes;
using hssl::kTileVectors;

// Summed at once, about: with 8 lanes, a strip and six rows of the left factor are 34 kB.
constexpr long kInner = 384;
// Numbers of the left factor that every strip reads again: half a megabyte, which the second cache has.
constexpr long kLeft = 128 * 1024;

// to (inner, width) = from (inner, width)
void pack(long inner, long width, const float* from, long stride, float* to) {
    for (long k = 0; k < inner; k++)
        for (long j = 0; j < width; j += kLanes) hssl::store(to + k * width + j, hssl::load(from + k * stride + j));
}

}  // namespace

bool hssl::strips_pay(bool transposed, long rows, long columns, long inner) {
#ifdef __AVX512F__
    return false;  // a strip is four times as large, and oneDNN's products are nearer to the peak
#endif
    const bool in_cache = rows * std::min(inner, kInner) <= kLeft;
    return columns % kLanes == 0 && rows >= 4 * kTileRows && in_cache && (transposed || columns > inner);
}

void hssl::multiply_strips(bool transposed, long rows, long columns, long inner, const float* a, const float* b,
                           float* c, bool add) {
    static thread_local std::vector<float> strip(kInner * kTileVectors * kLanes);
    const long vectors = columns / kLanes, strips = (vectors + kTileVectors - 1) / kTileVectors,
               parts = (inner + kInner - 1) / kInner;
    for (long part = 0; part < parts; part++) {
        const long first = inner * part / parts, count = inner * (part + 1) / parts - first;
        for (long i = 0; i < strips; i++) {
            const long column = vectors * i / strips * kLanes, width = vectors * (i + 1) / strips * kLanes - column;
            if (transposed)
                transpose(width, count, b + column * inner + first, inner, strip.data(), width);
            else
                pack(count, width, b + first * columns + column, columns, strip.data());
            multiply(rows, width, count, Left{a + first, inner, 1}, strip.data(), width, c + column, columns,
                     add || part > 0);
        }
    }
}
