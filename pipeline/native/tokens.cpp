// A transformer's tokens from patches, and their gradient.
#include <algorithm>
#include <vector>

#include "kernels.h"

void hssl_tokens(long images, long num_patches, long channels, const float* patches, const float* cls_token,
                 const float* mask_token, const unsigned char* mask, const float* positions, float* tokens) {
#pragma omp parallel for schedule(static)
    for (long image = 0; image < images; image++)
        for (long token = 0; token <= num_patches; token++) {
            const long patch = image * num_patches + token - 1;
            const bool hidden = token > 0 && mask != nullptr && mask[patch] != 0;
            const float* from = token == 0 ? cls_token : hidden ? mask_token : patches + patch * channels;
            const float* position = positions + token * channels;
            float* to = tokens + (image * (num_patches + 1) + token) * channels;
#pragma omp simd
            for (long j = 0; j < channels; j++) to[j] = from[j] + position[j];
        }
}

void hssl_tokens_gradient(long images, long num_patches, long channels, const float* tokens_grad,
                          const unsigned char* mask, float* patches_grad, float* cls_token_grad,
                          float* mask_token_grad, float* positions_grad) {
    // A thread has tokens of its own, so that the order of each sum is that of the images.
    std::vector<float> of_hidden(mask == nullptr ? 0 : num_patches * channels, 0.f);
#pragma omp parallel for schedule(static)
    for (long token = 0; token <= num_patches; token++) {
        float* sums = positions_grad + token * channels;
        std::fill_n(sums, channels, 0.f);
        for (long image = 0; image < images; image++) {
            const float* given = tokens_grad + (image * (num_patches + 1) + token) * channels;
#pragma omp simd
            for (long j = 0; j < channels; j++) sums[j] += given[j];
            if (token == 0) continue;
            const long patch = image * num_patches + token - 1;
            float* to = patches_grad + patch * channels;
            if (mask == nullptr || mask[patch] == 0) {
                std::copy_n(given, channels, to);
                continue;
            }
            std::fill_n(to, channels, 0.f);
            float* hidden = of_hidden.data() + (token - 1) * channels;
#pragma omp simd
            for (long j = 0; j < channels; j++) hidden[j] += given[j];
        }
    }
    std::copy_n(positions_grad, channels, cls_token_grad);
    if (mask == nullptr) return;
    std::fill_n(mask_token_grad, channels, 0.f);
    for (long patch = 0; patch < num_patches; patch++)
        for (long j = 0; j < channels; j++) mask_token_grad[j] += of_hidden[patch * channels + j];
}
