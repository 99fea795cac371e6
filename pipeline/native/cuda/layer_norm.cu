// Layer norm: a warp holds a row in registers where it fits, else a block walks over it several times.
#include "layer_norm.cuh"

#include "kernels.h"

namespace {

using hssl::bf16;
using hssl::Branch;
using hssl::kWarp;
using hssl::load4;
using hssl::store4;

constexpr int kWarps = 4;           // rows at once of a block
constexpr int kMostVectors = 8;     // of four numbers that a lane holds: rows of up to 1024 numbers
constexpr int kGradientWarps = 8;
constexpr int kLongThreads = 256;

__device__ float sum4(float4 v) { return (v.x + v.y) + (v.z + v.w); }

template <int kVectors, class T>
__global__ void __launch_bounds__(kWarps* kWarp)
    norm_rows(long rows, int channels, float eps, const float* x, Branch<T> branch, const float* weight,
              const float* bias, T* y, float* moments) {
    const long row = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    const bool active = row < rows;  // a warp is in or out as a whole
    if (!active) return;
    const float scale = branch.values && branch.scales ? branch.scales[row / branch.tokens] : 1.f;
    float4 values[kVectors];
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < kVectors; i++) {
        const int column = 4 * (lane + kWarp * i);
        if (column < channels) {
            values[i] = load4(x + row * channels + column);
            if (branch.values) {
                const float4 b = load4(branch.values + row * channels + column);
                values[i].x += scale * b.x, values[i].y += scale * b.y;
                values[i].z += scale * b.z, values[i].w += scale * b.w;
                store4(branch.sum + row * channels + column, values[i]);
            }
        } else {
            values[i] = make_float4(0.f, 0.f, 0.f, 0.f);
        }
        sum += sum4(values[i]);
    }
    const float mean = hssl::warp_sum(sum) / channels;
    float squares = 0.f;
#pragma unroll
    for (int i = 0; i < kVectors; i++)
        if (4 * (lane + kWarp * i) < channels) {
            const float4 v = values[i];
            const float a = v.x - mean, b = v.y - mean, c = v.z - mean, d = v.w - mean;
            squares += (a * a + b * b) + (c * c + d * d);
        }
    const float factor = 1.f / sqrtf(hssl::warp_sum(squares) / channels + eps);
#pragma unroll
    for (int i = 0; i < kVectors; i++) {
        const int column = 4 * (lane + kWarp * i);
        if (column >= channels) continue;
        const float4 v = values[i], w = load4(weight + column), b = load4(bias + column);
        store4(y + row * channels + column,
               make_float4((v.x - mean) * factor * w.x + b.x, (v.y - mean) * factor * w.y + b.y,
                           (v.z - mean) * factor * w.z + b.z, (v.w - mean) * factor * w.w + b.w));
    }
    if (lane == 0) moments[2 * row] = mean, moments[2 * row + 1] = factor;
}

// Rows of any length, a block each.
template <class T>
__global__ void norm_long_rows(long channels, float eps, const float* x, Branch<T> branch, const float* weight,
                               const float* bias, T* y, float* moments) {
    __shared__ float memory[kLongThreads / kWarp];
    const long row = blockIdx.x;
    const float scale = branch.values && branch.scales ? branch.scales[row / branch.tokens] : 1.f;
    const float* from = x + row * channels;
    float sum = 0.f;
    for (long i = threadIdx.x; i < channels; i += kLongThreads) {
        float value = from[i];
        if (branch.values) {
            value += scale * hssl::to_float(branch.values[row * channels + i]);
            branch.sum[row * channels + i] = value;
        }
        sum += value;
    }
    if (branch.values) from = branch.sum + row * channels;  // each thread reads what it wrote itself
    const float mean = hssl::block_sum(sum, memory) / channels;
    float squares = 0.f;
    for (long i = threadIdx.x; i < channels; i += kLongThreads) squares += (from[i] - mean) * (from[i] - mean);
    const float factor = 1.f / sqrtf(hssl::block_sum(squares, memory) / channels + eps);
    for (long i = threadIdx.x; i < channels; i += kLongThreads)
        y[row * channels + i] = hssl::from_float<T>((from[i] - mean) * factor * weight[i] + bias[i]);
    if (threadIdx.x == 0) moments[2 * row] = mean, moments[2 * row + 1] = factor;
}

