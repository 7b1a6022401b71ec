// Batch norm over rows with what stands behind it, in training: y = [ReLU](norm(x) [+ beside]), and the way back.
// Compiled once per instruction set (ISA names it); like convolve.cpp it shares no code with another object.
//
// Two passes each way in place of four: statistics, then everything else. Rows are summed in blocks that stay in the
// second-level cache, blocks in double precision and always in the same order, so that the numbers do not depend on how
// many threads there are.
#include <cstdint>
#include <cmath>
#include <cstring>

#include "level.h"
#include "parallel.h"

namespace {

enum { BLOCK = 256 };

struct Norm {
    const float *x, *beside, *bias;
    int64_t rows, channels;
    int relu;
    float* y;
    double *sums, *squares;  // of every block: (blocks, channels) each
    const float *mean, *scale;
    // The way back.
    const float* grad;
    float *grad_x, *grad_beside;
    const float *by_sum, *by_product;
};

static inline int64_t block_end(const Norm& n, int64_t block) {
    const int64_t end = (block + 1) * BLOCK;
    return end < n.rows ? end : n.rows;
}

// The loops see plain pointers that do not overlap: only then the compiler makes vectors of them.

// Mean of a block and the sum of squares about it: no difference of large numbers.
void statistics_task(const void* state, int64_t block, void* room) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block), c = n.channels;
    float* __restrict sum = (float*)room;
    float* __restrict square = sum + c;
    memset(room, 0, (size_t)c * 8);
    for (int64_t r = r0; r < r1; r++) {
        const float* __restrict x = n.x + r * c;
        for (int64_t i = 0; i < c; i++) sum[i] += x[i];
    }
    for (int64_t i = 0; i < c; i++) sum[i] /= (float)(r1 - r0);
    for (int64_t r = r0; r < r1; r++) {
        const float* __restrict x = n.x + r * c;
        for (int64_t i = 0; i < c; i++) {
            const float off = x[i] - sum[i];
            square[i] += off * off;
        }
    }
    for (int64_t i = 0; i < c; i++) n.sums[block * c + i] = sum[i], n.squares[block * c + i] = square[i];
}

template <bool BESIDE, bool RELU> void apply_rows(const Norm& n, int64_t r0, int64_t r1) {
    const int64_t c = n.channels;
    const float* __restrict mean = n.mean;
    const float* __restrict scale = n.scale;
    const float* __restrict bias = n.bias;
    for (int64_t r = r0; r < r1; r++) {
        const float* __restrict x = n.x + r * c;
        const float* __restrict beside = BESIDE ? n.beside + r * c : x;
        float* __restrict y = n.y + r * c;
        for (int64_t i = 0; i < c; i++) {
            float value = (x[i] - mean[i]) * scale[i] + bias[i];
            if (BESIDE) value += beside[i];
            y[i] = RELU && value < 0 ? 0.0f : value;  // NaN stays
        }
    }
}

void apply_task(const void* state, int64_t block, void*) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block);
    if (n.beside && n.relu) apply_rows<true, true>(n, r0, r1);
    else if (n.beside) apply_rows<true, false>(n, r0, r1);
    else if (n.relu) apply_rows<false, true>(n, r0, r1);
    else apply_rows<false, false>(n, r0, r1);
}

// Sums over a block of the gradient behind the ReLU, and of its product with x - mean.
template <bool RELU>
void gradient_sums(const Norm& n, int64_t r0, int64_t r1, float* __restrict sum, float* __restrict product) {
    const int64_t c = n.channels;
    const float* __restrict mean = n.mean;
    for (int64_t r = r0; r < r1; r++) {
        const float* __restrict x = n.x + r * c;
        const float* __restrict y = n.y + r * c;
        const float* __restrict grad = n.grad + r * c;
        for (int64_t i = 0; i < c; i++) {
            const float seen = grad[i];
            const float g = !RELU || y[i] > 0 ? seen : 0.0f;
            sum[i] += g;
            product[i] += g * (x[i] - mean[i]);
        }
    }
}

void gradient_task(const void* state, int64_t block, void* room) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block), c = n.channels;
    float *sum = (float*)room, *product = sum + c;
    memset(sum, 0, (size_t)c * 8);
    if (n.relu) gradient_sums<true>(n, r0, r1, sum, product);
    else gradient_sums<false>(n, r0, r1, sum, product);
    for (int64_t i = 0; i < c; i++) n.sums[block * c + i] = sum[i], n.squares[block * c + i] = product[i];
}

