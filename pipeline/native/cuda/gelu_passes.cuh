// What passes over matrices do at a place (see columns.cuh): casts, GELU and its gradient. T, In, Out: float or bf16.
#pragma once

#include "columns.cuh"
#include "gelu.cuh"

namespace hssl {

// to = from, unless null; the sum is of `from`.
template <class T>
struct CastPass {
    const float* from;
    T* to;
    long columns;
    __device__ float4 four(long row, long column) const {
        const float4 value = load4(from + row * columns + column);
        if (to) store4(to + row * columns + column, value);
        return value;
    }
    __device__ float one(long row, long column) const {
        const float value = from[row * columns + column];
        if (to) to[row * columns + column] = from_float<T>(value);
        return value;
    }
};

// y = GELU(z)
template <class T, class Out>
struct GeluPass {
    const T* z;
    Out* y;
    __device__ void four(long i) const {
        const float4 v = load4(z + i);
        store4(y + i, make_float4(gelu(v.x).value, gelu(v.y).value, gelu(v.z).value, gelu(v.w).value));
    }
    __device__ void one(long i) const { y[i] = from_float<Out>(gelu(to_float(z[i])).value); }
};

// z_grad = y_grad GELU'(z); y = GELU(z) again, unless null; the sum is of z_grad. z_grad may be y_grad.
template <class In, class T>
struct GeluGradientPass {
    const In* y_grad;
    const T* z;
    T *z_grad, *y;
    long columns;
    __device__ float4 four(long row, long column) const {
        const long i = row * columns + column;
        const float4 v = load4(z + i), g = load4(y_grad + i);
        const Gelu a = gelu(v.x), b = gelu(v.y), c = gelu(v.z), d = gelu(v.w);
        const float4 slope = make_float4(g.x * a.slope, g.y * b.slope, g.z * c.slope, g.w * d.slope);
        store4(z_grad + i, slope);
        if (y) store4(y + i, make_float4(a.value, b.value, c.value, d.value));
        return slope;
    }
    __device__ float one(long row, long column) const {
        const long i = row * columns + column;
        const Gelu a = gelu(to_float(z[i]));
        const float slope = to_float(y_grad[i]) * a.slope;
        z_grad[i] = from_float<T>(slope);
        if (y) y[i] = from_float<T>(a.value);
        return slope;
    }
};

}  // namespace hssl
