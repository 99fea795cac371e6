// Convolutions of maps, through oneDNN. What it compiled for a shape, and the arrays in its own layout, are kept.
#include "convolution.h"

#include <omp.h>

#include <array>
#include <cstdlib>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <new>
#include <unordered_map>

namespace {

using dnnl::memory;
using hssl::Convolution;

enum Direction { kForward, kInputGradient, kWeightGradient };

// Training on images of many sizes must not keep ever more of them.
constexpr size_t kMostPasses = 300;

dnnl::engine& engine() {
    static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

// Memory for arrays in oneDNN's layout, which grows and is used by one pass after the other.
char* scratch(size_t bytes) {
    static std::unique_ptr<char, decltype(&std::free)> block(nullptr, std::free);
    static size_t length = 0;
    if (length < bytes) {
        length = (bytes + 4095) / 4096 * 4096;
        block.reset(static_cast<char*>(std::aligned_alloc(64, length)));
        if (!block) {
            length = 0;
            throw std::bad_alloc();
        }
    }
    return block.get();
}

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

// An array of a pass: in our layout, in oneDNN's, and the change between them if they differ.
struct Operand {
    int argument;
    bool is_result, differs;
    memory ours, theirs;
    dnnl::reorder change;

    Operand(int argument, bool is_result, const memory::desc& our_layout, const memory::desc& their_layout)
        : argument(argument), is_result(is_result), differs(our_layout != their_layout),
          ours(our_layout, engine(), nullptr), theirs(differs ? memory(their_layout, engine(), nullptr) : ours) {
        if (differs) change = is_result ? dnnl::reorder(theirs, ours) : dnnl::reorder(ours, theirs);
    }
    size_t bytes() const { return differs ? aligned(theirs.get_desc().get_size()) : 0; }
};

struct Pass {
    dnnl::primitive primitive;
    std::array<Operand, 3> operands;
    std::unordered_map<int, memory> arguments;
    size_t bytes = 0;

    Pass(dnnl::primitive of, std::array<Operand, 3> all) : primitive(of), operands(all) {
        for (const Operand& operand : operands) {
            arguments.emplace(operand.argument, operand.theirs);
            bytes += operand.bytes();
        }
    }

    // Arrays in the order of the operands.
    void run(const std::array<const float*, 3>& arrays) {
        static dnnl::stream stream(engine());
        char* next = scratch(bytes);
        for (int i = 0; i < 3; i++) {
            Operand& operand = operands[i];
            operand.ours.set_data_handle(const_cast<float*>(arrays[i]));
            if (!operand.differs) continue;
            operand.theirs.set_data_handle(next);
            next += operand.bytes();
            if (!operand.is_result) operand.change.execute(stream, operand.ours, operand.theirs);
        }
        primitive.execute(stream, arguments);
        for (Operand& operand : operands)
            if (operand.differs && operand.is_result) operand.change.execute(stream, operand.theirs, operand.ours);
        stream.wait();
    }
};

Pass made(const Convolution& s, Direction direction) {
    using tag = memory::format_tag;
    const memory::dims x = {s.images, s.in, s.height, s.width}, weight = {s.out, s.in, s.side, s.side},
                       y = {s.images, s.out, s.out_height(), s.out_width()};
    const memory::dims strides = {s.stride, s.stride}, border = {s.side / 2, s.side / 2};
    const auto described = [](const memory::dims& sizes, tag layout) {
        return memory::desc(sizes, memory::data_type::f32, layout);
    };
    const tag of_maps = s.channels_last ? tag::nhwc : tag::nchw;
    // oneDNN computes on maps with the channels last as they are; others it gets in a layout of its choice.
    const tag best = s.channels_last ? tag::nhwc : tag::any;
    const memory::desc any_x = described(x, best), any_weight = described(weight, tag::any),
                       any_y = described(y, best), our_x = described(x, of_maps),
                       our_weight = described(weight, tag::oihw), our_y = described(y, of_maps);
    const auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, direct, any_x, any_weight, any_y, strides, border, border}, engine());
    if (direction == kForward)
        return Pass(dnnl::convolution_forward(forward),
                    {Operand(DNNL_ARG_SRC, false, our_x, forward.src_desc()),
                     Operand(DNNL_ARG_WEIGHTS, false, our_weight, forward.weights_desc()),
                     Operand(DNNL_ARG_DST, true, our_y, forward.dst_desc())});
    if (direction == kInputGradient) {
        const dnnl::convolution_backward_data::primitive_desc backward(
            {direct, any_x, any_weight, any_y, strides, border, border}, engine(), forward);
        return Pass(dnnl::convolution_backward_data(backward),
                    {Operand(DNNL_ARG_DIFF_SRC, true, our_x, backward.diff_src_desc()),
                     Operand(DNNL_ARG_WEIGHTS, false, our_weight, backward.weights_desc()),
                     Operand(DNNL_ARG_DIFF_DST, false, our_y, backward.diff_dst_desc())});
    }
    const dnnl::convolution_backward_weights::primitive_desc backward(
        {direct, any_x, any_weight, any_y, strides, border, border}, engine(), forward);
    return Pass(dnnl::convolution_backward_weights(backward),
                {Operand(DNNL_ARG_SRC, false, our_x, backward.src_desc()),
                 Operand(DNNL_ARG_DIFF_WEIGHTS, true, our_weight, backward.diff_weights_desc()),
                 Operand(DNNL_ARG_DIFF_DST, false, our_y, backward.diff_dst_desc())});
}

Pass& pass_of(const Convolution& s, Direction direction) {
    // oneDNN divides the work among a number of threads that it fixes with the pass.
    using Key = std::array<long, 10>;
    static std::map<Key, Pass> passes;
    const Key key = {s.images, s.in,     s.height,        s.width,   s.out,
                     s.side,   s.stride, s.channels_last, direction, omp_get_max_threads()};
    auto found = passes.find(key);
    if (found == passes.end()) {
        if (passes.size() >= kMostPasses) passes.clear();
        found = passes.emplace(key, made(s, direction)).first;
    }
    return found->second;
}

}  // namespace

void hssl::convolve(const Convolution& shape, const float* x, const float* weight, float* y) {
    pass_of(shape, kForward).run({x, weight, y});
}

void hssl::convolve_gradient(const Convolution& shape, const float* x, const float* weight, const float* y_grad,
                             float* x_grad, float* weight_grad) {
    if (x_grad != nullptr) pass_of(shape, kInputGradient).run({x_grad, weight, y_grad});
    pass_of(shape, kWeightGradient).run({x, weight_grad, y_grad});
}
