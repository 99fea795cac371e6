// Depthwise convolution. One task is one image and as many channels as a vector holds: its plane is copied
// with a border of zeros, so that the loops over positions meet no edge.
#include <algorithm>
#include <vector>

#include "kernels.h"
#include "tiles.h"

namespace {

using hssl::kLanes;
using hssl::load;
using hssl::store;
using hssl::Vector;

// Images are gathered into this many groups, whose filter gradients are summed apart: more tasks than
// blocks of channels, and an order of summation that does not depend on the number of threads.
constexpr long kGroups = 8;
// Neighbouring positions computed at once.
constexpr int kRun = 8;

struct Shape {
    long height, width, channels, side;
    long border() const { return side / 2; }
    // A run may start before and end behind the plane's right edge.
    long plane_width() const { return width + side - 1 + kRun; }
    long plane_size() const { return (height + side - 1) * plane_width() * kLanes; }
};

// The channels of one position, whose others are zeros; `count` of them exist.
Vector load_channels(const float* from, long count) {
    if (count == kLanes) return load(from);
    Vector value = {};
    for (long c = 0; c < count; c++) value[c] = from[c];
    return value;
}

// Channels `first` ... of an image -> plane with borders; channels that do not exist are zeros.
void pack_plane(const Shape& s, const float* image, long first, float* plane) {
    const long count = std::min(kLanes, s.channels - first);
    std::fill_n(plane, s.plane_size(), 0.f);
    for (long y = 0; y < s.height; y++) {
        const float* from = image + y * s.width * s.channels + first;
        float* to = plane + ((y + s.border()) * s.plane_width() + s.border()) * kLanes;
        for (long x = 0; x < s.width; x++, from += s.channels, to += kLanes) store(to, load_channels(from, count));
    }
}

// Filters of channels `first` ... (side * side, kLanes), turned by 180 degrees for the gradient.
void pack_filters(const Shape& s, const float* weight, long first, bool turned, float* filters) {
    const long count = std::min(kLanes, s.channels - first), taps = s.side * s.side;
    for (long tap = 0; tap < taps; tap++) {
        const float* from = weight + (turned ? taps - 1 - tap : tap) * s.channels + first;
        store(filters + tap * kLanes, load_channels(from, count));
    }
}

// One row of taps, for kRun neighbouring positions. Side = s.side, or 0 for any: where it is known, a position that
// several taps see is loaded once.
template <int Side>
void add_taps(const Shape& s, const float* from, const float* filters, Vector* sums) {
    if constexpr (Side == 0) {
        for (long j = 0; j < s.side; j++) {
            const Vector filter = load(filters + j * kLanes);
#pragma GCC unroll 8
            for (int r = 0; r < kRun; r++) sums[r] += filter * load(from + (j + r) * kLanes);
        }
    } else {
        Vector taps[Side];
#pragma GCC unroll 8
        for (int j = 0; j < Side; j++) taps[j] = load(filters + j * kLanes);
#pragma GCC unroll 16
        for (int position = 0; position < kRun + Side - 1; position++) {
            const Vector seen = load(from + position * kLanes);
#pragma GCC unroll 8
            for (int j = 0; j < Side; j++) {
                const int r = position - j;
                if (r >= 0 && r < kRun) sums[r] += taps[j] * seen;
            }
        }
    }
}

template <int Side>
void convolve_plane(const Shape& s, const float* plane, const float* filters, const float* bias, long first,
                    float* image) {
    const long count = std::min(kLanes, s.channels - first), stride = s.plane_width() * kLanes;
    const Vector shift = bias ? load_channels(bias + first, count) : Vector{};
    for (long y = 0; y < s.height; y++)
        for (long x = 0; x < s.width; x += kRun) {
            Vector sums[kRun] = {};
            for (long i = 0; i < s.side; i++)
                add_taps<Side>(s, plane + (y + i) * stride + x * kLanes, filters + i * s.side * kLanes, sums);
            const long run = std::min<long>(kRun, s.width - x);
            float* to = image + (y * s.width + x) * s.channels + first;
            for (long r = 0; r < run; r++, to += s.channels) {
                const Vector sum = sums[r] + shift;
                if (count == kLanes)
                    store(to, sum);
                else
                    for (long c = 0; c < count; c++) to[c] = sum[c];
            }
        }
}

void convolve_plane_of(const Shape& s, const float* plane, const float* filters, const float* bias, long first,
                       float* image) {
    switch (s.side) {
        case 3: return convolve_plane<3>(s, plane, filters, bias, first, image);
        case 5: return convolve_plane<5>(s, plane, filters, bias, first, image);
        case 7: return convolve_plane<7>(s, plane, filters, bias, first, image);
        default: return convolve_plane<0>(s, plane, filters, bias, first, image);
    }
}

// Adds to filter_grads (side * side, kLanes) the products of the slopes with what each tap saw; Side = s.side,
// or 0 for any.
template <int Side>
void add_filter_gradients(const Shape& s, const float* plane, const float* slopes, float* filter_grads) {
    const long stride = s.plane_width() * kLanes, border = s.border() * (stride + kLanes);
    const long side = Side ? Side : s.side;
    constexpr int kTaps = Side ? Side : 1;
    for (long i = 0; i < side; i++)
        for (long j = 0; j < side; j += kTaps) {
            Vector sums[kTaps] = {};
            for (long y = 0; y < s.height; y++)
                for (long x = 0; x < s.width; x++) {
                    const Vector slope = load(slopes + border + y * stride + x * kLanes);
                    const float* seen = plane + (y + i) * stride + (x + j) * kLanes;
                    for (int t = 0; t < kTaps; t++) sums[t] += slope * load(seen + t * kLanes);
                }
            for (int t = 0; t < kTaps; t++) {
                float* to = filter_grads + (i * side + j + t) * kLanes;
                store(to, load(to) + sums[t]);
            }
        }
}

void add_filter_gradients_of(const Shape& s, const float* plane, const float* slopes, float* filter_grads) {
    switch (s.side) {
        case 3: return add_filter_gradients<3>(s, plane, slopes, filter_grads);
        case 5: return add_filter_gradients<5>(s, plane, slopes, filter_grads);
        case 7: return add_filter_gradients<7>(s, plane, slopes, filter_grads);
        default: return add_filter_gradients<0>(s, plane, slopes, filter_grads);
    }
}

void add_sums(const Shape& s, const float* slopes, float* sums) {
    Vector total = load(sums);
    const long stride = s.plane_width() * kLanes, border = s.border() * (stride + kLanes);
    for (long y = 0; y < s.height; y++)
        for (long x = 0; x < s.width; x++) total += load(slopes + border + y * stride + x * kLanes);
    store(sums, total);
}

}  // namespace

