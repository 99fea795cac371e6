// Layer norm of rows, alone and with what stands beside it in a transformer block. T: float or bf16.
//
// moments (rows, 2): mean and 1 / standard deviation of each row. The variance comes from differences to the mean.
#pragma once

#include "columns.cuh"

namespace hssl {

// A branch that is added to x first, each image's by its scale: rows are images times tokens; scales may be null.
template <class T>
struct Branch {
    const T* values;
    const float* scales;  // (images)
    long tokens;
    float* sum;  // (rows, channels): x + scale branch
};

template <class T>
void layer_norm(long rows, long channels, double eps, const float* x, const float* weight, const float* bias, T* y,
                float* moments);

// sum = x + scale branch; y = layer_norm(sum).
template <class T>
void add_and_norm(long rows, long channels, double eps, const float* x, const Branch<T>& branch, const float* weight,
                  const float* bias, T* y, float* moments);

// y once more, from the moments.
template <class T>
void layer_norm_again(long rows, long channels, const float* x, const float* weight, const float* bias,
                      const float* moments, T* y);

// x_grad = added + the norm's own gradient; `added` may be null, and may be x_grad itself.
template <class T>
void layer_norm_gradient(long rows, long channels, const T* y_grad, const float* x, const float* weight,
                         const float* moments, const float* added, float* x_grad, float* weight_grad,
                         float* bias_grad, Scratch& scratch);

}  // namespace hssl
