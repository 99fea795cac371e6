// Products of matrices, through oneDNN, or strip by strip where that is faster.
#include "products.h"

#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "strips.h"
#include "transposition.h"

using hssl::Rounded;

namespace {

bool round_factors = false;

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

// The order of a right factor: row by row, column by column, or, from kFirst on, one of oneDNN's own.
constexpr long kByRows = 0, kByColumns = 1, kFirst = 2;
std::vector<dnnl_memory_desc_t> packed_orders;

struct Kind {
    long rows, columns, inner;
    bool transpose_a;
    long order_of_b;
    bool add;
    long threads;  // what was compiled for one thread is not for several

    auto all() const { return std::tie(rows, columns, inner, transpose_a, order_of_b, add, threads); }
    bool operator<(const Kind& other) const { return all() < other.all(); }
};

dnnl_memory_desc_t right_factor(const Kind& kind) {
    if (kind.order_of_b >= kFirst) return packed_orders[kind.order_of_b - kFirst];
    return described(kind.inner, kind.columns, dnnl_bf16, kind.order_of_b == kByColumns);
}

dnnl_primitive_desc_t described(const Kind& kind, const dnnl_memory_desc_t& of_b, dnnl_engine_t engine) {
    const dnnl_memory_desc_t of_a = described(kind.rows, kind.inner, dnnl_bf16, kind.transpose_a),
                             of_c = described(kind.rows, kind.columns, dnnl_f32, false);
    dnnl_matmul_desc_t product;
    dnnl_post_ops_t after;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t result;
    check(dnnl_post_ops_create(&after));
    if (kind.add) check(dnnl_post_ops_append_sum(after, 1.f));
    check(dnnl_primitive_attr_create(&attributes));
    check(dnnl_primitive_attr_set_post_ops(attributes, after));
    check(dnnl_matmul_desc_init(&product, &of_a, &of_b, nullptr, &of_c));
    check(dnnl_primitive_desc_create(&result, &product, attributes, engine, nullptr));
    dnnl_primitive_attr_destroy(attributes);
    dnnl_post_ops_destroy(after);
    return result;
}

// What oneDNN compiled for one kind of product, and the places of its matrices.
struct Product {
    dnnl_primitive_t primitive;
    dnnl_memory_t left, right, result;
};

Product compiled(const Kind& kind, dnnl_engine_t engine) {
    const dnnl_primitive_desc_t description = described(kind, right_factor(kind), engine);
    Product product;
    check(dnnl_primitive_create(&product.primitive, description));
    auto place = [&](dnnl_query_t of, dnnl_memory_t* memory) {
        const dnnl_memory_desc_t* found = dnnl_primitive_desc_query_md(description, of, 0);
        check(dnnl_memory_create(memory, found, engine, DNNL_MEMORY_NONE));
    };
    place(dnnl_query_src_md, &product.left);
    place(dnnl_query_weights_md, &product.right);
    place(dnnl_query_dst_md, &product.result);
    dnnl_primitive_desc_destroy(description);
    return product;
}

// A thread's products. Each costs some hundred microseconds to compile, and as long as a small product to look up in
// oneDNN's own store; the number of hidden patches, and so of kinds, differs between steps.
class Products {
  public:
    void run(const Kind& kind, const Rounded* a, const Rounded* b, float* c) {
        const Product& product = of(kind);
        check(dnnl_memory_set_data_handle(product.left, const_cast<Rounded*>(a)));
        check(dnnl_memory_set_data_handle(product.right, const_cast<Rounded*>(b)));
        check(dnnl_memory_set_data_handle(product.result, c));
        const dnnl_exec_arg_t arguments[] = {
            {DNNL_ARG_SRC, product.left}, {DNNL_ARG_WEIGHTS, product.right}, {DNNL_ARG_DST, product.result}};
        check(dnnl_primitive_execute(product.primitive, device_.stream, 3, arguments));
        check(dnnl_stream_wait(device_.stream));
    }

