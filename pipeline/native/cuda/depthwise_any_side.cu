// Depthwise convolution with filters of any odd side: a plain walk from global memory.
#include "depthwise_tiles.cuh"

namespace {

using hssl::DepthwiseShape;

constexpr int kPlainThreads = 128;

__global__ void __launch_bounds__(kPlainThreads)
    convolve_places(DepthwiseShape s, const float* x, const float* weight, bool turned, const float* bias, float* y) {
    const long thread = static_cast<long>(blockIdx.x) * kPlainThreads + threadIdx.x;
    const long place = thread / s.channels, channel = thread % s.channels;
    if (place >= s.batch * s.height * s.width) return;
    const int column = static_cast<int>(place % s.width), row = static_cast<int>(place / s.width % s.height);
    const int taps = s.side * s.side, border = s.side / 2;
    float sum = bias ? bias[channel] : 0.f;
    for (int i = max(0, border - row); i < min(s.side, s.height + border - row); i++)
        for (int j = max(0, border - column); j < min(s.side, s.width + border - column); j++) {
            const long seen = place + static_cast<long>(i - border) * s.width + j - border, tap = i * s.side + j;
            sum += weight[(turned ? taps - 1 - tap : tap) * s.channels + channel] * x[seen * s.channels + channel];
        }
    y[place * s.channels + channel] = sum;
}

// A thread has a channel of the tap blockIdx.y (the last: the bias) and some of the images; parts (blocks, taps + 1,
// channels).
__global__ void __launch_bounds__(kPlainThreads)
    sum_filter_gradients(DepthwiseShape s, long images_of_block, const float* x, const float* y_grad, float* parts) {
    const long channel = static_cast<long>(blockIdx.x) * kPlainThreads + threadIdx.x, block = blockIdx.z;
    if (channel >= s.channels) return;
    const int taps = s.side * s.side, tap = blockIdx.y;
    const int down = tap < taps ? tap / s.side - s.side / 2 : 0, across = tap < taps ? tap % s.side - s.side / 2 : 0;
    float sum = 0.f;
    for (long image = block * images_of_block; image < min(s.batch, (block + 1) * images_of_block); image++) {
        float part = 0.f;
        for (int row = max(0, -down); row < min(s.height, s.height - down); row++)
            for (int column = max(0, -across); column < min(s.width, s.width - across); column++) {
                const long place = (image * s.height + row) * s.width + column;
                const long seen = place + static_cast<long>(down) * s.width + across;
                part += y_grad[place * s.channels + channel] *
                        (tap < taps ? x[seen * s.channels + channel] : 1.f);
            }
        sum += part;
    }
    parts[(block * (taps + 1) + tap) * s.channels + channel] = sum;
}

}  // namespace

namespace hssl {

void convolve_plainly(const DepthwiseShape& s, const float* x, const float* weight, bool turned, const float* bias,
                      float* y) {
    const long numbers = s.batch * s.height * s.width * s.channels;
    launch("convolve_places", convolve_places, dim3(blocks_for(numbers, kPlainThreads)), dim3(kPlainThreads), 0, s,
           x, weight, turned, bias, y);
}

void filter_gradients_plainly(const DepthwiseShape& s, long images_of_block, const float* x, const float* y_grad,
                              float* parts) {
    launch("sum_filter_gradients", sum_filter_gradients,
           dim3(blocks_for(s.channels, kPlainThreads), static_cast<unsigned>(s.side * s.side + 1),
                blocks_for(s.batch, images_of_block)),
           dim3(kPlainThreads), 0, s, images_of_block, x, y_grad, parts);
}

}  // namespace hssl
