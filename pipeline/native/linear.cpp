// Linear layer and GELU. Products are oneDNN's.
#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "products.h"
#include "vector_math.h"

using hssl::multiply;

namespace {

// Calls visit(first row, number of rows): each thread with rows of its own, unless factors are rounded: then the weight
// would be rounded for each chunk.
template <class Visit>
void each_rows(long rows, Visit visit) {
    const int threads = hssl::factors_are_rounded() ? 0 : hssl::threads_for(rows, 1);
    hssl::each_chunk(rows, 1, threads, [&](int, long first, long count) { visit(first, count); });
}

}  // namespace

void hssl_linear(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                 float* y) {
    if (bias == nullptr) return multiply('N', 'T', rows, out_dim, in_dim, x, weight, y);
    each_rows(rows, [&](long first, long count) {
        float* out = y + first * out_dim;
        multiply('N', 'T', count, out_dim, in_dim, x + first * in_dim, weight, out);
#pragma omp parallel for schedule(static)
        for (long i = 0; i < count; i++) {
            float* row = out + i * out_dim;
#pragma omp simd
            for (long j = 0; j < out_dim; j++) row[j] += bias[j];
        }
    });
}

void hssl_linear_gelu(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                      float* z, float* y) {
    each_rows(rows, [&](long first, long count) {
        float *of_product = z + first * out_dim, *of_gelu = y + first * out_dim;
        multiply('N', 'T', count, out_dim, in_dim, x + first * in_dim, weight, of_product);
#pragma omp parallel for schedule(static)
        for (long i = 0; i < count; i++) {
            float *before = of_product + i * out_dim, *after = of_gelu + i * out_dim;
#pragma omp simd
            for (long j = 0; j < out_dim; j++) {
                float bell;
                const float value = before[j] + bias[j];
                before[j] = value;
                after[j] = value * hssl::normal_cdf(value, bell);
            }
        }
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
