// A step of SGD with momentum of many linear classifiers on the same images, one for each learning rate.
//
// A thread takes whole rates, a group of them at once. Of a group it multiplies a block of images, turns the logits
// into slopes while they are in its cache, and adds their products with the images to the gradient. A sum has one
// order, so a rate's weights depend neither on the other rates nor on the number of threads.
#include <omp.h>

#include <algorithm>

#include "chunks.h"
#include "tiles.h"
#include "transposition.h"
#include "vector_math.h"

namespace {

using hssl::kLanes;
using hssl::kTileVectors;
using hssl::padded;

constexpr long kImages = 256;  // of a block
constexpr long kInner = 384;   // summed at once, about: of shorter sums more is read and written again
constexpr long kRows = 256;    // of a group, about: its logits of a block of images are 256 kB

using Arena = hssl::ArenaOf<struct SweepRates>;
using BatchArena = hssl::ArenaOf<struct SweepBatch>;

// Calls visit(first column, number of columns) for strips as even as can be; `columns` is a multiple of kLanes.
template <class Visit>
void each_strip(long columns, Visit visit) {
    const long vectors = columns / kLanes, strips = (vectors + kTileVectors - 1) / kTileVectors;
    for (long i = 0; i < strips; i++) {
        const long first = vectors * i / strips * kLanes;
        visit(first, vectors * (i + 1) / strips * kLanes - first);
    }
}

// out (rows, width) = left (rows, inner) strip (inner, width), added to `out` if `add`. Compiled once: it is long.
__attribute__((noinline)) void multiply_strip(long rows, long width, long inner, const float* left, long left_stride,
                                              const float* strip, float* out, long out_stride, bool add) {
    const long parts = (inner + kInner - 1) / kInner;
    for (long part = 0; part < parts; part++) {
        const long first = inner * part / parts, count = inner * (part + 1) / parts - first;
        hssl::multiply(rows, width, count, hssl::Left{left + first, left_stride, 1}, strip + first * width, width, out,
                       out_stride, add || part > 0);
    }
}

// The features of a batch as right factors. A block of images begins at its first image; it consists of strips, each
// dense and as long as the block is in the other dimension.
struct Batch {
    long images, channels;
    float* by_channel;  // strips of images: the factor of weights
    float* by_image;    // strips of channels, zeros behind the last one: the factor of slopes

    Batch(long num_images, long num_channels, BatchArena& memory)
        : images(num_images),
          channels(num_channels),
          by_channel(memory.take(padded(num_images) * num_channels)),
          by_image(memory.take(num_images * padded(num_channels))) {}

    static long length(long images, long channels) {
        return padded(images) * channels + images * padded(channels) + kLanes;
    }

    long blocks() const { return (images + kImages - 1) / kImages; }

    long in_block(long block) const { return std::min(kImages, images - block * kImages); }

    void pack(long block, const float* features) {
        const long first = block * kImages, count = in_block(block);
        const float* from = features + first * channels;
        float *to_images = by_channel + first * channels, *to_channels = by_image + first * padded(channels);
        each_strip(padded(count), [&](long image, long width) {
            float* to = to_images + image * channels;
            const long real = std::min(width, count - image);
            if (real < width) std::fill_n(to, width * channels, 0.f);
            hssl::transpose(real, channels, from + image * channels, channels, to, width);
        });
        each_strip(padded(channels), [&](long channel, long width) {
            const long real = std::min(width, channels - channel);
            for (long i = 0; i < count; i++) {
                float* to = to_channels + channel * count + i * width;
                std::copy_n(from + i * channels + channel, real, to);
                std::fill_n(to + real, width - real, 0.f);
            }
        });
    }
};

struct Sizes {
    long rates, classes, channels, images;

    long width() const { return channels + 1; }  // of a class's weights: its bias is the last
};

// One class for each image. Only differences of logits matter and slopes of an image add up to 0, so the last class
// takes part in no product.
struct Softmax {
    const long* labels;  // (images,)

    static long rows(long classes) { return classes - 1; }

    // weights (classes, width) -> relative (rows, channels), biases (rows,)
    static void factors(const Sizes& sizes, const float* weights, float* relative, float* biases) {
        const long channels = sizes.channels, width = sizes.width(), rows = sizes.classes - 1;
        const float* last = weights + rows * width;
        for (long row = 0; row < rows; row++) {
            const float* of_class = weights + row * width;
#pragma omp simd
            for (long j = 0; j < channels; j++) relative[row * channels + j] = of_class[j] - last[j];
            biases[row] = of_class[channels] - last[channels];
        }
    }

