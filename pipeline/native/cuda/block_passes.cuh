// What passes over a transformer block's rows do at a place (see columns.cuh). T: float or bf16.
#pragma once

#include "columns.cuh"

namespace hssl {

// Rows are images times tokens; each image's branch is multiplied by its scale, unless scales are null.
struct PathScales {
    const float* scales;  // (images)
    long tokens;
    __device__ float of(long row) const { return scales ? scales[row / tokens] : 1.f; }
};

// y = x + scale branch
template <class T>
struct AddPass {
    const float* x;
    const T* branch;
    PathScales scales;
    float* y;
    long columns;
    __device__ float4 four(long row, long column) const {
        const long i = row * columns + column;
        const float4 a = load4(x + i), b = load4(branch + i);
        const float s = scales.of(row);
        const float4 sum = make_float4(a.x + s * b.x, a.y + s * b.y, a.z + s * b.z, a.w + s * b.w);
        store4(y + i, sum);
        return sum;
    }
    __device__ float one(long row, long column) const {
        const long i = row * columns + column;
        return y[i] = x[i] + scales.of(row) * to_float(branch[i]);
    }
};

// branch_grad = scale y_grad; the sum is of branch_grad, which is what the last bias of the branch learns from.
template <class T>
struct ScalePass {
    const float* y_grad;
    PathScales scales;
    T* branch_grad;
    long columns;
    __device__ float4 four(long row, long column) const {
        const long i = row * columns + column;
        const float4 g = load4(y_grad + i);
        const float s = scales.of(row);
        const float4 scaled = make_float4(s * g.x, s * g.y, s * g.z, s * g.w);
        store4(branch_grad + i, scaled);
        return scaled;
    }
    __device__ float one(long row, long column) const {
        const long i = row * columns + column;
        const float scaled = scales.of(row) * y_grad[i];
        branch_grad[i] = from_float<T>(scaled);
        return scaled;
    }
};

// The sum of a matrix' columns.
template <class T>
struct SumPass {
    const T* x;
    long columns;
    __device__ float4 four(long row, long column) const { return load4(x + row * columns + column); }
    __device__ float one(long row, long column) const { return to_float(x[row * columns + column]); }
};

}  // namespace hssl
