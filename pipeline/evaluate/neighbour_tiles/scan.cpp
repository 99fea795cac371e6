// The k nearest rows of each query, from estimates of their similarities: rows that could be among them are
// summed again in float64. Called by library.py, from as many threads as there are tiles.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

namespace {

constexpr double kEqual = 1.001 / (1L << 23);  // similarities that float32 rounds to the same differ by less

// If more than this share of a block, and more than 2 k rows, would have to be summed one by one, a product of all
// in float64 is faster.
constexpr long kCrowd = 32;

// To nearest, ties to even.
std::uint16_t to_bfloat16(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float from_bfloat16(std::uint16_t value) {
    const std::uint32_t bits = std::uint32_t(value) << 16;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

void store(float value, std::uint16_t& to, double& stored) {
    to = to_bfloat16(value);
    stored = from_bfloat16(to);
}

void store(float value, float& to, double& stored) { stored = to = value; }

typedef double Lanes __attribute__((vector_size(4 * sizeof(double))));
constexpr long kVectors = 8, kSums = 32;  // numbers that are summed apart from each other

inline Lanes load(const double* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

inline Lanes load(const float* from) {
    float lanes __attribute__((vector_size(4 * sizeof(float))));
    std::memcpy(&lanes, from, sizeof lanes);
    return __builtin_convertvector(lanes, Lanes);
}

// `left` and `right` hold float32 numbers, so that their products are exact in float64, and the order of the sums
// is stated here: the result is the same on every processor. Vectors are stated because GCC 12 keeps arrays of
// sums in memory.
double dot(const double* left, const float* right, long channels) {
    Lanes sums[kVectors] = {};
    long c = 0;
    for (; c + kSums <= channels; c += kSums)
        for (long v = 0; v < kVectors; v++) sums[v] += load(left + c + 4 * v) * load(right + c + 4 * v);
    double parts[kSums];
    std::memcpy(parts, sums, sizeof parts);
    for (long i = 0; c + i < channels; i++) parts[i] += left[c + i] * double(right[c + i]);
    for (long half = kSums / 2; half; half /= 2)
        for (long i = 0; i < half; i++) parts[i] += parts[i + half];
    return parts[0];
}

// A zero row is similar to nothing. + 0: -0.0 and 0.0 are equal.
float similarity(double product, double length) { return length > 0 ? float(product / length) + 0.0f : 0.0f; }

struct Found {
    float similarity;
    std::uint32_t row;
};

constexpr auto better = [](const Found& one, const Found& other) {
    return one.similarity != other.similarity ? one.similarity > other.similarity : one.row < other.row;
};

}  // namespace

// The layouts of these are those of the classes of library.py.
struct Queries {
    const float* rows;     // (num_queries, channels)
    const double* norms;   // (num_queries,)
    const double* shifts;  // (num_queries,): what an estimate lacks
    Found* best;           // (num_queries, k): a heap, the worst first
    long num_queries, channels, k;
};

struct Block {
    const float* rows;             // (num_rows, channels)
    const double* norms;           // (num_rows,)
    const float* offsets;          // (num_rows,): added to the product
    const std::uint32_t* numbers;  // (num_rows,) ascending
    long num_rows;
};

namespace {

// Rows of a block whose estimate, a product and an offset, reaches a threshold.
template <typename Number>
class Reached {
  public:
    struct Entry {
        Number estimate;
        std::uint32_t column;
    };

    explicit Reached(const Block& block) : offsets_(block.num_rows), entries_(block.num_rows + 1) {
        // Products in float64 are of rows without a centre.
        if (sizeof(Number) == sizeof(float)) std::copy_n(block.offsets, block.num_rows, offsets_.begin());
    }

    void find(const Number* products, long first, long end, Number threshold) {
        constexpr long kAtOnce = 64;
        const Number* offsets = offsets_.data();
        for (; first < end; first += kAtOnce) {
            const long last = std::min(first + kAtOnce, end);
            int any = 0;
            for (long column = first; column < last; column++) any |= products[column] + offsets[column] >= threshold;
            if (!any) continue;
            for (long column = first; column < last; column++) {
                const Number estimate = products[column] + offsets[column];
                entries_[count_] = {estimate, static_cast<std::uint32_t>(column)};
                count_ += estimate >= threshold;
            }
        }
    }

    void clear() { count_ = 0; }
    long count() const { return count_; }
    const Entry* begin() const { return entries_.data(); }
    const Entry* end() const { return entries_.data() + count_; }

    // The k-th largest estimate.
    Number largest(long k) {
        const auto higher = [](const Entry& one, const Entry& other) { return one.estimate > other.estimate; };
        std::nth_element(entries_.begin(), entries_.begin() + k - 1, entries_.begin() + count_, higher);
        return entries_[k - 1].estimate;
    }

    void drop_below(Number threshold) {
        long kept = 0;
        for (long i = 0; i < count_; i++) {
            entries_[kept] = entries_[i];
            kept += entries_[kept].estimate >= threshold;
        }
        count_ = kept;
    }

    // A value that k estimates reach at least, but not many more: the k-th largest of the maxima of disjoint
    // groups of rows, which is found faster than the k-th largest estimate. Minus infinity: none was found.
    Number reached_by(long k, const Number* products) {
        const long num_rows = offsets_.size(), in_group = num_rows / (2 * k);
        if (in_group < 2) return -std::numeric_limits<Number>::infinity();
        const long groups = num_rows / in_group;
        most_.assign(groups, -std::numeric_limits<Number>::infinity());
        for (long member = 0; member < in_group; member++)
            for (long group = 0; group < groups; group++) {
                const long column = member * groups + group;
                most_[group] = std::max(most_[group], products[column] + offsets_[column]);
            }
        std::nth_element(most_.begin(), most_.begin() + k - 1, most_.end(), std::greater<Number>());
        return most_[k - 1];
    }

  private:
    std::vector<Number> offsets_, most_;
    std::vector<Entry> entries_;
    long count_ = 0;
};

template <typename Number>
Number below(double value) {
    return std::nextafter(Number(value), -std::numeric_limits<Number>::infinity());
}

// What an estimate has to reach for its row to come before the worst of the best: a row with a lower number does
// if it is as similar.
template <typename Number>
struct Bar {
    Number before, after;
    std::uint32_t row;

    Bar(const Found& worst, double shift, double error) : row(worst.row) {
        const float infinity = std::numeric_limits<float>::infinity();
        before = after = worst.similarity;
        if (std::isinf(worst.similarity)) return;
        // The least numbers that float32 rounds to this similarity, and to the next.
        const double exact = worst.similarity;
        before = below<Number>((exact + std::nextafter(worst.similarity, -infinity)) / 2 - shift - error);
        after = below<Number>((exact + std::nextafter(worst.similarity, infinity)) / 2 - shift - error);
    }

    Number of(std::uint32_t number) const { return number < row ? before : after; }
};

template <typename Number>
class Scan {
    using Bar = ::Bar<Number>;

  public:
    Scan(const Queries& queries, const Block& block)
        : queries_(queries), block_(block), reached_(block), left_(queries.channels) {}

    // Takes the best rows of a block. `products` (num_rows), with offset and shift, are off by `error` at most.
    // Returns false, and takes none, where more than `most` would have to be summed.
    bool take(long query, const Number* products, double shift, double error, long most) {
        Found* best = queries_.best + query * queries_.k;
        find(products, best[0], shift, error);
        // k rows are as similar as the k-th largest estimate less its error.
        if (reached_.count() > 2 * queries_.k + 16)
            reached_.drop_below(below<Number>(reached_.largest(queries_.k) - 2 * error - kEqual));
        if (reached_.count() > most) return false;
        if (reached_.count())
            std::copy_n(queries_.rows + query * queries_.channels, queries_.channels, left_.begin());
        Bar bar(best[0], shift, error);
        constexpr long kAhead = 3;  // rows lie far from each other: these are on their way while one is summed
        const auto* const end = reached_.end();
        for (const auto* entry = reached_.begin(); entry < end; entry++) {
            if (entry + kAhead < end) fetch(block_.rows + entry[kAhead].column * queries_.channels);
            const auto [estimate, column] = *entry;
            const std::uint32_t number = block_.numbers[column];
            if (estimate < bar.of(number)) continue;
            const float* right = block_.rows + column * queries_.channels;
            const double product = dot(left_.data(), right, queries_.channels);
            const Found found = {similarity(product, queries_.norms[query] * block_.norms[column]), number};
            if (!better(found, best[0])) continue;
            std::pop_heap(best, best + queries_.k, better);
            best[queries_.k - 1] = found;
            std::push_heap(best, best + queries_.k, better);
            bar = Bar(best[0], shift, error);
        }
        return true;
    }

  private:
    void fetch(const float* row) const {
        constexpr long kLine = 64 / sizeof(float);
        for (long c = 0; c < queries_.channels; c += kLine) __builtin_prefetch(row + c);
    }

    void find(const Number* products, const Found& worst, double shift, double error) {
        const std::uint32_t* numbers = block_.numbers;
        const long num_rows = block_.num_rows;
        reached_.clear();
        if (std::isinf(worst.similarity)) {  // fewer than k rows so far
            const double least = reached_.reached_by(queries_.k, products);
            reached_.find(products, 0, num_rows, below<Number>(least - 2 * error - kEqual));
            return;
        }
        const Bar bar(worst, shift, error);
        const long before = std::lower_bound(numbers, numbers + num_rows, worst.row) - numbers;
        reached_.find(products, 0, before, bar.before);
        reached_.find(products, before, num_rows, bar.after);
    }

    const Queries& queries_;
    const Block& block_;
    Reached<Number> reached_;
    std::vector<double> left_;
};

template <typename Number>
void pack(const float* rows, long count, long channels, const float* centre, Number* packed, double* norms,
          double* offsets, double* sizes) {
    std::vector<double> wide(channels);
    for (long i = 0; i < count; i++, rows += channels, packed += channels) {
        std::copy_n(rows, channels, wide.begin());
        norms[i] = std::sqrt(dot(wide.data(), rows, channels));
        const double scale = norms[i] > 0 ? 1 / norms[i] : 0;
        double of_rounded = 0, of_centred = 0, of_rest = 0, offset = 0;
        for (long c = 0; c < channels; c++) {
            const double centred = rows[c] * scale - centre[c];
            double rounded;
            store(float(centred), packed[c], rounded);
            of_rounded += rounded * rounded;
            of_centred += centred * centred;
            of_rest += (centred - rounded) * (centred - rounded);
            offset += centre[c] * centred;
        }
        offsets[i] = offset;
        sizes[3 * i] = std::sqrt(of_rounded);
        sizes[3 * i + 1] = std::sqrt(of_centred);
        sizes[3 * i + 2] = std::sqrt(of_rest);
    }
}

}  // namespace

// Rows (count, channels) scaled to length one, less `centre`, as bfloat16 or float32.
//   norms    (count,) lengths before
//   offsets  (count,) centre . (row of length one - centre)
//   sizes    (count, 3) lengths of the rounded row, of the row less the centre, and of what rounding took
extern "C" void hssl_neighbours_pack(const float* rows, long count, long channels, const float* centre, long half,
                                     void* packed, double* norms, double* offsets, double* sizes) {
    if (half)
        pack(rows, count, channels, centre, static_cast<std::uint16_t*>(packed), norms, offsets, sizes);
    else
        pack(rows, count, channels, centre, static_cast<float*>(packed), norms, offsets, sizes);
}

// Takes the best rows of a block for all queries but those of which too many rows would have to be summed.
//   products  (num_queries, num_rows) of packed queries and packed rows
//   errors    (num_queries,): by how much a product with its offset and shift can miss the similarity
//   crowded   (num_queries,): becomes the numbers of the queries that are left out
// Returns how many these are.
extern "C" long hssl_neighbours_scan(const Queries* queries, const Block* block, const float* products,
                                     const double* errors, long* crowded) {
    Scan<float> scan(*queries, *block);
    const long most = std::max(2 * queries->k, block->num_rows / kCrowd);
    long count = 0;
    for (long query = 0; query < queries->num_queries; query++) {
        const float* of_query = products + query * block->num_rows;
        if (!scan.take(query, of_query, queries->shifts[query], errors[query], most)) crowded[count++] = query;
    }
    return count;
}

// The same for the queries `chosen` (num_chosen,), from products (num_chosen, num_rows) of rows of length one.
extern "C" void hssl_neighbours_scan_double(const Queries* queries, const Block* block, const double* products,
                                            double error, const long* chosen, long num_chosen) {
    Scan<double> scan(*queries, *block);
    for (long i = 0; i < num_chosen; i++)
        scan.take(chosen[i], products + i * block->num_rows, 0, error, block->num_rows);
}

// Brings the best rows of each query in order, the best first.
extern "C" void hssl_neighbours_sort(const Queries* queries) {
    for (long query = 0; query < queries->num_queries; query++) {
        Found* best = queries->best + query * queries->k;
        std::sort_heap(best, best + queries->k, better);
    }
}
