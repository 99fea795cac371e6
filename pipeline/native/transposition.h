// Matrices copied into a thread's cache as their transposes, in squares that fit into registers.
#pragma once

namespace hssl {

// Side of the squares.
constexpr long kSide = 8;

typedef float Eight __attribute__((vector_size(kSide * sizeof(float)), aligned(sizeof(float)), may_alias));

// to[j][i] = from[i][j]
inline void transpose_square(const float* from, long from_stride, float* to, long to_stride) {
    Eight rows[kSide], pairs[kSide], fours[kSide];
#pragma GCC unroll 8
    for (int i = 0; i < kSide; i++) rows[i] = *reinterpret_cast<const Eight*>(from + i * from_stride);
    // Within each half of a vector: two columns of two rows, then one column of four rows.
#pragma GCC unroll 4
    for (int i = 0; i < kSide; i += 2) {
        pairs[i] = __builtin_shufflevector(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = __builtin_shufflevector(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < kSide; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const Eight upper = pairs[i + j], lower = pairs[i + j + 2];
            fours[i + 2 * j] = __builtin_shufflevector(upper, lower, 0, 1, 8, 9, 4, 5, 12, 13);
            fours[i + 2 * j + 1] = __builtin_shufflevector(upper, lower, 2, 3, 10, 11, 6, 7, 14, 15);
        }
#pragma GCC unroll 4
    for (int j = 0; j < kSide / 2; j++) {
        const Eight upper = fours[j], lower = fours[j + kSide / 2];
        *reinterpret_cast<Eight*>(to + j * to_stride) =
            __builtin_shufflevector(upper, lower, 0, 1, 2, 3, 8, 9, 10, 11);
        *reinterpret_cast<Eight*>(to + (j + kSide / 2) * to_stride) =
            __builtin_shufflevector(upper, lower, 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

// to (columns, rows) = from (rows, columns)^T
inline void transpose(long rows, long columns, const float* from, long from_stride, float* to, long to_stride) {
    const long whole_rows = rows / kSide * kSide, whole_columns = columns / kSide * kSide;
    for (long j = 0; j < whole_columns; j += kSide)
        for (long i = 0; i < whole_rows; i += kSide)
            transpose_square(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    for (long i = 0; i < rows; i++)
        for (long j = i < whole_rows ? whole_columns : 0; j < columns; j++)
            to[j * to_stride + i] = from[i * from_stride + j];
}

}  // namespace hssl
