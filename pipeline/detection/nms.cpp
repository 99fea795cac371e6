// Non-maximum suppression in float64. Without shared state.
//
// To be compiled without contracted products (-ffp-contract=off): overlaps are then those of NumPy to the last bit.

#include <cstdint>
#include <vector>

namespace {

// As NumPy's minimum and maximum but for numbers that are none, which make an area that is none.
inline double smaller(double a, double b) { return a < b ? a : b; }
inline double larger(double a, double b) { return a > b ? a : b; }
inline double at_least_zero(double x) { return x < 0 ? 0 : x; }

struct Boxes {
    std::vector<double> x1, y1, x2, y2, area;
    std::vector<int64_t> place;  // in the caller's order

    explicit Boxes(int64_t count) : x1(count), y1(count), x2(count), y2(count), area(count), place(count) {}

    void set(int64_t index, const double* box, int64_t from) {
        x1[index] = box[0], y1[index] = box[1], x2[index] = box[2], y2[index] = box[3];
        area[index] = at_least_zero(box[2] - box[0]) * at_least_zero(box[3] - box[1]);
        place[index] = from;
    }
    void move(int64_t from, int64_t to) {
        x1[to] = x1[from], y1[to] = y1[from], x2[to] = x2[from], y2[to] = y2[from];
        area[to] = area[from], place[to] = place[from];
    }
    // overlaps[j]: whether box j, of those behind `best`, overlaps it by more than the threshold.
    void compare(int64_t best, int64_t count, double threshold, uint8_t* overlaps) const {
        const double left = x1[best], top = y1[best], right = x2[best], bottom = y2[best], own = area[best];
        for (int64_t j = best + 1; j < count; j++) {
            const double width = smaller(right, x2[j]) - larger(left, x1[j]);
            const double height = smaller(bottom, y2[j]) - larger(top, y1[j]);
            const double common = at_least_zero(width) * at_least_zero(height);
            const double either = own + area[j] - common;
            overlaps[j] = either > 0 && common / either > threshold;
        }
    }
};

}  // namespace

// boxes (count, 4), best first; ends (groups): group i is ends[i - 1] .. ends[i] - 1, and boxes of different groups do
// not remove each other. kept (count): 1 for those that remain, 0 for others.
extern "C" void hssl_nms(int64_t groups, const int64_t* ends, const double* boxes, double threshold, uint8_t* kept) {
    for (int64_t group = 0, start = 0; group < groups; start = ends[group++]) {
        int64_t left = ends[group] - start;
        Boxes of_group(left);
        std::vector<uint8_t> overlaps(left);
        for (int64_t i = 0; i < left; i++) {
            of_group.set(i, boxes + 4 * (start + i), start + i);
            kept[start + i] = 0;
        }
        for (int64_t best = 0; best < left; best++) {
            kept[of_group.place[best]] = 1;
            of_group.compare(best, left, threshold, overlaps.data());
            int64_t to = best + 1;
            for (int64_t j = best + 1; j < left; j++)
                if (!overlaps[j]) of_group.move(j, to++);
            left = to;
        }
    }
}
