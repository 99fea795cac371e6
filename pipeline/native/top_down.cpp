// Sums of a pyramid's maps from coarse to fine. Maps have the channels last, and are behind one another in a table.
#include <algorithm>
#include <vector>

#include "kernels.h"

namespace {

// Below this many numbers threads cost more than they save.
constexpr long kWorthThreads = 20000;

struct Size {
    long images, height, width;
    long rows() const { return images * height * width; }
};

// Sizes of the maps, fine to coarse, and the rows of the table where they begin.
struct Pyramid {
    std::vector<Size> sizes;
    std::vector<long> starts;
    Pyramid(long count, const long* all) {
        long start = 0;
        for (long i = 0; i < count; i++) {
            sizes.push_back({all[3 * i], all[3 * i + 1], all[3 * i + 2]});
            starts.push_back(start);
            start += sizes.back().rows();
        }
    }
};

// Calls visit(row of the finer map, row of the coarser map that lies over it), row by row of the image.
template <class Visit>
void each_pair(const Size& finer, const Size& coarser, long channels, Visit visit) {
    // Two rows of the image at a time: they share one of the coarser map.
    const long pairs = finer.images * coarser.height;
#pragma omp parallel for schedule(static) if (finer.rows() * channels > kWorthThreads)
    for (long pair = 0; pair < pairs; pair++) {
        const long image = pair / coarser.height, above = pair % coarser.height;
        for (long i = 2 * above; i < std::min(2 * above + 2, finer.height); i++)
            for (long j = 0; j < finer.width; j++)
                visit((image * finer.height + i) * finer.width + j, pair * coarser.width + j / 2);
    }
}

}  // namespace

void hssl_top_down(long count, const long* sizes, long channels, const float* const* maps, float* table) {
    const Pyramid pyramid(count, sizes);
    for (long level = count - 1; level >= 0; level--) {
        const Size& size = pyramid.sizes[level];
        float* out = table + pyramid.starts[level] * channels;
        if (level == count - 1) {
            std::copy_n(maps[level], size.rows() * channels, out);
            continue;
        }
        const float *own = maps[level], *coarser = table + pyramid.starts[level + 1] * channels;
        each_pair(size, pyramid.sizes[level + 1], channels, [&](long row, long over) {
#pragma omp simd
            for (long j = 0; j < channels; j++)
                out[row * channels + j] = own[row * channels + j] + coarser[over * channels + j];
        });
    }
}

void hssl_top_down_gradient(long count, const long* sizes, long channels, const float* table_grad,
                            float* const* map_grads) {
    const Pyramid pyramid(count, sizes);
    for (long level = 0; level < count; level++) {
        const float* given = table_grad + pyramid.starts[level] * channels;
        float* out = map_grads[level];
        std::copy_n(given, pyramid.sizes[level].rows() * channels, out);
        if (level == 0) continue;
        const float* finer = map_grads[level - 1];
        each_pair(pyramid.sizes[level - 1], pyramid.sizes[level], channels, [&](long row, long over) {
#pragma omp simd
            for (long j = 0; j < channels; j++) out[over * channels + j] += finer[row * channels + j];
        });
    }
}
