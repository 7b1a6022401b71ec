// Batch norm over rows with what stands behind it, in training: y = [ReLU](norm(x) [+ beside]), and the way back.
// Compiled once per instruction set (ISA names it); it shares no code with another object: see vectors.h.
//
// Two passes each way in place of four: statistics, then everything else. Rows are summed in blocks that stay in the
// second-level cache, blocks in double precision and always in the same order, so that the numbers do not depend on how
// many threads there are.
#include <cstdint>
#include <cmath>
#include <cstring>

#include "level.h"
#include "numbers.h"
#include "parallel.h"

namespace {

enum { BLOCK = 256 };

// Rows (x, beside, y and their gradients) are float32 or bfloat16, everything else is float32.
struct Norm {
    const void *x, *beside;
    const float* bias;
    int64_t rows, channels;
    int relu;
    void* y;
    double *sums, *squares;  // of every block: (blocks, channels) each
    const float *mean, *scale;
    // The way back.
    const void* grad;
    void *grad_x, *grad_beside;
    const float *by_sum, *by_product;
};

static inline int64_t block_end(const Norm& n, int64_t block) {
    const int64_t end = (block + 1) * BLOCK;
    return end < n.rows ? end : n.rows;
}

// The loops see plain pointers that do not overlap: only then the compiler makes vectors of them.

// Mean of a block and the sum of squares about it: no difference of large numbers.
template <class T> void statistics_task(const void* state, int64_t block, void* room) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block), c = n.channels;
    float* __restrict sum = (float*)room;
    float* __restrict square = sum + c;
    memset(room, 0, (size_t)c * 8);
    for (int64_t r = r0; r < r1; r++) {
        const T* __restrict x = (const T*)n.x + r * c;
        for (int64_t i = 0; i < c; i++) sum[i] += wide(x[i]);
    }
    for (int64_t i = 0; i < c; i++) sum[i] /= (float)(r1 - r0);
    for (int64_t r = r0; r < r1; r++) {
        const T* __restrict x = (const T*)n.x + r * c;
        for (int64_t i = 0; i < c; i++) {
            const float off = wide(x[i]) - sum[i];
            square[i] += off * off;
        }
    }
    for (int64_t i = 0; i < c; i++) n.sums[block * c + i] = sum[i], n.squares[block * c + i] = square[i];
}

template <class T, bool BESIDE, bool RELU> void apply_rows(const Norm& n, int64_t r0, int64_t r1) {
    const int64_t c = n.channels;
    const float* __restrict mean = n.mean;
    const float* __restrict scale = n.scale;
    const float* __restrict bias = n.bias;
    for (int64_t r = r0; r < r1; r++) {
        const T* __restrict x = (const T*)n.x + r * c;
        const T* __restrict beside = BESIDE ? (const T*)n.beside + r * c : x;
        T* __restrict y = (T*)n.y + r * c;
        for (int64_t i = 0; i < c; i++) {
            float value = (wide(x[i]) - mean[i]) * scale[i] + bias[i];
            if (BESIDE) value += wide(beside[i]);
            narrow(RELU && value < 0 ? 0.0f : value, y + i);  // NaN stays
        }
    }
}

template <class T> void apply_task(const void* state, int64_t block, void*) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block);
    if (n.beside && n.relu) apply_rows<T, true, true>(n, r0, r1);
    else if (n.beside) apply_rows<T, true, false>(n, r0, r1);
    else if (n.relu) apply_rows<T, false, true>(n, r0, r1);
    else apply_rows<T, false, false>(n, r0, r1);
}

// Sums over a block of the gradient behind the ReLU, and of its product with x - mean.
template <class T, bool RELU>
void gradient_sums(const Norm& n, int64_t r0, int64_t r1, float* __restrict sum, float* __restrict product) {
    const int64_t c = n.channels;
    const float* __restrict mean = n.mean;
    for (int64_t r = r0; r < r1; r++) {
        const T* __restrict x = (const T*)n.x + r * c;
        const T* __restrict y = (const T*)n.y + r * c;
        const T* __restrict grad = (const T*)n.grad + r * c;
        for (int64_t i = 0; i < c; i++) {
            const float seen = wide(grad[i]);
            const float g = !RELU || wide(y[i]) > 0 ? seen : 0.0f;
            sum[i] += g;
            product[i] += g * (wide(x[i]) - mean[i]);
        }
    }
}