template <class T>
struct Again {
    const float *x, *weight, *bias, *moments;
    long channels;
    T* y;
    __device__ float4 four(long row, long column) const {
        const float mean = moments[2 * row], factor = moments[2 * row + 1];
        const float4 v = load4(x + row * channels + column), w = load4(weight + column), b = load4(bias + column);
        const float4 result = make_float4((v.x - mean) * factor * w.x + b.x, (v.y - mean) * factor * w.y + b.y,
                                          (v.z - mean) * factor * w.z + b.z, (v.w - mean) * factor * w.w + b.w);
        store4(y + row * channels + column, result);
        return result;
    }
    __device__ float one(long row, long column) const {
        const float value =
            (x[row * channels + column] - moments[2 * row]) * moments[2 * row + 1] * weight[column] + bias[column];
        y[row * channels + column] = hssl::from_float<T>(value);
        return value;
    }
};

// parts (blocks, 2, channels): sums over the block's rows for the weight's and the bias' gradients.
template <int kVectors, class T>
__global__ void __launch_bounds__(kGradientWarps* kWarp)
    norm_rows_gradient(long rows, int channels, long rows_per_block, const T* y_grad, const float* x,
                       const float* weight, const float* moments, const float* added, float* x_grad, float* parts) {
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    const long first = static_cast<long>(blockIdx.x) * rows_per_block, end = min(rows, first + rows_per_block);
    float4 weight_sums[kVectors], bias_sums[kVectors];
#pragma unroll
    for (int i = 0; i < kVectors; i++) weight_sums[i] = bias_sums[i] = make_float4(0.f, 0.f, 0.f, 0.f);
    for (long row = first + warp; row < end; row += kGradientWarps) {
        const float mean = moments[2 * row], factor = moments[2 * row + 1];
        float4 normed[kVectors], slopes[kVectors];
        float slope_sum = 0.f, product_sum = 0.f;
#pragma unroll
        for (int i = 0; i < kVectors; i++) {
            const int column = 4 * (lane + kWarp * i);
            normed[i] = slopes[i] = make_float4(0.f, 0.f, 0.f, 0.f);
            if (column >= channels) continue;
            const float4 v = load4(x + row * channels + column), g = load4(y_grad + row * channels + column),
                         w = load4(weight + column);
            const float4 n = make_float4((v.x - mean) * factor, (v.y - mean) * factor, (v.z - mean) * factor,
                                         (v.w - mean) * factor);
            weight_sums[i].x += g.x * n.x, weight_sums[i].y += g.y * n.y;
            weight_sums[i].z += g.z * n.z, weight_sums[i].w += g.w * n.w;
            bias_sums[i].x += g.x, bias_sums[i].y += g.y, bias_sums[i].z += g.z, bias_sums[i].w += g.w;
            const float4 s = make_float4(g.x * w.x, g.y * w.y, g.z * w.z, g.w * w.w);
            slope_sum += sum4(s);
            product_sum += (s.x * n.x + s.y * n.y) + (s.z * n.z + s.w * n.w);
            normed[i] = n, slopes[i] = s;
        }
        const float a = hssl::warp_sum(slope_sum) / channels, b = hssl::warp_sum(product_sum) / channels;
#pragma unroll
        for (int i = 0; i < kVectors; i++) {
            const int column = 4 * (lane + kWarp * i);
            if (column >= channels) continue;
            const float4 n = normed[i], s = slopes[i];
            float4 result = make_float4(factor * (s.x - a - n.x * b), factor * (s.y - a - n.y * b),
                                        factor * (s.z - a - n.z * b), factor * (s.w - a - n.w * b));
            if (added) {
                const float4 more = load4(added + row * channels + column);
                result.x += more.x, result.y += more.y, result.z += more.z, result.w += more.w;
            }
            store4(x_grad + row * channels + column, result);
        }
    }
    // The warps' sums, in the order of the warps.
    float* shared = hssl::shared_memory<float>();  // (warps, channels)
    for (int which = 0; which < 2; which++) {
#pragma unroll
        for (int i = 0; i < kVectors; i++) {
            const int column = 4 * (lane + kWarp * i);
            if (column < channels) store4(shared + warp * channels + column, which ? bias_sums[i] : weight_sums[i]);
        }
        __syncthreads();
        for (int column = threadIdx.x; column < channels; column += kGradientWarps * kWarp) {
            float sum = 0.f;
            for (int i = 0; i < kGradientWarps; i++) sum += shared[i * channels + column];
            parts[(2 * static_cast<long>(blockIdx.x) + which) * channels + column] = sum;
        }
        __syncthreads();
    }
}