    // Rounds and reorders b (inner, columns) as `order` says.
    void reorder(const dnnl_memory_desc_t& from, const float* b, const dnnl_memory_desc_t& order, Rounded* to) {
        dnnl_primitive_desc_t description;
        dnnl_primitive_t primitive;
        dnnl_memory_t source, target;
        check(dnnl_reorder_primitive_desc_create(&description, &from, device_.engine, &order, device_.engine, nullptr));
        check(dnnl_primitive_create(&primitive, description));
        check(dnnl_memory_create(&source, &from, device_.engine, const_cast<float*>(b)));
        check(dnnl_memory_create(&target, &order, device_.engine, to));
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
        check(dnnl_primitive_execute(primitive, device_.stream, 2, arguments));
        check(dnnl_stream_wait(device_.stream));
        for (dnnl_memory_t memory : {source, target}) dnnl_memory_destroy(memory);
        dnnl_primitive_destroy(primitive);
        dnnl_primitive_desc_destroy(description);
    }

    // The number of the order that oneDNN prefers for the right factor of some hundred rows.
    long packed_order(long columns, long inner) {
        dnnl_memory_desc_t any;
        const dnnl_dims_t sizes = {inner, columns};
        check(dnnl_memory_desc_init_by_tag(&any, 2, sizes, dnnl_bf16, dnnl_format_tag_any));
        const Kind usual{256, columns, inner, false, kFirst, false, 1};
        const dnnl_primitive_desc_t description = described(usual, any, device_.engine);
        const dnnl_memory_desc_t found = *dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
        dnnl_primitive_desc_destroy(description);
        for (size_t i = 0; i < packed_orders.size(); i++)
            if (dnnl_memory_desc_equal(&packed_orders[i], &found)) return kFirst + i;
        packed_orders.push_back(found);
        return kFirst + packed_orders.size() - 1;
    }

  private:
    static constexpr size_t kMost = 256;

    const Product& of(const Kind& kind) {
        const auto found = kept_.find(kind);
        if (found != kept_.end()) return found->second;
        if (kept_.size() == kMost) forget();
        return kept_.emplace(kind, compiled(kind, device_.engine)).first->second;
    }

    void forget() {
        for (const auto& [kind, product] : kept_) {
            for (dnnl_memory_t memory : {product.left, product.right, product.result}) dnnl_memory_destroy(memory);
            dnnl_primitive_destroy(product.primitive);
        }
        kept_.clear();
    }

    Device device_;
    std::map<Kind, Product> kept_;
};

Products& of_this_thread() {
    static thread_local Products products;
    return products;
}

long num_threads() { return omp_in_parallel() ? 1 : omp_get_max_threads(); }

// Rows for which a weight is transposed: oneDNN then multiplies a tenth faster with AVX-512, where transposing takes as
// long as a product of about ten rows. With AVX2 it gains less, and loses where rows are 1536 long.
#ifdef __AVX512F__
constexpr long kWorthTransposing = 256;
#else
constexpr long kWorthTransposing = 1L << 62;
#endif
// Of 2048 x 2048, 16 MiB, it does not gain: one thread took 79 and 267 ms for 800 and 3136 rows, without it 71 and 273.
constexpr long kLargestTransposed = 3L << 20;

// Memory of transposed weights between calls, for whichever layer is multiplied next: one for each would add up.
std::vector<std::vector<float>> spare;

// The smallest spare memory for so many floats, or new one.
std::vector<float> memory_for(size_t length) {
    auto best = spare.end();
    for (auto memory = spare.begin(); memory != spare.end(); memory++)
        if (memory->size() >= length && (best == spare.end() || memory->size() < best->size())) best = memory;
    if (best == spare.end()) return std::vector<float>(length);
    std::vector<float> found = std::move(*best);
    spare.erase(best);
    return found;
}

// Of a transposed right factor: oneDNN copies in each thread all that it gets, 8 MiB of 8192 prototypes. In parts of
// 2 MiB, or 512 columns, 64 and 128 rows took as long, and the numbers were the same.
long columns_at_once(long inner) { return std::max(512L, (1L << 19) / inner / 64 * 64); }

// to (columns, rows) = from^T, by all threads
void transpose_whole(long rows, long columns, const float* from, float* to) {
    constexpr long kRows = 2 * hssl::kSide;  // of a part: what it writes to a column is one line of the cache
#pragma omp parallel for schedule(static) if (rows * columns > 10000)
    for (long row = 0; row < rows; row += kRows)
        hssl::transpose(std::min(kRows, rows - row), columns, from + row * columns, columns, to + row, rows);
}

const Rounded* in_room(long size, const float* x, std::vector<Rounded>& room) {
    if (static_cast<long>(room.size()) < size) room.resize(size);
    hssl::round_all(size, x, room.data());
    return room.data();
}

}  // namespace