template <bool BESIDE, bool RELU> void back_rows(const Norm& n, int64_t r0, int64_t r1, float* __restrict none) {
    const int64_t c = n.channels;
    const float* __restrict mean = n.mean;
    const float* __restrict scale = n.scale;
    const float* __restrict by_sum = n.by_sum;
    const float* __restrict by_product = n.by_product;
    for (int64_t r = r0; r < r1; r++) {
        const float* __restrict x = n.x + r * c;
        const float* __restrict y = n.y + r * c;
        const float* __restrict grad = n.grad + r * c;
        float* __restrict to = n.grad_x + r * c;
        float* __restrict beside = BESIDE ? n.grad_beside + r * c : none;
        for (int64_t i = 0; i < c; i++) {
            const float seen = grad[i];
            const float g = !RELU || y[i] > 0 ? seen : 0.0f;
            to[i] = (g - by_sum[i] - (x[i] - mean[i]) * by_product[i]) * scale[i];
            if (BESIDE) beside[i] = g;
        }
    }
}

void back_task(const void* state, int64_t block, void*) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block);
    if (n.grad_beside && n.relu) back_rows<true, true>(n, r0, r1, nullptr);
    else if (n.grad_beside) back_rows<true, false>(n, r0, r1, nullptr);
    else if (n.relu) back_rows<false, true>(n, r0, r1, nullptr);
    else back_rows<false, false>(n, r0, r1, nullptr);
}

}  // namespace

// y (rows, channels). `mean`, `variance` (biased) and `scale` (weight / deviation) are written, (channels,) each;
// `work` has room for 2 * blocks * channels doubles, blocks of 256 rows.
PPKT_EXPORT int NAME(norm)(const float* x, const float* beside, const float* weight, const float* bias, int64_t rows,
                           int64_t channels, double eps, int relu, float* y, float* mean, float* variance, float* scale,
                           double* work, int threads) {
    const int64_t blocks = (rows + BLOCK - 1) / BLOCK;
    Norm n{};
    n.x = x, n.beside = beside, n.bias = bias, n.rows = rows, n.channels = channels, n.relu = relu;
    n.y = y, n.sums = work, n.squares = work + blocks * channels, n.mean = mean, n.scale = scale;
    const int error = ppkt_run(threads, blocks, channels * 8, statistics_task, &n);
    if (error) return error;
    for (int64_t i = 0; i < channels; i++) {
        double sum = 0, square = 0;
        for (int64_t b = 0; b < blocks; b++) sum += n.sums[b * channels + i] * (double)(block_end(n, b) - b * BLOCK);
        const double middle = sum / (double)rows;
        for (int64_t b = 0; b < blocks; b++) {
            const double off = n.sums[b * channels + i] - middle;
            square += n.squares[b * channels + i] + off * off * (double)(block_end(n, b) - b * BLOCK);
        }
        mean[i] = (float)middle;
        variance[i] = (float)(square / (double)rows);
        scale[i] = (float)(weight[i] / std::sqrt(square / (double)rows + eps));
    }
    return ppkt_run(threads, blocks, 0, apply_task, &n);
}

// Gradients of x, of what stood beside it (or null), of weight and bias; `mean`, `variance`, `scale` as written before.
PPKT_EXPORT int NAME(norm_back)(const float* x, const float* y, const float* grad, const float* mean,
                                const float* variance, const float* scale, int64_t rows, int64_t channels, double eps,
                                int relu, float* grad_x, float* grad_beside, float* grad_weight, float* grad_bias,
                                float* by_sum, float* by_product, double* work, int threads) {
    const int64_t blocks = (rows + BLOCK - 1) / BLOCK;
    Norm n{};
    n.x = x, n.y = (float*)y, n.grad = grad, n.mean = mean, n.scale = scale, n.rows = rows, n.channels = channels;
    n.relu = relu, n.grad_x = grad_x, n.grad_beside = grad_beside, n.by_sum = by_sum, n.by_product = by_product;
    n.sums = work, n.squares = work + blocks * channels;
    const int error = ppkt_run(threads, blocks, channels * 8, gradient_task, &n);
    if (error) return error;
    for (int64_t i = 0; i < channels; i++) {
        double sum = 0, product = 0;
        for (int64_t b = 0; b < blocks; b++) sum += n.sums[b * channels + i], product += n.squares[b * channels + i];
        const double spread = (double)variance[i] + eps;
        grad_bias[i] = (float)sum;
        grad_weight[i] = (float)(product / std::sqrt(spread));
        by_sum[i] = (float)(sum / (double)rows);
        by_product[i] = (float)(product / (double)rows / spread);
    }
    return ppkt_run(threads, blocks, 0, back_task, &n);
}
