// Nearest rows of a bank by cosine similarity. A product of rounded numbers finds candidates, a sum in float64
// orders them. Called by pipeline/evaluate/neighbour_library.py, in as many threads as it likes.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "neighbour_tile.h"

namespace {

using namespace hssl::neighbours;

// Rows of float32 or float16 numbers.
struct Rows {
    const char* data;
    long stride;  // bytes from row to row
    long half;    // whether they are float16
};

const float* row_of(const Rows& rows, long row, long channels, std::vector<float>& buffer) {
    const char* from = rows.data + row * rows.stride;
    if (!rows.half) return reinterpret_cast<const float*>(from);
    buffer.resize(channels);
    const _Float16* numbers = reinterpret_cast<const _Float16*>(from);
    for (long c = 0; c < channels; c++) buffer[c] = float(numbers[c]);
    return buffer.data();
}

// Rows of candidates lie far from each other: the next one is on its way while one is summed.
void fetch(const Rows& rows, long row, long channels) {
    const char* from = rows.data + row * rows.stride;
    const long bytes = channels * (rows.half ? sizeof(_Float16) : sizeof(float));
    for (long byte = 0; byte < bytes; byte += 64) __builtin_prefetch(from + byte);
}

// Products of float32 numbers are exact in float64, and the order of the sum is that of the source: the same
// on every processor.
double dot(const float* left, const float* right, long channels) {
    constexpr long kSums = 16;
    double sums[kSums] = {};
    long c = 0;
    for (; c + kSums <= channels; c += kSums)
        for (long i = 0; i < kSums; i++) sums[i] += double(left[c + i]) * double(right[c + i]);
    for (long i = 0; c + i < channels; i++) sums[i] += double(left[c + i]) * double(right[c + i]);
    for (long half = kSums / 2; half; half /= 2)
        for (long i = 0; i < half; i++) sums[i] += sums[i + half];
    return sums[0];
}

}  // namespace

// What is searched; the layout is that of _Search in pipeline/evaluate/neighbour_library.py.
struct Search {
    Rows bank;
    const double* bank_norms;
    const float* queries;          // (num_queries, channels)
    const double* query_norms;
    const double* query_shifts;    // query . centre / norm
    const Element* packed_queries;
    const float* margins;          // (num_queries,)
    float* lowest;                 // (num_queries,), estimate of the k-th best so far
    long* counts;                  // (num_queries,), candidates held
    Candidate* candidates;         // (num_queries, capacity)
    long num_queries, channels, k, capacity;
};

namespace {

struct Exact {
    double similarity;
    float rounded;
    std::uint32_t row;
};

bool before(const Exact& one, const Exact& other) {
    return one.rounded != other.rounded ? one.rounded > other.rounded : one.row < other.row;
}

// The first k of `found` are the k best candidates of a query, best first.
void order(const Search& search, long query, std::vector<Exact>& found) {
    std::vector<float> buffer;
    const float* left = search.queries + query * search.channels;
    const Candidate* candidates = search.candidates + query * search.capacity;
    found.clear();
    const long count = search.counts[query];
    for (long i = 0; i < count; i++) {
        if (i + 1 < count) fetch(search.bank, candidates[i + 1].row, search.channels);
        const std::uint32_t row = candidates[i].row;
        const double length = search.query_norms[query] * search.bank_norms[row];
        const float* right = row_of(search.bank, row, search.channels, buffer);
        const double similarity = length > 0 ? dot(left, right, search.channels) / length : 0.0;
        found.push_back({similarity, float(similarity) + 0.0f, row});  // + 0: -0.0 and 0.0 are equal
    }
    std::partial_sort(found.begin(), found.begin() + search.k, found.end(), before);
}

// Drops candidates that cannot be among the k best; at most three quarters of the room stay in use.
void shrink(Search& search, long query) {
    Candidate* candidates = search.candidates + query * search.capacity;
    long& count = search.counts[query];
    const auto higher = [](const Candidate& one, const Candidate& other) { return one.estimate > other.estimate; };
    std::nth_element(candidates, candidates + search.k - 1, candidates + count, higher);
    float& lowest = search.lowest[query];
    lowest = std::max(lowest, candidates[search.k - 1].estimate);
    const float threshold = lowest - search.margins[query];
    const auto hopeless = [=](const Candidate& each) { return each.estimate < threshold; };
    count = std::remove_if(candidates, candidates + count, hopeless) - candidates;
    if (count <= search.k + (search.capacity - search.k) * 3 / 4) return;
    std::vector<Exact> found;
    order(search, query, found);
    count = search.k;
    for (long i = 0; i < count; i++)
        candidates[i] = {float(found[i].similarity - search.query_shifts[query]), found[i].row};
    lowest = std::max(lowest, candidates[count - 1].estimate);
}

void keep(Search& search, long query, const float* estimates, unsigned long reached, const std::uint32_t* numbers) {
    for (; reached; reached &= reached - 1) {
        const long column = __builtin_ctzl(reached);
        long& count = search.counts[query];
        search.candidates[query * search.capacity + count++] = {estimates[column], numbers[column]};
        if (count == search.capacity) shrink(search, query);
    }
}

}  // namespace