void hssl::multiply(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                    const float* b, float* c) {
    if (!round_factors) return multiply_exact(transpose_a, transpose_b, rows, columns, inner, a, b, c, false);
    static thread_local std::vector<Rounded> of_a, of_b;
    multiply_rounded(transpose_a, transpose_b, rows, columns, inner, in_room(rows * inner, a, of_a),
                     in_room(inner * columns, b, of_b), c, false);
}

void hssl::multiply_exact(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                          const float* b, float* c, bool add) {
    if (num_threads() == 1 && transpose_a == 'N' && strips_pay(transpose_b == 'T', rows, columns, inner))
        return multiply_strips(transpose_b == 'T', rows, columns, inner, a, b, c, add);
    const long stride_a = transpose_a == 'T' ? rows : inner, stride_b = transpose_b == 'T' ? inner : columns;
    const float kept = add ? 1.f : 0.f;
    const long part = transpose_b == 'T' && num_threads() == 1 ? columns_at_once(inner) : columns;
    for (long first = 0; first < columns; first += part)
        check(dnnl_sgemm(transpose_a, transpose_b, rows, std::min(part, columns - first), inner, 1.f, a, stride_a,
                         b + first * inner, stride_b, kept, c + first, columns));
}

void hssl::LayerWeight::set(long rows, long out, long in, const float* weight) {
    out_ = out;
    in_ = in;
    weight_ = weight;
    if (rows < kWorthTransposing || out * in > kLargestTransposed) return;
    transposed_ = memory_for(out * in);
    transpose_whole(out, in, weight, transposed_.data());
}

hssl::LayerWeight::~LayerWeight() {
    if (!transposed_.empty()) spare.push_back(std::move(transposed_));
}

void hssl::LayerWeight::multiply(long rows, const float* x, float* y) const {
    if (transposed_.empty()) return multiply_exact('N', 'T', rows, out_, in_, x, weight_, y, false);
    multiply_exact('N', 'N', rows, out_, in_, x, transposed_.data(), y, false);
}

void hssl::multiply_rounded(char transpose_a, char transpose_b, long rows, long columns, long inner, const Rounded* a,
                            const Rounded* b, float* c, bool add) {
    const long order = transpose_b == 'T' ? kByColumns : kByRows;
    of_this_thread().run({rows, columns, inner, transpose_a == 'T', order, add, num_threads()}, a, b, c);
}

void hssl::PackedFactor::pack(char transpose_b, long columns, long inner, const float* b) {
    Products& products = of_this_thread();
    if (columns != columns_ || inner != inner_) order_ = products.packed_order(columns, inner);
    columns_ = columns;
    inner_ = inner;
    const dnnl_memory_desc_t& order = packed_orders[order_ - kFirst];
    values_.resize(dnnl_memory_desc_get_size(&order) / sizeof(Rounded));
    products.reorder(described(inner, columns, dnnl_f32, transpose_b == 'T'), b, order, values_.data());
}

void hssl::PackedFactor::multiply(long rows, const Rounded* a, float* c) const {
    of_this_thread().run({rows, columns_, inner_, false, order_, false, num_threads()}, a, values_.data(), c);
}

bool hssl::factors_are_rounded() { return round_factors; }

void hssl_round_factors(int on) { round_factors = on != 0; }