// Rows of any length, a block each; the columns' sums are passes of their own.
template <class T>
__global__ void norm_long_rows_gradient(long channels, const T* y_grad, const float* x, const float* weight,
                                        const float* moments, const float* added, float* x_grad) {
    __shared__ float memory[kLongThreads / kWarp];
    const long start = static_cast<long>(blockIdx.x) * channels;
    const float mean = moments[2 * blockIdx.x], factor = moments[2 * blockIdx.x + 1];
    float slope_sum = 0.f, product_sum = 0.f;
    for (long i = threadIdx.x; i < channels; i += kLongThreads) {
        const float slope = hssl::to_float(y_grad[start + i]) * weight[i];
        slope_sum += slope;
        product_sum += slope * (x[start + i] - mean) * factor;
    }
    const float a = hssl::block_sum(slope_sum, memory) / channels, b = hssl::block_sum(product_sum, memory) / channels;
    for (long i = threadIdx.x; i < channels; i += kLongThreads) {
        const float slope = hssl::to_float(y_grad[start + i]) * weight[i];
        const float result = factor * (slope - a - (x[start + i] - mean) * factor * b);
        x_grad[start + i] = added ? result + added[start + i] : result;
    }
}

// What a column's sum is of: y_grad, or y_grad times the normed number.
template <class T, bool kNormed>
struct Slope {
    const T* y_grad;
    const float *x, *moments;
    long channels;
    __device__ float one(long row, long column) const {
        const float slope = hssl::to_float(y_grad[row * channels + column]);
        if (!kNormed) return slope;
        return slope * (x[row * channels + column] - moments[2 * row]) * moments[2 * row + 1];
    }
    __device__ float4 four(long row, long column) const {
        return make_float4(one(row, column), one(row, column + 1), one(row, column + 2), one(row, column + 3));
    }
};

bool fits_a_warp(long channels) { return channels % 4 == 0 && channels <= 4 * kWarp * kMostVectors; }

// Calls `run` with the smallest number of vectors that holds a row.
template <class F>
void with_vectors(long channels, F run) {
    const long vectors = (channels + 4 * kWarp - 1) / (4 * kWarp);
    if (vectors <= 1) return run(std::integral_constant<int, 1>());
    if (vectors <= 2) return run(std::integral_constant<int, 2>());
    if (vectors <= 3) return run(std::integral_constant<int, 3>());
    if (vectors <= 4) return run(std::integral_constant<int, 4>());
    if (vectors <= 6) return run(std::integral_constant<int, 6>());
    return run(std::integral_constant<int, kMostVectors>());
}

template <class T>
void normed(long rows, long channels, double eps, const float* x, const Branch<T>& branch, const float* weight,
            const float* bias, T* y, float* moments) {
    if (!fits_a_warp(channels)) {
        hssl::launch("norm_long_rows", norm_long_rows<T>, dim3(static_cast<unsigned>(rows)), dim3(kLongThreads), 0,
                     channels, eps, x, branch, weight, bias, y, moments);
        return;
    }
    with_vectors(channels, [&](auto vectors) {
        hssl::launch("norm_rows", norm_rows<decltype(vectors)::value, T>, dim3(hssl::blocks_for(rows, kWarps)),
                     dim3(kWarps * kWarp), 0, rows, channels, eps, x, branch, weight, bias, y, moments);
    });
}

}  // namespace

