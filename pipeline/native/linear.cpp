// Linear layer and GELU. Products are oneDNN's.
#include <dnnl.h>

#include <stdexcept>

#include "column_sums.h"
#include "kernels.h"
#include "vector_math.h"

namespace {

// c (rows, columns) = op(a) op(b), where op transposes what is 'T'.
void multiply(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a, const float* b,
              float* c) {
    const long stride_a = transpose_a == 'T' ? rows : inner, stride_b = transpose_b == 'T' ? inner : columns;
    const dnnl_status_t status = dnnl_sgemm(transpose_a, transpose_b, rows, columns, inner, 1.f, a, stride_a, b,
                                            stride_b, 0.f, c, columns);
    if (status != dnnl_success) throw std::runtime_error("oneDNN's matrix product failed");
}

}  // namespace

void hssl_linear(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                 float* y) {
    multiply('N', 'T', rows, out_dim, in_dim, x, weight, y);
    if (bias == nullptr) return;
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        float* row = y + i * out_dim;
#pragma omp simd
        for (long j = 0; j < out_dim; j++) row[j] += bias[j];
    }
}

void hssl_linear_gelu(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                      float* z, float* y) {
    multiply('N', 'T', rows, out_dim, in_dim, x, weight, z);
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        float *before = z + i * out_dim, *after = y + i * out_dim;
#pragma omp simd
        for (long j = 0; j < out_dim; j++) {
            float bell;
            const float value = before[j] + bias[j];
            before[j] = value;
            after[j] = value * hssl::normal_cdf(value, bell);
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
