// Products of matrices, through oneDNN.
#include "products.h"

#include <dnnl.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace {

bool round_factors = false;

void check(dnnl_status_t status) {
    if (status != dnnl_success) throw std::runtime_error("oneDNN's matrix product failed");
}

// Rounds to nearest, ties to even; NaN stays NaN, so that a diverged network is noticed.
void rounded(long size, const float* x, std::vector<std::uint16_t>& y) {
    if (static_cast<long>(y.size()) < size) y.resize(size);
    std::uint16_t* out = y.data();
#pragma omp parallel for simd schedule(static)
    for (long i = 0; i < size; i++) {
        std::uint32_t bits;
        std::memcpy(&bits, x + i, sizeof bits);
        const std::uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        out[i] = static_cast<std::uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : nearest);
    }
}

struct Device {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    Device() {
        check(dnnl_engine_create(&engine, dnnl_cpu, 0));
        check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    }
};

dnnl_memory_desc_t described(long rows, long columns, dnnl_data_type_t type, bool transposed) {
    const dnnl_dims_t sizes = {rows, columns}, strides = {transposed ? 1 : columns, transposed ? rows : 1};
    dnnl_memory_desc_t result;
    check(dnnl_memory_desc_init_by_strides(&result, 2, sizes, type, strides));
    return result;
}

// oneDNN keeps what it compiled for each shape, so that describing a product again costs microseconds.
void multiply_rounded(bool transpose_a, bool transpose_b, long rows, long columns, long inner, const float* a,
                      const float* b, float* c) {
    static Device device;
    static std::vector<std::uint16_t> a_rounded, b_rounded;
    rounded(rows * inner, a, a_rounded);
    rounded(inner * columns, b, b_rounded);
    const dnnl_memory_desc_t of_a = described(rows, inner, dnnl_bf16, transpose_a),
                             of_b = described(inner, columns, dnnl_bf16, transpose_b),
                             of_c = described(rows, columns, dnnl_f32, false);
    dnnl_matmul_desc_t product;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    check(dnnl_matmul_desc_init(&product, &of_a, &of_b, nullptr, &of_c));
    check(dnnl_primitive_desc_create(&description, &product, nullptr, device.engine, nullptr));
    check(dnnl_primitive_create(&primitive, description));
    dnnl_memory_t left, right, result;
    check(dnnl_memory_create(&left, &of_a, device.engine, a_rounded.data()));
    check(dnnl_memory_create(&right, &of_b, device.engine, b_rounded.data()));
    check(dnnl_memory_create(&result, &of_c, device.engine, c));
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, result}};
    check(dnnl_primitive_execute(primitive, device.stream, 3, arguments));
    check(dnnl_stream_wait(device.stream));
    for (dnnl_memory_t memory : {left, right, result}) dnnl_memory_destroy(memory);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
}

}  // namespace

void hssl::multiply(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                    const float* b, float* c) {
    if (round_factors) {
        multiply_rounded(transpose_a == 'T', transpose_b == 'T', rows, columns, inner, a, b, c);
        return;
    }
    multiply_exact(transpose_a, transpose_b, rows, columns, inner, a, b, c, false);
}

void hssl::multiply_exact(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                          const float* b, float* c, bool add) {
    const long stride_a = transpose_a == 'T' ? rows : inner, stride_b = transpose_b == 'T' ? inner : columns;
    const float kept = add ? 1.f : 0.f;
    check(dnnl_sgemm(transpose_a, transpose_b, rows, columns, inner, 1.f, a, stride_a, b, stride_b, kept, c, columns));
}

bool hssl::factors_are_rounded() { return round_factors; }

void hssl_round_factors(int on) { round_factors = on != 0; }