namespace hssl {

template <class T>
void layer_norm(long rows, long channels, double eps, const float* x, const float* weight, const float* bias, T* y,
                float* moments) {
    normed(rows, channels, eps, x, Branch<T>{nullptr, nullptr, 1, nullptr}, weight, bias, y, moments);
}

template <class T>
void add_and_norm(long rows, long channels, double eps, const float* x, const Branch<T>& branch, const float* weight,
                  const float* bias, T* y, float* moments) {
    normed(rows, channels, eps, x, branch, weight, bias, y, moments);
}

template <class T>
void layer_norm_again(long rows, long channels, const float* x, const float* weight, const float* bias,
                      const float* moments, T* y) {
    Scratch unused;
    column_pass("layer_norm_again", rows, channels, Again<T>{x, weight, bias, moments, channels, y}, nullptr, unused);
}

template <class T>
void layer_norm_gradient(long rows, long channels, const T* y_grad, const float* x, const float* weight,
                         const float* moments, const float* added, float* x_grad, float* weight_grad,
                         float* bias_grad, Scratch& scratch) {
    if (!fits_a_warp(channels)) {
        launch("norm_long_rows_gradient", norm_long_rows_gradient<T>, dim3(static_cast<unsigned>(rows)),
               dim3(kLongThreads), 0, channels, y_grad, x, weight, moments, added, x_grad);
        column_pass("norm weight gradient", rows, channels, Slope<T, true>{y_grad, x, moments, channels}, weight_grad,
                    scratch);
        column_pass("norm bias gradient", rows, channels, Slope<T, false>{y_grad, x, moments, channels}, bias_grad,
                    scratch);
        return;
    }
    const long per_block = std::max<long>(2 * kGradientWarps, (rows + kMostParts - 1) / kMostParts);
    const unsigned blocks = blocks_for(rows, per_block);
    float* parts = scratch.take<float>(2L * blocks * channels);
    with_vectors(channels, [&](auto vectors) {
        launch("norm_rows_gradient", norm_rows_gradient<decltype(vectors)::value, T>, dim3(blocks),
               dim3(kGradientWarps * kWarp), kGradientWarps * channels * sizeof(float), rows, channels, per_block,
               y_grad, x, weight, moments, added, x_grad, parts);
    });
    sum_parts(blocks, 2 * channels, parts, weight_grad, channels, bias_grad);
}

#define HSSL_FOR(T)                                                                                                 \
    template void layer_norm(long, long, double, const float*, const float*, const float*, T*, float*);             \
    template void add_and_norm(long, long, double, const float*, const Branch<T>&, const float*, const float*, T*,  \
                               float*);                                                                             \
    template void layer_norm_again(long, long, const float*, const float*, const float*, const float*, T*);         \
    template void layer_norm_gradient(long, long, const T*, const float*, const float*, const float*, const float*, \
                                      float*, float*, float*, Scratch&);
HSSL_FOR(float)
HSSL_FOR(bf16)
#undef HSSL_FOR

}  // namespace hssl

void hssl_device_layer_norm(long rows, long channels, double eps, const float* x, const float* weight,
                            const float* bias, float* y, float* moments) {
    hssl::layer_norm(rows, channels, eps, x, weight, bias, y, moments);
}

void hssl_device_layer_norm_gradient(long rows, long channels, const float* y_grad, const float* x,
                                     const float* weight, const float* moments, float* x_grad, float* weight_grad,
                                     float* bias_grad) {
    hssl::Scratch scratch;
    hssl::layer_norm_gradient(rows, channels, y_grad, x, weight, moments, static_cast<const float*>(nullptr), x_grad,
                              weight_grad, bias_grad, scratch);
}
