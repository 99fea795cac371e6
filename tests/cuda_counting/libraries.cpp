// cuBLAS, cuBLASLt and cuRAND that count: a product of matrices is one, random numbers are a launch.
#include <cublasLt.h>
#include <cublas_v2.h>
#include <curand.h>

#include <cstdint>

#include "counts.h"

namespace {

cublasStatus_t multiplied() {
    counting::counts().products++;
    return CUBLAS_STATUS_SUCCESS;
}

curandStatus_t drawn() {
    counting::counts().launches++;
    return CURAND_STATUS_SUCCESS;
}

template <class Handle>
void give(Handle* handle) {
    *handle = reinterpret_cast<Handle>(uintptr_t{16});
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
    give(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasSgemm(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const float*,
                           const float*, int, const float*, int, const float*, float*, int) {
    return multiplied();
}

cublasStatus_t cublasGemmEx(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*,
                            const void*, cudaDataType, int, const void*, cudaDataType, int, const void*, void*,
                            cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t) {
    return multiplied();
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                                          const void*, const void*, cudaDataType, int, long long, const void*,
                                          cudaDataType, int, long long, const void*, void*, cudaDataType, int,
                                          long long, int, cublasComputeType_t, cublasGemmAlgo_t) {
    return multiplied();
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    give(handle);
    return CUBLAS_STATUS_SUCCESS;
}

// A description is the number of how it multiplies.
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t compute, cudaDataType_t) {
    *made = reinterpret_cast<cublasLtMatmulDesc_t>(static_cast<uintptr_t>(compute));
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void*,
                                              size_t) {
    return CUBLAS_STATUS_SUCCESS;
}

// A layout is the number of its type.
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType type, uint64_t, uint64_t,
                                          int64_t) {
    *made = reinterpret_cast<cublasLtMatrixLayout_t>(static_cast<uintptr_t>(type) + 1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
    give(made);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, size_t) {
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t* found,
                                              int* count) {
    *found = {};
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, const void*, const void*,
                              cublasLtMatrixLayout_t left, const void*, cublasLtMatrixLayout_t, const void*, const void*,
                              cublasLtMatrixLayout_t, void*, cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t*,
                              void*, size_t, cudaStream_t) {
    if (reinterpret_cast<uintptr_t>(left) == CUDA_R_32F + 1) {
        const bool tf32 = reinterpret_cast<uintptr_t>(operation) == CUBLAS_COMPUTE_32F_FAST_TF32;
        (tf32 ? counting::counts().tf32_products : counting::counts().float32_products)++;
    }
    return multiplied();
}

curandStatus_t curandCreateGenerator(curandGenerator_t* generator, curandRngType_t) {
    give(generator);
    return CURAND_STATUS_SUCCESS;
}

curandStatus_t curandDestroyGenerator(curandGenerator_t) { return CURAND_STATUS_SUCCESS; }

curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t, unsigned long long) {
    return CURAND_STATUS_SUCCESS;
}

curandStatus_t curandGenerateUniform(curandGenerator_t, float*, size_t) { return drawn(); }
curandStatus_t curandGenerateUniformDouble(curandGenerator_t, double*, size_t) { return drawn(); }
curandStatus_t curandGenerateNormal(curandGenerator_t, float*, size_t, float, float) { return drawn(); }
curandStatus_t curandGenerateNormalDouble(curandGenerator_t, double*, size_t, double, double) { return drawn(); }

}  // extern "C"
