// The highest scores of groups. Without shared state.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

// The places of the `most` highest scores of each group, highest first, among equal ones the first. What is no number
// is lower than all others. Place i is row places[i] of table (., stride), whose first column has the scores; group g
// is ends[g - 1] .. ends[g] - 1. found: the places, those of a group behind those of the one before; counts (groups).
extern "C" void hssl_highest(int64_t groups, const int64_t* ends, const int64_t* places, const float* table,
                             int64_t stride, int64_t most, int64_t* found, int64_t* counts) {
    std::vector<float> scores;
    std::vector<int64_t> order;
    for (int64_t group = 0, start = 0; group < groups; start = ends[group++]) {
        const int64_t count = ends[group] - start, kept = std::min(count, most);
        scores.resize(count);
        order.resize(count);
        for (int64_t i = 0; i < count; i++) {
            const float score = table[stride * places[start + i]];
            scores[i] = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
        }
        std::iota(order.begin(), order.end(), 0);
        const auto before = [&](int64_t a, int64_t b) {
            return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
        };
        if (kept < count) std::nth_element(order.begin(), order.begin() + kept, order.end(), before);
        std::sort(order.begin(), order.begin() + kept, before);
        for (int64_t i = 0; i < kept; i++) *found++ = start + order[i];
        counts[group] = kept;
    }
}