void hssl_depthwise_conv(long batch, long height, long width, long channels, long side, const float* x,
                         const float* weight, const float* bias, float* y) {
    const Shape s{height, width, channels, side};
    const long blocks = (channels + kLanes - 1) / kLanes, image_size = height * width * channels;
#pragma omp parallel
    {
        std::vector<float> plane(s.plane_size()), filters(side * side * kLanes);
#pragma omp for collapse(2) schedule(static)
        for (long image = 0; image < batch; image++)
            for (long block = 0; block < blocks; block++) {
                const long first = block * kLanes;
                pack_plane(s, x + image * image_size, first, plane.data());
                pack_filters(s, weight, first, false, filters.data());
                convolve_plane_of(s, plane.data(), filters.data(), bias, first, y + image * image_size);
            }
    }
}

void hssl_depthwise_conv_gradient(long batch, long height, long width, long channels, long side, const float* x,
                                  const float* weight, const float* y_grad, float* x_grad, float* weight_grad,
                                  float* bias_grad) {
    const Shape s{height, width, channels, side};
    const long blocks = (channels + kLanes - 1) / kLanes, image_size = height * width * channels;
    const long taps = side * side, groups = std::min(kGroups, batch), part = (taps + 1) * kLanes;
    // For each block and group: the filters' gradients, then the bias's.
    std::vector<float> parts(static_cast<size_t>(blocks * groups * part), 0.f);
#pragma omp parallel
    {
        std::vector<float> plane(s.plane_size()), slopes(s.plane_size()), filters(taps * kLanes);
#pragma omp for collapse(2) schedule(static)
        for (long group = 0; group < groups; group++)
            for (long block = 0; block < blocks; block++) {
                const long first = block * kLanes;
                float* sums = parts.data() + (block * groups + group) * part;
                pack_filters(s, weight, first, true, filters.data());
                for (long image = batch * group / groups; image < batch * (group + 1) / groups; image++) {
                    pack_plane(s, x + image * image_size, first, plane.data());
                    pack_plane(s, y_grad + image * image_size, first, slopes.data());
                    convolve_plane_of(s, slopes.data(), filters.data(), nullptr, first, x_grad + image * image_size);
                    add_filter_gradients_of(s, plane.data(), slopes.data(), sums);
                    add_sums(s, slopes.data(), sums + taps * kLanes);
                }
            }
    }
    for (long tap = 0; tap <= taps; tap++)
        for (long c = 0; c < channels; c++) {
            float sum = 0.f;
            for (long group = 0; group < groups; group++)
                sum += parts[((c / kLanes * groups + group) * (taps + 1) + tap) * kLanes + c % kLanes];
            (tap < taps ? weight_grad[tap * channels + c] : bias_grad[c]) = sum;
        }
}
