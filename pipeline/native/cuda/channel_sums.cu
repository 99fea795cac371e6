// Sums over the images and the places of maps, one for every channel.
#include "channel_sums.cuh"
#include "columns.cuh"
#include "kernels.h"

namespace {

constexpr int kThreads = 256;
constexpr long kLeastPerBlock = 4 * kThreads;  // numbers

// parts (gridDim.y, channels): what a block added of its share of the images' places.
__global__ void __launch_bounds__(kThreads)
    sum_shares(long images, long channels, long places, long per_block, const float* x, float* parts) {
    __shared__ float memory[kThreads / hssl::kWarp];
    const long channel = blockIdx.x, first = static_cast<long>(blockIdx.y) * per_block;
    const long end = min(images * places, first + per_block);
    float sum = 0.f;
    for (long i = first + threadIdx.x; i < end; i += kThreads) {
        const long image = i / places;
        sum += x[(image * channels + channel) * places + (i - image * places)];
    }
    sum = hssl::block_sum(sum, memory);
    if (threadIdx.x == 0) parts[static_cast<long>(blockIdx.y) * channels + channel] = sum;
}

}  // namespace

namespace hssl {

void channel_sums(long images, long channels, long places, const float* x, float* sums, Scratch& scratch) {
    const long count = images * places;
    const long per_block = std::max(kLeastPerBlock, (count + kMostParts - 1) / kMostParts);
    const unsigned blocks = blocks_for(count, per_block);
    float* parts = blocks == 1 ? sums : scratch.take<float>(blocks * channels);
    launch("channel_sums", sum_shares, dim3(static_cast<unsigned>(channels), blocks), dim3(kThreads), 0, images,
           channels, places, per_block, x, parts);
    if (blocks > 1) sum_parts(blocks, channels, parts, sums);
}

}  // namespace hssl

void hssl_device_channel_sums(long images, long channels, long places, const float* x, float* sums) {
    hssl::Scratch scratch;
    hssl::channel_sums(images, channels, places, x, sums, scratch);
}
