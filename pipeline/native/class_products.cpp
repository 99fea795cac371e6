// Products of each box's features with the weights of the box's class.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

namespace {

void check(long boxes, long num_classes, const int* classes) {
    for (long n = 0; n < boxes; n++)
        if (classes[n] < 0 || classes[n] >= num_classes)
            throw std::out_of_range("class_products: class " + std::to_string(classes[n]) + " of " +
                                    std::to_string(num_classes));
}

}  // namespace

void hssl_class_products(long boxes, long places, long channels, long num_classes, const float* x,
                         const float* weight, const float* bias, const int* classes, float* y) {
    check(boxes, num_classes, classes);
#pragma omp parallel for schedule(static)
    for (long n = 0; n < boxes; n++) {
        const float* of_class = weight + classes[n] * channels;
        for (long p = 0; p < places; p++) {
            const float* row = x + (n * places + p) * channels;
            float sum = 0.f;
#pragma omp simd reduction(+ : sum)
            for (long j = 0; j < channels; j++) sum += row[j] * of_class[j];
            y[n * places + p] = sum + bias[classes[n]];
        }
    }
}

void hssl_class_products_gradient(long boxes, long places, long channels, long num_classes, const float* y_grad,
                                  const float* x, const float* weight, const int* classes, float* x_grad,
                                  float* weight_grad, float* bias_grad) {
    check(boxes, num_classes, classes);
    std::vector<float> of_boxes(boxes * (channels + 1), 0.f);
#pragma omp parallel for schedule(static)
    for (long n = 0; n < boxes; n++) {
        const float* of_class = weight + classes[n] * channels;
        float *sums = of_boxes.data() + n * (channels + 1), slopes = 0.f;
        for (long p = 0; p < places; p++) {
            const long at = (n * places + p) * channels;
            const float slope = y_grad[n * places + p];
            slopes += slope;
#pragma omp simd
            for (long j = 0; j < channels; j++) {
                x_grad[at + j] = slope * of_class[j];
                sums[j] += slope * x[at + j];
            }
        }
        sums[channels] = slopes;
    }
    // Boxes of a class one after the other, so that sums have one order.
    std::fill_n(weight_grad, num_classes * channels, 0.f);
    std::fill_n(bias_grad, num_classes, 0.f);
    for (long n = 0; n < boxes; n++) {
        const float* sums = of_boxes.data() + n * (channels + 1);
        float* row = weight_grad + classes[n] * channels;
        for (long j = 0; j < channels; j++) row[j] += sums[j];
        bias_grad[classes[n]] += sums[channels];
    }
}
