// The ground-truth box that each box overlaps most, in float64. Without shared state.
//
// To be compiled without contracted products (-ffp-contract=off): overlaps are then those of NumPy to the last bit.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

constexpr int8_t kPositive = 1, kNegative = 0, kNeither = -1;

inline double smaller(double a, double b) { return a < b ? a : b; }
inline double larger(double a, double b) { return a > b ? a : b; }
inline double at_least_zero(double x) { return x < 0 ? 0 : x; }

struct Columns {
    std::vector<double> x1, y1, x2, y2, own;

    Columns(int64_t count, const double* boxes) : x1(count), y1(count), x2(count), y2(count), own(count) {
        for (int64_t i = 0; i < count; i++) {
            x1[i] = boxes[4 * i], y1[i] = boxes[4 * i + 1], x2[i] = boxes[4 * i + 2], y2[i] = boxes[4 * i + 3];
            own[i] = (x2[i] - x1[i]) * (y2[i] - y1[i]);
        }
    }

    // common[i]: the area that box i has in common with the target; 0 where they do not intersect.
    void intersect(const double* target, double* common) const {
        const double left = target[0], top = target[1], right = target[2], bottom = target[3];
        const int64_t count = static_cast<int64_t>(x1.size());
        for (int64_t i = 0; i < count; i++) {
            const bool near = (x1[i] < right) & (x2[i] > left) & (y1[i] < bottom) & (y2[i] > top);
            const double width = smaller(x2[i], right) - larger(x1[i], left);
            const double height = smaller(y2[i], bottom) - larger(y1[i], top);
            const double area = at_least_zero(width) * at_least_zero(height);
            common[i] = near ? area : 0;
        }
    }
};

}  // namespace

// boxes (count, 4); truths (num_truths, 4); crowds (num_crowds, 4). A box is positive from the IoU `positive` on, and
// negative below the IoU `negative`; the first truth wins a tie. Each truth also gets the boxes that share its largest
// IoU if that is at least `least`, a later truth wins. A box of which a crowd covers the share `covered` is never
// negative. truth (count): the truth of a positive box, else -1; label (count): 1, 0, or -1 for neither.
extern "C" void hssl_assign(int64_t count, const double* boxes, int64_t num_truths, const double* truths,
                            int64_t num_crowds, const double* crowds, double positive, double negative, double least,
                            double covered, int64_t* truth, int8_t* label) {
    const Columns columns(count, boxes);
    std::vector<double> best(count, 0.), common(count), iou(count);
    std::vector<int64_t> best_truth(count, -1);
    std::vector<int64_t> favourites, favoured_by;
    for (int64_t t = 0; t < num_truths; t++) {
        const double* target = truths + 4 * t;
        const double area = at_least_zero(target[2] - target[0]) * at_least_zero(target[3] - target[1]);
        columns.intersect(target, common.data());
        double most = 0;
        for (int64_t i = 0; i < count; i++) {
            const double either = columns.own[i] + area - common[i];
            iou[i] = common[i] > 0 ? common[i] / either : 0;
            most = larger(iou[i], most);
            best_truth[i] = iou[i] > best[i] ? t : best_truth[i];
            best[i] = larger(iou[i], best[i]);
        }
        if (!(most > 0 && most >= least)) continue;
        for (int64_t i = 0; i < count; i++)
            if (iou[i] == most) favourites.push_back(i), favoured_by.push_back(t);
    }
    for (int64_t i = 0; i < count; i++) {
        label[i] = best[i] >= positive ? kPositive : best[i] < negative || num_truths == 0 ? kNegative : kNeither;
        truth[i] = label[i] == kPositive ? best_truth[i] : -1;
    }
    for (std::size_t i = 0; i < favourites.size(); i++) {
        label[favourites[i]] = kPositive;
        truth[favourites[i]] = favoured_by[i];
    }
    for (int64_t crowd = 0; crowd < num_crowds; crowd++) {
        columns.intersect(crowds + 4 * crowd, common.data());
        for (int64_t i = 0; i < count; i++)
            if (common[i] > 0 && common[i] >= covered * columns.own[i] && label[i] == kNegative) label[i] = kNeither;
    }
}
