// Patches into tokens.
#include "columns.cuh"
#include "kernels.h"
#include "vectors.cuh"

namespace {

using hssl::kNumbers;
using hssl::kWarp;

constexpr int kWarps = 8;          // of a block; each has a token
constexpr int kMostThreads = 128;  // of a block of the gradient: each has one or four channels
constexpr long kImages = 16;       // of a block of the gradient

template <class V>
__global__ void __launch_bounds__(kWarps* kWarp)
    place_tokens(long images, long num_patches, int channels, const float* patches, const float* cls_token,
                 const float* mask_token, const unsigned char* mask, const float* positions, float* tokens) {
    const long row = static_cast<long>(blockIdx.x) * kWarps + threadIdx.x / kWarp, per_image = num_patches + 1;
    if (row >= images * per_image) return;
    const long image = row / per_image, token = row % per_image, patch = image * num_patches + token - 1;
    const float* from = token == 0 ? cls_token : mask && mask[patch] ? mask_token : patches + patch * channels;
#pragma unroll 4
    for (int c = threadIdx.x % kWarp * kNumbers<V>; c < channels; c += kWarp * kNumbers<V>) {
        V v = hssl::read<V>(from + c);
        hssl::add(v, hssl::read<V>(positions + token * channels + c));
        hssl::write(tokens + row * channels + c, v);
    }
}

// A block has a token of kImages images: the patches' gradients, and sums over these images: parts (chunks of images,
// 2, tokens, channels), all of them first, then those of masked patches.
template <class V>
__global__ void __launch_bounds__(kMostThreads)
    take_tokens(long images, long num_patches, int channels, const float* tokens_grad, const unsigned char* mask,
                float* patches_grad, float* parts) {
    const long token = blockIdx.x, chunk = blockIdx.y, size = (num_patches + 1) * channels;
    const int channel = (blockIdx.z * blockDim.x + threadIdx.x) * kNumbers<V>;
    if (channel >= channels) return;
    V all = hssl::filled<V>(0.f), masked = all;
    const V zero = all;
#pragma unroll 4
    for (long image = chunk * kImages; image < min(images, (chunk + 1) * kImages); image++) {
        const V slope = hssl::read<V>(tokens_grad + (image * (num_patches + 1) + token) * channels + channel);
        hssl::add(all, slope);
        if (token > 0) {
            const long patch = image * num_patches + token - 1;
            const bool hidden = mask && mask[patch];
            if (hidden) hssl::add(masked, slope);
            hssl::write(patches_grad + patch * channels + channel, hidden ? zero : slope);
        }
    }
    float* part = parts + 2 * chunk * size + token * channels + channel;
    hssl::write(part, all);
    hssl::write(part + size, masked);
}

// The parts of the chunks added up: size = tokens x channels; masked (size) may be null.
template <class V>
__global__ void __launch_bounds__(kMostThreads)
    add_chunks(long chunks, long size, int channels, const float* parts, float* positions_grad, float* cls_token_grad,
               float* masked) {
    const long place = (static_cast<long>(blockIdx.x) * kMostThreads + threadIdx.x) * kNumbers<V>;
    if (place >= size) return;
    for (int which = 0; which < (masked ? 2 : 1); which++) {
        V sum = hssl::filled<V>(0.f);
#pragma unroll 4
        for (long chunk = 0; chunk < chunks; chunk++)
            hssl::add(sum, hssl::read<V>(parts + (2 * chunk + which) * size + place));
        hssl::write((which ? masked : positions_grad) + place, sum);
        if (which == 0 && place < channels) hssl::write(cls_token_grad + place, sum);
    }
}

template <class V>
void tokens_gradient(long images, long num_patches, long channels, const float* tokens_grad,
                     const unsigned char* mask, float* patches_grad, float* cls_token_grad, float* mask_token_grad,
                     float* positions_grad) {
    const long vectors = channels / kNumbers<V>, chunks = (images + kImages - 1) / kImages;
    const long size = (num_patches + 1) * channels;
    const unsigned threads = std::min<unsigned>(kMostThreads, hssl::blocks_for(vectors, kWarp) * kWarp);
    hssl::Scratch scratch;
    float* parts = scratch.take<float>(2 * chunks * size);
    float* masked = mask_token_grad ? scratch.take<float>(size) : nullptr;
    hssl::launch("take_tokens", take_tokens<V>,
                 dim3(static_cast<unsigned>(num_patches + 1), static_cast<unsigned>(chunks),
                      hssl::blocks_for(vectors, threads)),
                 dim3(threads), 0, images, num_patches, channels, tokens_grad, mask, patches_grad, parts);
    hssl::launch("add_chunks", add_chunks<V>, dim3(hssl::blocks_for(size / kNumbers<V>, kMostThreads)),
                 dim3(kMostThreads), 0, chunks, size, channels, parts, positions_grad, cls_token_grad, masked);
    if (mask_token_grad) hssl::sum_parts(num_patches + 1, channels, masked, mask_token_grad);
}

}  // namespace

void hssl_device_tokens(long images, long num_patches, long channels, const float* patches, const float* cls_token,
                        const float* mask_token, const unsigned char* mask, const float* positions, float* tokens) {
    hssl::launch("place_tokens", channels % 4 == 0 ? place_tokens<float4> : place_tokens<float>,
                 dim3(hssl::blocks_for(images * (num_patches + 1), kWarps)), dim3(kWarps * kWarp), 0, images,
                 num_patches, channels, patches, cls_token, mask_token, mask, positions, tokens);
}

void hssl_device_tokens_gradient(long images, long num_patches, long channels, const float* tokens_grad,
                                 const unsigned char* mask, float* patches_grad, float* cls_token_grad,
                                 float* mask_token_grad, float* positions_grad) {
    (channels % 4 == 0 ? tokens_gradient<float4> : tokens_gradient<float>)(
        images, num_patches, channels, tokens_grad, mask, patches_grad, cls_token_grad, mask_token_grad,
        positions_grad);
}