    // Logits (rows, kImages) of `count` images from `first` on, without biases -> slopes; adds up their sums (rows,).
    void slopes(const Sizes& sizes, long first, long count, const float* biases, float* logits, float* sums) const {
        const long rows = sizes.classes - 1;
        const float share = 1.f / sizes.images;
        float highest[kImages] = {}, factors[kImages];
        int classes[kImages];
        std::copy_n(labels + first, count, classes);
        for (long row = 0; row < rows; row++) {
            float* of_row = logits + row * kImages;
#pragma omp simd
            for (long i = 0; i < count; i++) {
                of_row[i] += biases[row];
                highest[i] = of_row[i] > highest[i] ? of_row[i] : highest[i];
            }
        }
#pragma omp simd
        for (long i = 0; i < count; i++) factors[i] = hssl::vector_exp(-highest[i]);
        for (long row = 0; row < rows; row++) {
            float* of_row = logits + row * kImages;
#pragma omp simd
            for (long i = 0; i < count; i++) {
                of_row[i] = hssl::vector_exp(of_row[i] - highest[i]);
                factors[i] += of_row[i];
            }
        }
#pragma omp simd
        for (long i = 0; i < count; i++) factors[i] = share / factors[i];
        for (long row = 0; row < rows; row++) {
            float *of_row = logits + row * kImages, sum = 0.f;
            const int number = static_cast<int>(row);
#pragma omp simd reduction(+ : sum)
            for (long i = 0; i < count; i++) {
                of_row[i] = of_row[i] * factors[i] - (classes[i] == number ? share : 0.f);
                sum += of_row[i];
            }
            sums[row] += sum;
        }
    }
};

// Any number of classes for each image: the loss is the sum of each class's binary cross-entropy.
struct Sigmoid {
    const float* targets;  // (classes, images): 0 or 1

    static long rows(long classes) { return classes; }

    static void factors(const Sizes& sizes, const float* weights, float* relative, float* biases) {
        const long channels = sizes.channels;
        for (long row = 0; row < sizes.classes; row++) {
            const float* of_class = weights + row * sizes.width();
            std::copy_n(of_class, channels, relative + row * channels);
            biases[row] = of_class[channels];
        }
    }

    void slopes(const Sizes& sizes, long first, long count, const float* biases, float* logits, float* sums) const {
        const float share = 1.f / sizes.images;
        for (long row = 0; row < sizes.classes; row++) {
            const float* wanted = targets + row * sizes.images + first;
            float *of_row = logits + row * kImages, sum = 0.f;
#pragma omp simd reduction(+ : sum)
            for (long i = 0; i < count; i++) {
                const float logit = of_row[i] + biases[row], small = hssl::vector_exp(-__builtin_fabsf(logit));
                of_row[i] = ((logit < 0.f ? small : 1.f) / (1.f + small) - wanted[i]) * share;
                sum += of_row[i];
            }
            sums[row] += sum;
        }
    }
};

// One step of a class's weights and velocity (width,).
void update(long channels, const float* gradient, float of_bias, float rate, float momentum, float* velocity,
            float* weights) {
#pragma omp simd
    for (long j = 0; j < channels; j++) {
        velocity[j] = momentum * velocity[j] + gradient[j];
        weights[j] -= rate * velocity[j];
    }
    velocity[channels] = momentum * velocity[channels] + of_bias;
    weights[channels] -= rate * velocity[channels];
}

template <class Loss>
class Group {
  public:
    Group(const Sizes& sizes, long most, Arena& memory)
        : sizes_(sizes),
          rows_(Loss::rows(sizes.classes)),
          stride_(padded(sizes.channels)),
          relative_(memory.take(most * rows_ * sizes.channels)),
          gradient_(memory.take(most * rows_ * stride_)),
          logits_(memory.take(most * rows_ * kImages)),
          biases_(memory.take(most * rows_)),
          sums_(memory.take(most * rows_)),
          last_(memory.take(sizes.channels)) {}

    static long length(const Sizes& sizes, long most) {
        const long rows = most * Loss::rows(sizes.classes);
        return rows * (sizes.channels + padded(sizes.channels) + kImages + 2) + sizes.channels + 6 * 16;
    }

