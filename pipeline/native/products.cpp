// Products of matrices, through oneDNN.
#include "products.h"

#include <dnnl.h>

#include <stdexcept>
#include <vector>

using hssl::Rounded;

// oneDNN exports it beside dnnl_sgemm, with the same arguments, but no header declares it; weak: null if it is missing.
extern "C" __attribute__((weak)) dnnl_status_t dnnl_gemm_bf16bf16f32(
    char transpose_a, char transpose_b, dnnl_dim_t rows, dnnl_dim_t columns, dnnl_dim_t inner, float scale,
    const Rounded* a, dnnl_dim_t stride_a, const Rounded* b, dnnl_dim_t stride_b, float kept, float* c,
    dnnl_dim_t stride_c);

namespace {

int round_factors = 0;

void check(dnnl_status_t status) {
    if (status != dnnl_success) throw std::runtime_error("oneDNN's matrix product failed");
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
void multiply_as_documented(bool transpose_a, bool transpose_b, long rows, long columns, long inner, const Rounded* a,
                            const Rounded* b, float* c, bool add) {
    static thread_local Device device;
    const dnnl_memory_desc_t of_a = described(rows, inner, dnnl_bf16, transpose_a),
                             of_b = described(inner, columns, dnnl_bf16, transpose_b),
                             of_c = described(rows, columns, dnnl_f32, false);
    dnnl_matmul_desc_t product;
    dnnl_post_ops_t after;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    check(dnnl_post_ops_create(&after));
    if (add) check(dnnl_post_ops_append_sum(after, 1.f));
    check(dnnl_primitive_attr_create(&attributes));
    check(dnnl_primitive_attr_set_post_ops(attributes, after));
    check(dnnl_matmul_desc_init(&product, &of_a, &of_b, nullptr, &of_c));
    check(dnnl_primitive_desc_create(&description, &product, attributes, device.engine, nullptr));
    check(dnnl_primitive_create(&primitive, description));
    dnnl_memory_t left, right, result;
    check(dnnl_memory_create(&left, &of_a, device.engine, const_cast<Rounded*>(a)));
    check(dnnl_memory_create(&right, &of_b, device.engine, const_cast<Rounded*>(b)));
    check(dnnl_memory_create(&result, &of_c, device.engine, c));
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, result}};
    check(dnnl_primitive_execute(primitive, device.stream, 3, arguments));
    check(dnnl_stream_wait(device.stream));
    for (dnnl_memory_t memory : {left, right, result}) dnnl_memory_destroy(memory);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
    dnnl_primitive_attr_destroy(attributes);
    dnnl_post_ops_destroy(after);
}

const Rounded* in_room(long size, const float* x, std::vector<Rounded>& room) {
    if (static_cast<long>(room.size()) < size) room.resize(size);
    hssl::round_all(size, x, room.data());
    return room.data();
}

}  // namespace

void hssl::multiply(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                    const float* b, float* c) {
    if (round_factors == 0)
        return multiply_exact(transpose_a, transpose_b, rows, columns, inner, a, b, c, false);
    static thread_local std::vector<Rounded> of_a, of_b;
    multiply_rounded(transpose_a, transpose_b, rows, columns, inner, in_room(rows * inner, a, of_a),
                     in_room(inner * columns, b, of_b), c, false);
}

void hssl::multiply_exact(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                          const float* b, float* c, bool add) {
    const long stride_a = transpose_a == 'T' ? rows : inner, stride_b = transpose_b == 'T' ? inner : columns;
    const float kept = add ? 1.f : 0.f;
    check(dnnl_sgemm(transpose_a, transpose_b, rows, columns, inner, 1.f, a, stride_a, b, stride_b, kept, c, columns));
}

void hssl::multiply_rounded(char transpose_a, char transpose_b, long rows, long columns, long inner, const Rounded* a,
                            const Rounded* b, float* c, bool add) {
    if (round_factors == 2 || dnnl_gemm_bf16bf16f32 == nullptr)
        return multiply_as_documented(transpose_a == 'T', transpose_b == 'T', rows, columns, inner, a, b, c, add);
    const long stride_a = transpose_a == 'T' ? rows : inner, stride_b = transpose_b == 'T' ? inner : columns;
    check(dnnl_gemm_bf16bf16f32(transpose_a, transpose_b, rows, columns, inner, 1.f, a, stride_a, b, stride_b,
                                add ? 1.f : 0.f, c, columns));
}

bool hssl::factors_are_rounded() { return round_factors != 0; }

void hssl_round_factors(int how) { round_factors = how; }
