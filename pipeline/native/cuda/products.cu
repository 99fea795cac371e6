// Products of matrices through cuBLASLt: one plan for each shape, chosen once by its heuristics.
#include <cublasLt.h>

#include <array>
#include <map>
#include <type_traits>
#include <utility>

#include "precision.cuh"
#include "products.cuh"

namespace {

constexpr size_t kWorkspaceBytes = 32u << 20;  // what NVIDIA advises for Hopper

void check_blas(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw std::runtime_error(std::string("cuBLASLt, ") + what + ": status " + std::to_string(status));
}

struct Plan {
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algorithm;
};

using Key = std::array<long, 10>;

constexpr uint32_t kAligned = 256;  // bytes; what cuBLASLt takes for granted

cublasLtHandle_t handle() {
    static cublasLtHandle_t made = [] {
        cublasLtHandle_t fresh;
        check_blas(cublasLtCreate(&fresh), "starting");
        return fresh;
    }();
    return made;
}

void* workspace() {
    static void* made = [] {
        void* fresh;
        hssl::check(cudaMalloc(&fresh, kWorkspaceBytes), "cuBLASLt's workspace");
        return fresh;
    }();
    return made;
}

cublasLtMatrixLayout_t layout(cudaDataType_t type, long rows, long columns) {
    cublasLtMatrixLayout_t made;
    check_blas(cublasLtMatrixLayoutCreate(&made, type, rows, columns, rows), "layout");
    return made;
}

// Bytes that the address is a multiple of, as far as cuBLASLt asks. Rows of a table may begin anywhere.
uint32_t alignment(const void* address) {
    const uintptr_t number = reinterpret_cast<uintptr_t>(address) | kAligned;
    return static_cast<uint32_t>(number & -number);
}

struct Alignments {
    uint32_t left, right, y;
};

template <class T>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_blas(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value), "attribute");
}

// cuBLASLt counts columns first: what is row-major here is the transpose there, so it computes y^T = right^T left^T.
Plan make_plan(long rows, long columns, long depth, bool left_turned, bool right_turned, bool biased,
               cudaDataType_t in, cudaDataType_t out, cublasComputeType_t compute, const Alignments& aligned) {
    Plan plan;
    check_blas(cublasLtMatmulDescCreate(&plan.operation, compute, CUDA_R_32F), "description");
    set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, right_turned ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, left_turned ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (biased) set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    plan.a = right_turned ? layout(in, depth, columns) : layout(in, columns, depth);
    plan.b = left_turned ? layout(in, rows, depth) : layout(in, depth, rows);
    plan.c = layout(out, columns, rows);
    cublasLtMatmulPreference_t preference;
    check_blas(cublasLtMatmulPreferenceCreate(&preference), "preference");
    // Of the ways to split a long sum over blocks only the one that adds the parts in order: the same bits each time.
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    check_blas(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                                                    sizeof schemes),
               "preference");
    check_blas(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &kWorkspaceBytes, sizeof kWorkspaceBytes),
               "preference");
    for (const auto& [attribute, bytes] : {std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned.right},
                                           std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned.left},
                                           std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned.y},
                                           std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned.y}})
        check_blas(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &bytes, sizeof bytes), "preference");
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle(), plan.operation, plan.a, plan.b, plan.c,
                                                                 plan.c, preference, 1, &found, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS || count == 0)
        throw std::runtime_error("cuBLASLt has no way to multiply (" + std::to_string(rows) + ", " +
                                 std::to_string(depth) + ") by (" + std::to_string(depth) + ", " +
                                 std::to_string(columns) + "): status " + std::to_string(status));
    plan.algorithm = found.algo;
    return plan;
}

template <class T>
constexpr cudaDataType_t type_of() {
    return std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;
}

}  // namespace

namespace hssl {

template <class In, class Out>
void product(long rows, long columns, long depth, const In* left, bool left_turned, const In* right,
             bool right_turned, const Out* bias, Out* y, bool add) {
    static std::map<Key, Plan> plans;
    const bool tf32 = std::is_same_v<In, float> && precision() == Precision::tf32;
    const cublasComputeType_t compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const Alignments aligned{alignment(left), alignment(right), alignment(y)};
    const Key key{rows,    columns,      depth,         left_turned, right_turned, bias != nullptr,
                  compute, aligned.left, aligned.right, aligned.y};
    auto found = plans.find(key);
    if (found == plans.end()) {
        const Plan plan = make_plan(rows, columns, depth, left_turned, right_turned, bias != nullptr,
                                    type_of<In>(), type_of<Out>(), compute, aligned);
        found = plans.emplace(key, plan).first;
    }
    const Plan& plan = found->second;
    if (bias) set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));
    const float one = 1.f, before = add ? 1.f : 0.f;
    check_blas(cublasLtMatmul(handle(), plan.operation, &one, right, plan.a, left, plan.b, &before, y, plan.c, y,
                              plan.c, &plan.algorithm, workspace(), kWorkspaceBytes, nullptr),
               "product");
}

template void product(long, long, long, const float*, bool, const float*, bool, const float*, float*, bool);
template void product(long, long, long, const bf16*, bool, const bf16*, bool, const bf16*, bf16*, bool);
template void product(long, long, long, const bf16*, bool, const bf16*, bool, const float*, float*, bool);

}  // namespace hssl
