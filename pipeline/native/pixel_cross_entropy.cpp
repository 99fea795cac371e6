// Cross-entropy of the pixels of label maps, over logits whose classes are planes.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"
#include "vector_math.h"

namespace {

constexpr long kBlock = 256;  // pixels: their logits of one class after the other stay in the cache

void check_labels(long images, long classes, long pixels, const int* labels) {
    for (long i = 0; i < images * pixels; i++)
        if (labels[i] >= classes)
            throw std::out_of_range("pixel_cross_entropy: label " + std::to_string(labels[i]) + " of " +
                                    std::to_string(classes) + " classes");
}

// Calls visit(block, image, first pixel, pixels of the block), blocks in parallel.
template <class Visit>
void for_each_block(long images, long pixels, Visit visit) {
    const long blocks = (pixels + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static)
    for (long block = 0; block < images * blocks; block++) {
        const long first = block % blocks * kBlock;
        visit(block, block / blocks, first, std::min(kBlock, pixels - first));
    }
}

}  // namespace

void hssl_pixel_cross_entropy(long images, long classes, long pixels, double count, const float* logits,
                              const int* labels, float* loss, float* log_sums) {
    check_labels(images, classes, pixels, labels);
    std::vector<double> losses(images * ((pixels + kBlock - 1) / kBlock));
    for_each_block(images, pixels, [&](long block, long image, long first, long width) {
        const float* in = logits + image * classes * pixels + first;
        const int* label = labels + image * pixels + first;
        float* log_sum = log_sums + image * pixels + first;
        float top[kBlock], sum[kBlock] = {};
        std::copy_n(in, width, top);
        for (long k = 1; k < classes; k++) {
            const float* plane = in + k * pixels;
#pragma omp simd
            for (long j = 0; j < width; j++) top[j] = plane[j] > top[j] ? plane[j] : top[j];
        }
        for (long k = 0; k < classes; k++) {
            const float* plane = in + k * pixels;
#pragma omp simd
            for (long j = 0; j < width; j++) sum[j] += hssl::vector_exp(plane[j] - top[j]);
        }
        double total = 0.;
        for (long j = 0; j < width; j++) {
            log_sum[j] = top[j] + std::log(sum[j]);
            if (label[j] >= 0) total += log_sum[j] - in[label[j] * pixels + j];
        }
        losses[block] = total;
    });
    double total = 0.;
    for (double part : losses) total += part;
    *loss = static_cast<float>(total / count);
}

void hssl_pixel_cross_entropy_gradient(long images, long classes, long pixels, double count, const float* logits,
                                       const int* labels, const float* log_sums, const float* loss_grad,
                                       float* logits_grad) {
    const float share = static_cast<float>(*loss_grad / count);
    for_each_block(images, pixels, [&](long, long image, long first, long width) {
        const long start = image * classes * pixels + first;
        const int* label = labels + image * pixels + first;
        const float* log_sum = log_sums + image * pixels + first;
        float weight[kBlock];
        for (long j = 0; j < width; j++) weight[j] = label[j] >= 0 ? share : 0.f;
        for (long k = 0; k < classes; k++) {
            const float* plane = logits + start + k * pixels;
            float* out = logits_grad + start + k * pixels;
#pragma omp simd
            for (long j = 0; j < width; j++) out[j] = weight[j] * hssl::vector_exp(plane[j] - log_sum[j]);
        }
        for (long j = 0; j < width; j++)
            if (label[j] >= 0) logits_grad[start + label[j] * pixels + j] -= share;
    });
}
