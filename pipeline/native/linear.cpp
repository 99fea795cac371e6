// Linear layer and GELU. Products are oneDNN's.
#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "linear_rows.h"
#include "products.h"
#include "vector_math.h"

using hssl::multiply;

namespace {

// Calls visit(rows, first row, product (rows, out_dim) of x and weight): each thread with rows of its own, unless factors
// are rounded: then the weight would be rounded for each chunk.
template <class Visit>
void each_product(long rows, long out_dim, long in_dim, const float* x, const float* weight, float* y, Visit visit) {
    const bool rounds = hssl::factors_are_rounded();
    hssl::LayerWeight layer;
    if (!rounds) layer.set(rows, out_dim, in_dim, weight);
    hssl::each_chunk(rows, 1, rounds ? 0 : hssl::threads_for(rows, 1), [&](int, long first, long count) {
        const float* in = x + first * in_dim;
        float* out = y + first * out_dim;
        if (rounds) multiply('N', 'T', count, out_dim, in_dim, in, weight, out);
        else layer.multiply(count, in, out);
        visit(count, first, out);
    });
}

}  // namespace

void hssl::add_bias(long rows, long columns, const float* bias, float* y) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        float* row = y + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) row[j] += bias[j];
    }
}

void hssl::add_bias_gelu(long rows, long columns, const float* bias, float* z, float* y) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        float *before = z + i * columns, *after = y + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) {
            float bell;
            const float value = before[j] + bias[j];
            before[j] = value;
            after[j] = value * hssl::normal_cdf(value, bell);
        }
    }
}

void hssl_linear(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                 float* y) {
    each_product(rows, out_dim, in_dim, x, weight, y, [&](long count, long, float* out) {
        if (bias != nullptr) hssl::add_bias(count, out_dim, bias, out);
    });
}

void hssl_linear_gelu(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                      float* z, float* y) {
    each_product(rows, out_dim, in_dim, x, weight, z, [&](long count, long first, float* out) {
        hssl::add_bias_gelu(count, out_dim, bias, out, y + first * out_dim);
    });
}

void hssl_gelu(long rows, long out_dim, const float* z, float* y) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float* before = z + i * out_dim;
        float* after = y + i * out_dim;
#pragma omp simd
        for (long j = 0; j < out_dim; j++) {
            float bell;
            after[j] = before[j] * hssl::normal_cdf(before[j], bell);
        }
    }
}

void hssl_gelu_gradient(long rows, long out_dim, const float* y_grad, const float* z, float* z_grad,
                        float* bias_grad) {
    hssl::reduce_rows(rows, out_dim, bias_grad, [&](long i, float* sums) {
        const float *slope = y_grad + i * out_dim, *before = z + i * out_dim;
        float* result = z_grad + i * out_dim;
#pragma omp simd
        for (long j = 0; j < out_dim; j++) {
            float bell;
            const float cdf = hssl::normal_cdf(before[j], bell);
            result[j] = slope[j] * (cdf + before[j] * 0.3989422804f * bell);
            sums[j] += result[j];
        }
    });
}

void hssl_linear_input_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* weight,
                                float* x_grad) {
    multiply('N', 'N', rows, in_dim, out_dim, y_grad, weight, x_grad);
}

void hssl_linear_weight_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* x,
                                 float* weight_grad, float* bias_grad) {
    multiply('T', 'N', out_dim, in_dim, rows, y_grad, x, weight_grad);
    if (bias_grad == nullptr) return;
    hssl::reduce_rows(rows, out_dim, bias_grad, [&](long i, float* sums) {
        const float* row = y_grad + i * out_dim;
#pragma omp simd
        for (long j = 0; j < out_dim; j++) sums[j] += row[j];
    });
}
