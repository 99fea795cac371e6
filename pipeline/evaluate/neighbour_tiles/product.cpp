// Products of bfloat16 numbers, summed in float32, through oneDNN: in the calling thread alone.

#include <dnnl.h>
#include <omp.h>

#include <cstdint>

namespace {

struct Device {
    dnnl_engine_t engine = nullptr;
    dnnl_stream_t stream = nullptr;
    dnnl_status_t status;
    Device() {
        status = dnnl_engine_create(&engine, dnnl_cpu, 0);
        if (status == dnnl_success) status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    }
    ~Device() {
        if (stream) dnnl_stream_destroy(stream);
        if (engine) dnnl_engine_destroy(engine);
    }
};

struct Matrix {
    dnnl_memory_desc_t description;
    dnnl_memory_t memory = nullptr;
    dnnl_status_t describe(long rows, long columns, dnnl_data_type_t type, bool transposed) {
        const dnnl_dims_t sizes = {rows, columns}, strides = {transposed ? 1 : columns, transposed ? rows : 1};
        return dnnl_memory_desc_init_by_strides(&description, 2, sizes, type, strides);
    }
    dnnl_status_t at(dnnl_engine_t engine, void* data) {
        return dnnl_memory_create(&memory, &description, engine, data);
    }
    ~Matrix() {
        if (memory) dnnl_memory_destroy(memory);
    }
};

struct Primitive {
    dnnl_primitive_desc_t description = nullptr;
    dnnl_primitive_t primitive = nullptr;
    ~Primitive() {
        if (primitive) dnnl_primitive_destroy(primitive);
        if (description) dnnl_primitive_desc_destroy(description);
    }
};

class OneThread {
  public:
    OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
    ~OneThread() { omp_set_num_threads(before_); }

  private:
    int before_;
};

#define CHECK(call) \
    if (const dnnl_status_t status = call; status != dnnl_success) return status

}  // namespace

// products (num_queries, num_rows) float32 of queries (num_queries, channels) and rows (num_rows, channels).
// Returns 0, or oneDNN's status. oneDNN keeps what it compiled for a shape: describing it again takes microseconds.
extern "C" int hssl_neighbours_multiply(const std::uint16_t* queries, const std::uint16_t* rows, long num_queries,
                                        long num_rows, long channels, float* products) {
    static thread_local Device device;
    CHECK(device.status);
    const OneThread one_thread;
    Matrix left, right, result;
    Primitive primitive;
    CHECK(left.describe(num_queries, channels, dnnl_bf16, false));
    CHECK(right.describe(channels, num_rows, dnnl_bf16, true));
    CHECK(result.describe(num_queries, num_rows, dnnl_f32, false));
    dnnl_matmul_desc_t product;
    CHECK(dnnl_matmul_desc_init(&product, &left.description, &right.description, nullptr, &result.description));
    CHECK(dnnl_primitive_desc_create(&primitive.description, &product, nullptr, device.engine, nullptr));
    CHECK(dnnl_primitive_create(&primitive.primitive, primitive.description));
    CHECK(left.at(device.engine, const_cast<std::uint16_t*>(queries)));
    CHECK(right.at(device.engine, const_cast<std::uint16_t*>(rows)));
    CHECK(result.at(device.engine, products));
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, left.memory}, {DNNL_ARG_WEIGHTS, right.memory}, {DNNL_ARG_DST, result.memory}};
    CHECK(dnnl_primitive_execute(primitive.primitive, device.stream, 3, arguments));
    return dnnl_stream_wait(device.stream);
}