template <class T> void gradient_task(const void* state, int64_t block, void* room) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block), c = n.channels;
    float *sum = (float*)room, *product = sum + c;
    memset(sum, 0, (size_t)c * 8);
    if (n.relu) gradient_sums<T, true>(n, r0, r1, sum, product);
    else gradient_sums<T, false>(n, r0, r1, sum, product);
    for (int64_t i = 0; i < c; i++) n.sums[block * c + i] = sum[i], n.squares[block * c + i] = product[i];
}

template <class T, bool BESIDE, bool RELU> void back_rows(const Norm& n, int64_t r0, int64_t r1, T* __restrict none) {
    const int64_t c = n.channels;
    const float* __restrict mean = n.mean;
    const float* __restrict scale = n.scale;
    const float* __restrict by_sum = n.by_sum;
    const float* __restrict by_product = n.by_product;
    for (int64_t r = r0; r < r1; r++) {
        const T* __restrict x = (const T*)n.x + r * c;
        const T* __restrict y = (const T*)n.y + r * c;
        const T* __restrict grad = (const T*)n.grad + r * c;
        T* __restrict to = (T*)n.grad_x + r * c;
        T* __restrict beside = BESIDE ? (T*)n.grad_beside + r * c : none;
        for (int64_t i = 0; i < c; i++) {
            const float seen = wide(grad[i]);
            const float g = !RELU || wide(y[i]) > 0 ? seen : 0.0f;
            narrow((g - by_sum[i] - (wide(x[i]) - mean[i]) * by_product[i]) * scale[i], to + i);
            if (BESIDE) narrow(g, beside + i);
        }
    }
}

template <class T> void back_task(const void* state, int64_t block, void*) {
    const Norm& n = *(const Norm*)state;
    const int64_t r0 = block * BLOCK, r1 = block_end(n, block);
    if (n.grad_beside && n.relu) back_rows<T, true, true>(n, r0, r1, nullptr);
    else if (n.grad_beside) back_rows<T, true, false>(n, r0, r1, nullptr);
    else if (n.relu) back_rows<T, false, true>(n, r0, r1, nullptr);
    else back_rows<T, false, false>(n, r0, r1, nullptr);
}

}  // namespace

// y (rows, channels). `mean`, `variance` (biased) and `scale` (weight / deviation) are written, (channels,) each;
// `work` has room for 2 * blocks * channels doubles, blocks of 256 rows.
PPKT_EXPORT int NAME(norm)(const void* x, const void* beside, const float* weight, const float* bias, int64_t rows,
                           int64_t channels, double eps, int relu, void* y, float* mean, float* variance, float* scale,
                           double* work, int half, int threads) {
    const int64_t blocks = (rows + BLOCK - 1) / BLOCK;
    Norm n{};
    n.x = x, n.beside = beside, n.bias = bias, n.rows = rows, n.channels = channels, n.relu = relu;
    n.y = y, n.sums = work, n.squares = work + blocks * channels, n.mean = mean, n.scale = scale;
    const int error = ppkt_run(threads, blocks, channels * 8, half ? statistics_task<bf16> : statistics_task<float>, &n);
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
    return ppkt_run(threads, blocks, 0, half ? apply_task<bf16> : apply_task<float>, &n);
}

// Gradients of x, of what stood beside it (or null), of weight and bias; `mean`, `variance`, `scale` as written before.
PPKT_EXPORT int NAME(norm_back)(const void* x, const void* y, const void* grad, const float* mean,
                                const float* variance, const float* scale, int64_t rows, int64_t channels, double eps,
                                int relu, void* grad_x, void* grad_beside, float* grad_weight, float* grad_bias,
                                float* by_sum, float* by_product, double* work, int half, int threads) {
    const int64_t blocks = (rows + BLOCK - 1) / BLOCK;
    Norm n{};
    n.x = x, n.y = (void*)y, n.grad = grad, n.mean = mean, n.scale = scale, n.rows = rows, n.channels = channels;
    n.relu = relu, n.grad_x = grad_x, n.grad_beside = grad_beside, n.by_sum = by_sum, n.by_product = by_product;
    n.sums = work, n.squares = work + blocks * channels;
    const int error = ppkt_run(threads, blocks, channels * 8, half ? gradient_task<bf16> : gradient_task<float>, &n);
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
    return ppkt_run(threads, blocks, 0, half ? back_task<bf16> : back_task<float>, &n);
}
