// Convolutions of maps with the channels last: products of shifted rows, one for each tap of the filters.
//
// In a table of all positions, what a tap sees is some rows further on, if every row of a map ends with zeros, and
// every map with rows of zeros. With a stride there is such a table, a plane, for each remainder of a pixel's row and
// column.
#include "casts.cuh"
#include "columns.cuh"
#include "gelu_passes.cuh"
#include "kernels.h"
#include "precision.cuh"
#include "products.cuh"
#include "vectors.cuh"

namespace {

using hssl::as_factor;
using hssl::kNumbers;
using hssl::product;
using hssl::Scratch;
using hssl::with_factor;

constexpr int kThreads = 256;

// Maps (images, height, width, channels), and the planes of their table; `margin`: rows of zeros before and after each.
struct Table {
    long images, height, width, channels, stride, down, across, margin;
    __host__ __device__ long rows() const { return images * down * across; }
    __host__ __device__ long planes() const { return stride * stride; }
    __host__ __device__ long plane_rows() const { return rows() + 2 * margin; }
    long count() const { return planes() * plane_rows() * channels; }
};

// A convolution of `images` maps at a time, `height` x `width` positions, zeros around them.
struct Shape {
    long height, width, in, out, side, stride;
    long out_height() const { return (height - 1) / stride + 1; }
    long out_width() const { return (width - 1) / stride + 1; }
    long taps() const { return side * side; }
    long border() const { return (side / 2 + stride - 1) / stride; }  // zeros that a row of a plane ends with
    long across() const { return out_width() + border(); }
    Table table(long images, long rows, long columns, long channels, long step) const {
        const long margin = border() * (across() + 1);
        return {images, rows, columns, channels, step, out_height() + border(), across(), margin};
    }
    Table of_inputs(long images) const { return table(images, height, width, in, stride); }
    Table of_outputs(long images) const { return table(images, out_height(), out_width(), out, 1); }
};

// Where a tap reads: its plane, and how many rows further on.
struct Place {
    long plane, rows;
};

Place place_of(const Shape& s, long tap) {
    const long before = s.border() * s.stride;  // so that no quotient is negative
    const long down = tap / s.side - s.side / 2 + before, right = tap % s.side - s.side / 2 + before;
    return {down % s.stride * s.stride + right % s.stride,
            (down / s.stride - s.border()) * s.across() + right / s.stride - s.border()};
}

__device__ inline void put(float* to, float value) { *to = value; }
__device__ inline void put(float* to, float4 value) { hssl::store4(to, value); }
__device__ inline void put(hssl::bf16* to, float value) { *to = hssl::from_float<hssl::bf16>(value); }
__device__ inline void put(hssl::bf16* to, float4 value) { hssl::store4(to, value); }

// A thread has one V of the table's planes, in their order; what is no pixel is 0.
template <class V, class T>
__global__ void __launch_bounds__(kThreads)
    fill_table(Table table, const float* __restrict__ maps, T* __restrict__ to) {
    const long wide = table.channels / kNumbers<V>;
    const long index = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (index >= table.planes() * table.plane_rows() * wide) return;
    const long place = index / wide, channel = index % wide * kNumbers<V>;
    const long plane = place / table.plane_rows(), row = place % table.plane_rows() - table.margin;
    V value = hssl::filled<V>(0.f);
    if (row >= 0 && row < table.rows()) {
        const long image = row / (table.down * table.across), within = row % (table.down * table.across);
        const long y = within / table.across * table.stride + plane / table.stride;
        const long x = within % table.across * table.stride + plane % table.stride;
        if (y < table.height && x < table.width)
            value = hssl::read<V>(maps + ((image * table.height + y) * table.width + x) * table.channels + channel);
    }
    put(to + place * table.channels + channel, value);
}

// A thread has one V of the maps. from: the planes without their margins; those that no tap reads hold nothing.
template <class V>
__global__ void __launch_bounds__(kThreads)
    read_table(Table table, unsigned filled, const float* __restrict__ from, float* __restrict__ maps) {
    const long wide = table.channels / kNumbers<V>;
    const long index = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (index >= table.images * table.height * table.width * wide) return;
    const long pixel = index / wide, channel = index % wide * kNumbers<V>;
    const long x = pixel % table.width, y = pixel / table.width % table.height;
    const long image = pixel / (table.width * table.height);
    const long plane = y % table.stride * table.stride + x % table.stride;
    const long row = (image * table.down + y / table.stride) * table.across + x / table.stride;
    V value = hssl::filled<V>(0.f);
    if (filled >> plane & 1u) value = hssl::read<V>(from + (plane * table.rows() + row) * table.channels + channel);
    hssl::write(maps + pixel * table.channels + channel, value);
}

template <class T>
void fill(const Table& table, const float* maps, T* to) {
    const bool four = table.channels % 4 == 0;
    hssl::launch("fill_table", four ? fill_table<float4, T> : fill_table<float, T>,
                 dim3(hssl::blocks_for(table.count() / (four ? 4 : 1), kThreads)), dim3(kThreads), 0, table, maps, to);
}

void read(const Table& table, unsigned filled, const float* from, float* maps) {
    const bool four = table.channels % 4 == 0;
    const long threads = table.images * table.height * table.width * table.channels / (four ? 4 : 1);
    hssl::launch("read_table", four ? read_table<float4> : read_table<float>,
                 dim3(hssl::blocks_for(threads, kThreads)), dim3(kThreads), 0, table, filled, from, maps);
}

template <class T>
void forward(const Shape& s, long images, long together, const float* x, const float* weight, const float* bias,
             float* y) {
    Scratch scratch;
    const T* filters = as_factor<T>(weight, s.taps() * s.out * s.in, scratch);
    T* given = scratch.take<T>(s.of_inputs(together).count());
    float* found = scratch.take<float>(s.of_outputs(together).rows() * s.out);
    for (long first = 0; first < images; first += together) {
        const long count = std::min(together, images - first);
        const Table inputs = s.of_inputs(count), outputs = s.of_outputs(count);
        fill(inputs, x + first * s.height * s.width * s.in, given);
        for (long tap = 0; tap < s.taps(); tap++) {
            const Place place = place_of(s, tap);
            const T* seen = given + (place.plane * inputs.plane_rows() + inputs.margin + place.rows) * s.in;
            product<T, float>(outputs.rows(), s.out, s.in, seen, false, filters + tap * s.out * s.in, true,
                              tap ? nullptr : bias, found, tap > 0);
        }
        read(outputs, 1u, found, y + first * outputs.height * outputs.width * s.out);
    }
}

template <class T>
void gradient(const Shape& s, long images, long together, const float* y_grad, const float* x, const float* weight,
              float* x_grad, float* weight_grad, float* bias_grad) {
    Scratch scratch;
    const long positions = images * s.out_height() * s.out_width(), filter = s.out * s.in;
    if (bias_grad)
        hssl::column_pass("bias_gradient", positions, s.out, hssl::CastPass<T>{y_grad, nullptr, s.out}, bias_grad,
                          scratch);
    const Table most = s.of_inputs(together);
    T* slopes = scratch.take<T>(s.of_outputs(together).count());
    T* given = scratch.take<T>(most.count());
    const T* filters = x_grad ? as_factor<T>(weight, s.taps() * filter, scratch) : nullptr;
    float* found = x_grad ? scratch.take<float>(most.planes() * most.rows() * s.in) : nullptr;
    for (long first = 0; first < images; first += together) {
        const long count = std::min(together, images - first);
        const Table inputs = s.of_inputs(count), outputs = s.of_outputs(count);
        fill(outputs, y_grad + first * outputs.height * outputs.width * s.out, slopes);
        fill(inputs, x + first * s.height * s.width * s.in, given);
        const T* inner = slopes + outputs.margin * s.out;
        unsigned filled = 0;
        for (long tap = 0; tap < s.taps(); tap++) {
            const Place place = place_of(s, tap);
            const T* seen = given + (place.plane * inputs.plane_rows() + inputs.margin + place.rows) * s.in;
            product<T, float>(s.out, s.in, outputs.rows(), inner, true, seen, false, nullptr,
                              weight_grad + tap * filter, first > 0);
            if (!x_grad) continue;
            product<T, float>(outputs.rows(), s.in, s.out, inner - place.rows * s.out, false, filters + tap * filter,
                              false, nullptr, found + place.plane * inputs.rows() * s.in, filled >> place.plane & 1u);
            filled |= 1u << place.plane;
        }
        if (x_grad) read(inputs, filled, found, x_grad + first * s.height * s.width * s.in);
    }
}

}  // namespace

void hssl_device_convolution(long images, long height, long width, long in_dim, long out_dim, long side, long stride,
                             long together, const float* x, const float* weight, const float* bias, float* y) {
    const Shape shape{height, width, in_dim, out_dim, side, stride};
    with_factor([&](auto kind) { forward<decltype(kind)>(shape, images, together, x, weight, bias, y); });
}

void hssl_device_convolution_gradient(long images, long height, long width, long in_dim, long out_dim, long side,
                                      long stride, long together, const float* y_grad, const float* x,
                                      const float* weight, float* x_grad, float* weight_grad, float* bias_grad) {
    const Shape shape{height, width, in_dim, out_dim, side, stride};
    with_factor([&](auto kind) {
        gradient<decltype(kind)>(shape, images, together, y_grad, x, weight, x_grad, weight_grad, bias_grad);
    });
}
