// Products of small matrices by one warp, in its registers: c (16, 8) += a (16, k) b (k, 8).
//
// Lane l is g = l / 4 and t = l % 4. It holds of c: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
// Source: NVIDIA's PTX manual, mma.m16n8k16 (bf16) and mma.m16n8k8 (tf32).
#pragma once

#include "device.cuh"

namespace hssl {

#ifdef __CUDACC__

// k = 16. a: pairs (g, 2t..), (g + 8, 2t..), (g, 2t + 8..), (g + 8, 2t + 8..); b: pairs of rows (2t.., g), (2t + 8.., g).
__device__ inline void mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// k = 8. a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); b: (t, g), (t + 4, g); numbers as `to_tf32` rounds them.
__device__ inline void mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ inline unsigned to_tf32(float value) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(bits) : "f"(value));
    return bits;
}

#else
using cuda_on_host::mma_bf16;
using cuda_on_host::mma_tf32;
using cuda_on_host::to_tf32;
#endif

}  // namespace hssl