// Queries packed together, rows packed together, numbers multiplied at once, bytes of a number.
extern "C" void hssl_neighbours_shape(long* shape) {
    const long values[] = {kQueries, kColumns, kAtOnce, long(sizeof(Element))};
    std::copy(values, values + 4, shape);
}

// Rows of length one less `centre`, rounded, in groups of `group` rows: (groups, channels, group) with kAtOnce
// channels beside each other. `numbers` says which rows; null: the first ones.
//   norms    length of each row, by its number
//   offsets  (count,) centre . (row of length one - centre)
//   sizes    (count, 3) lengths of the rounded row, of the row less the centre, and of what rounding took
extern "C" void hssl_neighbours_pack(const Rows* rows, const std::uint32_t* numbers, long count, long channels,
                                     const float* centre, long group, Element* packed, double* norms,
                                     double* offsets, double* sizes) {
    const long steps = (channels + kAtOnce - 1) / kAtOnce;
    std::vector<float> buffer;
    std::vector<Element> rounded(steps * kAtOnce);
    std::memset(packed, 0, (count + group - 1) / group * group * steps * kAtOnce * sizeof(Element));
    for (long i = 0; i < count; i++) {
        const long number = numbers ? numbers[i] : i;
        const float* row = row_of(*rows, number, channels, buffer);
        const double norm = std::sqrt(dot(row, row, channels));
        const double scale = norm > 0 ? 1 / norm : 0;
        double of_rounded = 0, of_centred = 0, of_rest = 0, offset = 0;
        for (long c = 0; c < channels; c++) {
            const double centred = row[c] * scale - centre[c];
            rounded[c] = to_element(float(centred));
            const double value = to_float(rounded[c]), rest = centred - value;
            of_rounded += value * value;
            of_centred += centred * centred;
            of_rest += rest * rest;
            offset += centre[c] * centred;
        }
        norms[number] = norm;
        offsets[i] = offset;
        sizes[3 * i] = std::sqrt(of_rounded);
        sizes[3 * i + 1] = std::sqrt(of_centred);
        sizes[3 * i + 2] = std::sqrt(of_rest);
        Element* to = packed + i / group * group * steps * kAtOnce + i % group * kAtOnce;
        for (long step = 0; step < steps; step++)
            std::copy_n(rounded.data() + step * kAtOnce, kAtOnce, to + step * group * kAtOnce);
    }
}

// Takes the candidates among a block of packed rows; `offsets` and `numbers` have an entry for each place of
// the last group too, minus infinity where there is no row.
extern "C" void hssl_neighbours_search(Search* search, const Element* packed_rows, const float* offsets,
                                       const std::uint32_t* numbers, long num_rows) {
    const long steps = (search->channels + kAtOnce - 1) / kAtOnce;
    alignas(64) float estimates[kQueries][kColumns];
    for (long column = 0; column < num_rows; column += kColumns) {
        const Element* rows = packed_rows + column * steps * kAtOnce;
        for (long query = 0; query < search->num_queries; query += kQueries) {
            const Element* queries = search->packed_queries + query * steps * kAtOnce;
            float thresholds[kQueries];
            for (long q = 0; q < kQueries; q++)
                thresholds[q] = query + q < search->num_queries
                                    ? search->lowest[query + q] - search->margins[query + q]
                                    : std::numeric_limits<float>::infinity();
            unsigned long reached[kQueries];
            if (!estimate(rows, queries, steps, offsets + column, thresholds, estimates, reached)) continue;
            for (long q = 0; q < kQueries; q++)
                if (reached[q]) keep(*search, query + q, estimates[q], reached[q], numbers + column);
        }
    }
}

// The k best rows of each query and their similarities, best first; among equals the lowest row.
extern "C" void hssl_neighbours_best(Search* search, float* similarities, std::int64_t* rows) {
    std::vector<Exact> found;
    for (long query = 0; query < search->num_queries; query++) {
        order(*search, query, found);
        for (long i = 0; i < search->k; i++) {
            similarities[query * search->k + i] = found[i].rounded;
            rows[query * search->k + i] = found[i].row;
        }
    }
}
