// Products whose right factor is copied into a thread's cache a strip of columns at a time, then multiplied by tiles.
#pragma once

namespace hssl {

// Whether these products are faster than oneDNN's of one thread. `transposed`: whether b is (columns, inner).
bool strips_pay(bool transposed, long rows, long columns, long inner);

// c (rows, columns) = a (rows, inner) op(b), added to c if `add`; in the calling thread. `columns` is a multiple of
// what a vector holds, as `strips_pay` makes sure.
void multiply_strips(bool transposed, long rows, long columns, long inner, const float* a, const float* b, float* c,
                     bool add);

}  // namespace hssl
