// Rows scaled to length one. A warp has a row; what it reads again is still in the first cache.
#include "kernels.h"
#include "vectors.cuh"

namespace {

using hssl::kNumbers;
using hssl::kWarp;

constexpr int kWarps = 8;  // of a block

template <class V>
__global__ void __launch_bounds__(kWarps* kWarp)
    normalize_rows(long rows, int channels, float least, const float* x, float* y, float* scales) {
    const long row = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (row >= rows) return;
    const int lane = threadIdx.x % kWarp;
    const float* in = x + row * channels;
    float squares = 0.f;
#pragma unroll 4
    for (int c = lane * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>) {
        const V v = hssl::read<V>(in + c);
        squares += hssl::dot(v, v);
    }
    // Not by fmaxf, which would drop a norm that is not a number.
    const float norm = sqrtf(hssl::warp_sum(squares)), scale = 1.f / (norm <= least ? least : norm);
    if (lane == 0) scales[row] = norm <= least ? -scale : scale;
#pragma unroll 4
    for (int c = lane * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>)
        hssl::write(y + row * channels + c, hssl::scaled(hssl::read<V>(in + c), scale));
}

template <class V>
__global__ void __launch_bounds__(kWarps* kWarp)
    normalize_rows_gradient(long rows, int channels, const float* y_grad, const float* y, const float* scales,
                            float* x_grad) {
    const long row = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    if (row >= rows) return;
    const int lane = threadIdx.x % kWarp;
    const float *slope = y_grad + row * channels, *unit = y + row * channels;
    float along = 0.f;
#pragma unroll 4
    for (int c = lane * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>)
        along += hssl::dot(hssl::read<V>(slope + c), hssl::read<V>(unit + c));
    along = hssl::warp_sum(along);
    const float scale = scales[row];
    if (scale < 0.f) along = 0.f;
#pragma unroll 4
    for (int c = lane * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>) {
        V v = hssl::read<V>(slope + c);
        hssl::add_product(v, -along, hssl::read<V>(unit + c));
        hssl::write(x_grad + row * channels + c, hssl::scaled(v, fabsf(scale)));
    }
}

}  // namespace

void hssl_device_l2_normalize(long rows, long channels, double eps, const float* x, float* y, float* scales) {
    hssl::launch("normalize_rows", channels % 4 == 0 ? normalize_rows<float4> : normalize_rows<float>,
                 dim3(hssl::blocks_for(rows, kWarps)), dim3(kWarps * kWarp), 0, rows, channels, eps, x, y, scales);
}

void hssl_device_l2_normalize_gradient(long rows, long channels, const float* y_grad, const float* y,
                                       const float* scales, float* x_grad) {
    hssl::launch("normalize_rows_gradient",
                 channels % 4 == 0 ? normalize_rows_gradient<float4> : normalize_rows_gradient<float>,
                 dim3(hssl::blocks_for(rows, kWarps)), dim3(kWarps * kWarp), 0, rows, channels, y_grad, y, scales,
                 x_grad);
}