    void step(const Batch& batch, const Loss& loss, long count, const float* rates, float momentum, float* weights,
              float* velocity) {
        const long of_rate = sizes_.classes * sizes_.width(), rows = count * rows_;
        for (long i = 0; i < count; i++)
            Loss::factors(sizes_, weights + i * of_rate, relative_ + i * rows_ * sizes_.channels, biases_ + i * rows_);
        std::fill_n(sums_, rows, 0.f);
        for (long block = 0; block < batch.blocks(); block++) {
            const long first = block * kImages, images = batch.in_block(block);
            each_strip(padded(images), [&](long image, long width) {
                const float* strip = batch.by_channel + (first + image) * sizes_.channels;
                multiply_strip(rows, width, sizes_.channels, relative_, sizes_.channels, strip, logits_ + image,
                               kImages, false);
            });
            for (long i = 0; i < count; i++)
                loss.slopes(sizes_, first, images, biases_ + i * rows_, logits_ + i * rows_ * kImages,
                            sums_ + i * rows_);
            each_strip(stride_, [&](long channel, long width) {
                const float* strip = batch.by_image + first * stride_ + channel * images;
                multiply_strip(rows, width, images, logits_, kImages, strip, gradient_ + channel, stride_, block > 0);
            });
        }
        for (long i = 0; i < count; i++)
            update_rate(i, rates[i], momentum, weights + i * of_rate, velocity + i * of_rate);
    }

  private:
    void update_rate(long i, float rate, float momentum, float* weights, float* velocity) {
        const long channels = sizes_.channels, width = sizes_.width();
        const float *gradient = gradient_ + i * rows_ * stride_, *sums = sums_ + i * rows_;
        std::fill_n(last_, channels, 0.f);
        float last_bias = 0.f;
        for (long row = 0; row < rows_; row++) {
            const float* of_row = gradient + row * stride_;
            update(channels, of_row, sums[row], rate, momentum, velocity + row * width, weights + row * width);
            last_bias -= sums[row];
#pragma omp simd
            for (long j = 0; j < channels; j++) last_[j] -= of_row[j];
        }
        if (rows_ < sizes_.classes)
            update(channels, last_, last_bias, rate, momentum, velocity + rows_ * width, weights + rows_ * width);
    }

    Sizes sizes_;
    long rows_, stride_;
    float *relative_, *gradient_, *logits_, *biases_, *sums_, *last_;
};

template <class Loss>
void step(const Sizes& sizes, const Loss& loss, const float* features, const float* rates, float momentum,
          float* weights, float* velocity) {
    BatchArena memory(Batch::length(sizes.images, sizes.channels));
    Batch batch(sizes.images, sizes.channels, memory);
    const long of_rate = sizes.classes * sizes.width(), rows = std::max<long>(1, Loss::rows(sizes.classes));
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (long block = 0; block < batch.blocks(); block++) batch.pack(block, features);
        const long thread = omp_get_thread_num(), threads = omp_get_num_threads(),
                   first = sizes.rates * thread / threads, count = sizes.rates * (thread + 1) / threads - first,
                   most = std::max<long>(1, kRows / rows), groups = (count + most - 1) / most;
        Arena own(Group<Loss>::length(sizes, std::min(most, count)));
        Group<Loss> group(sizes, std::min(most, count), own);
        for (long i = 0; i < groups; i++) {
            const long begin = first + count * i / groups, end = first + count * (i + 1) / groups;
            group.step(batch, loss, end - begin, rates + begin, momentum, weights + begin * of_rate,
                       velocity + begin * of_rate);
        }
    }
}

}  // namespace

extern "C" {

// One step of all classifiers, in place. features (images, channels); labels (images,) in 0..classes - 1; rates
// (num_rates,); weights and velocity (num_rates, classes, channels + 1).
void hssl_sweep_step_softmax(long num_rates, long classes, long channels, long images, const float* features,
                             const long* labels, const float* rates, float momentum, float* weights,
                             float* velocity) {
    step({num_rates, classes, channels, images}, Softmax{labels}, features, rates, momentum, weights, velocity);
}

// The same of targets (classes, images), 0 or 1.
void hssl_sweep_step_sigmoid(long num_rates, long classes, long channels, long images, const float* features,
                             const float* targets, const float* rates, float momentum, float* weights,
                             float* velocity) {
    step({num_rates, classes, channels, images}, Sigmoid{targets}, features, rates, momentum, weights, velocity);
}
}
