// Products and sums that are rounded one by one, as the processor's are: nvcc makes one fused operation of a * b + c,
// whose result may differ in the last bit, and with it a pixel. Divisions and roots are exact as they are.
#pragma once

#include "device.cuh"

namespace hssl::exact {

#ifdef __CUDACC__
__device__ inline float product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float sum(float a, float b) { return __fadd_rn(a, b); }
__device__ inline double product(double a, double b) { return __dmul_rn(a, b); }
__device__ inline double sum(double a, double b) { return __dadd_rn(a, b); }
#else
inline float product(float a, float b) { return a * b; }
inline float sum(float a, float b) { return a + b; }
inline double product(double a, double b) { return a * b; }
inline double sum(double a, double b) { return a + b; }
#endif

}  // namespace hssl::exact
