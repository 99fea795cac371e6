// The cells of a feature pyramid that boxes read, and their weights, in float64. Without shared state.
//
// To be compiled without contracted products (-ffp-contract=off): cells and weights are then NumPy's to the last bit.

#include <cmath>
#include <cstdint>

namespace {

inline double at_least_zero(double x) { return x < 0 ? 0 : x; }

// What the samples of each bin read along one axis of a map of `length` cells, of which the next has `step` rows of the
// table more, between two ends in cells. cells and weights (bins, 2 sampling).
void read_axis(double low, double high, int64_t length, int64_t first, int64_t step, int64_t bins, int64_t sampling,
               int32_t* cells, float* weights) {
    const int64_t count = bins * sampling;
    const double last = static_cast<double>(length - 1);
    for (int64_t i = 0; i < count; i++) {
        const double offset = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
        double sample = low + offset * (high - low);
        const bool inside = sample >= -1 && sample <= static_cast<double>(length);  // false for what is no number
        sample = inside ? sample : 0;
        sample = sample < 0 ? 0 : sample > last ? last : sample;
        const double lower = std::floor(sample), share = sample - lower;
        const double upper = lower + 1 < last ? lower + 1 : last;
        const double weight = inside ? 1 : 0;
        cells[2 * i] = static_cast<int32_t>(first + static_cast<int64_t>(lower) * step);
        cells[2 * i + 1] = static_cast<int32_t>(first + static_cast<int64_t>(upper) * step);
        weights[2 * i] = static_cast<float>((1 - share) * weight / static_cast<double>(sampling));
        weights[2 * i + 1] = static_cast<float>(share * weight / static_cast<double>(sampling));
    }
}

}  // namespace

// boxes (count, 4) in pixels of images (count); a box is read from the level before the first of limits (levels - 1), the
// least areas of the coarser ones, that is above its area. strides (levels); sizes (levels, 2), height and width, and
// starts (levels), first rows in the table. rows, columns and their weights (count, bins, 2 sampling): the rows of the
// table are those of `rows` plus those of `columns`.
extern "C" void hssl_roi_cells(int64_t count, const double* boxes, const int64_t* images, int64_t levels,
                               const double* limits, const double* strides, const int64_t* sizes,
                               const int64_t* starts, int64_t bins, int64_t sampling, int32_t* rows,
                               float* row_weights, int32_t* columns, float* column_weights) {
    const int64_t taps = 2 * bins * sampling;
    for (int64_t n = 0; n < count; n++) {
        const double* box = boxes + 4 * n;
        const double area = at_least_zero(box[2] - box[0]) * at_least_zero(box[3] - box[1]);
        int64_t level = 0;
        while (level < levels - 1 && !(area < limits[level])) level++;
        const int64_t height = sizes[2 * level], width = sizes[2 * level + 1];
        double ends[4];
        for (int i = 0; i < 4; i++) ends[i] = box[i] / strides[level] - 0.5;
        const int64_t first = starts[level] + images[n] * (height * width);
        read_axis(ends[1], ends[3], height, first, width, bins, sampling, rows + n * taps, row_weights + n * taps);
        read_axis(ends[0], ends[2], width, 0, 1, bins, sampling, columns + n * taps, column_weights + n * taps);
    }
}
