// Weights in the order in which the products read them. Compiled once per instruction set (ISA names it); see vectors.h.
#include "level.h"
#include "parallel.h"
#include "vectors.h"

namespace {

// Weights (N, K, C) → for each offset and panel a block (depth, panel), with zeros behind the last channel.
// `back`: the way of the gradient, depth = N and columns = C; else depth = C, columns = N, times scale (N).
struct Pack {
    const float* weight;
    void* packed;
    int64_t n, k, c;
    int back, half;
    const float* scale;
};

// One block (depth, width) of float32 on the way forward. Its inner part is transposed in registers, where whole
// vectors of input channels meet whole vectors of output channels; edges go number by number.
void pack_floats(const Pack& p, const float* from, float* to, int64_t width, int64_t real, const float* scale) {
    const int64_t by_n = p.k * p.c, depth = p.c;
    const int64_t whole_depth = depth / LANES * LANES, whole_width = real / LANES * LANES;
    for (int64_t d0 = 0; d0 < whole_depth; d0 += LANES)
        for (int64_t j0 = 0; j0 < whole_width; j0 += LANES) {
            vec r[LANES];
            for (int i = 0; i < LANES; i++) {
                r[i] = load(from + (j0 + i) * by_n + d0);
                if (scale) r[i] *= scale[j0 + i];
            }
            transpose(r);
            for (int i = 0; i < LANES; i++) store(to + (d0 + i) * width + j0, r[i]);
        }
    for (int64_t j = 0; j < width; j++)
        for (int64_t d = j < whole_width ? whole_depth : 0; d < depth; d++)
            to[d * width + j] = j < real ? from[j * by_n + d] * (scale ? scale[j] : 1.0f) : 0.0f;
}

// One offset of float32 on the way back: rows of input channels are copied, cut into panels.
void pack_back(const Pack& p, int64_t offset) {
    const Panels panels = Panels::of(p.c);
    for (int64_t n = 0; n < p.n; n++) {
        const float* from = p.weight + (n * p.k + offset) * p.c;
        for (int64_t panel = 0; panel < panels.count; panel++) {
            const int64_t first = panels.start(panel) * LANES, width = panels.vecs(panel) * (int64_t)LANES;
            float* to = block((float*)p.packed, offset, p.c, p.n, panels.start(panel)) + n * width;
            int64_t j = 0;
            for (; j < width && first + j + LANES <= p.c; j += LANES) store(to + j, load(from + first + j));
            for (; j < width; j++) to[j] = first + j < p.c ? from[first + j] : 0.0f;
        }
    }
}

void pack_block(const Pack& p, int64_t offset, int64_t panel) {
    const int64_t cols = p.back ? p.c : p.n, depth = p.back ? p.n : p.c, by_n = p.k * p.c;
    const Panels panels = Panels::of(cols);
    const int64_t first = panels.start(panel) * LANES, width = panels.vecs(panel) * (int64_t)LANES;
    const int64_t real = least(width, cols - first);
    const float* from = p.weight + offset * p.c + first * (p.back ? 1 : by_n);
    const float* scale = p.scale && !p.back ? p.scale + first : nullptr;
    if (!p.half) {
        pack_floats(p, from, block((float*)p.packed, offset, cols, depth, panels.start(panel)), width, real, scale);
        return;
    }
    const int64_t pairs = packed_depth(depth, 1);
    bf16* to = block((bf16*)p.packed, offset, cols, pairs, panels.start(panel));
    for (int64_t d = 0; d < pairs; d++)
        for (int64_t j = 0; j < width; j++) {
            float value = 0.0f;
            if (d < depth && j < real)
                value = p.back ? from[d * by_n + j] : from[j * by_n + d] * (scale ? scale[j] : 1.0f);
            narrow(value, to + (d / 2 * width + j) * 2 + d % 2);
        }
}

INLINE int64_t pack_parts(const Pack& p) { return p.back && !p.half ? 1 : Panels::of(p.back ? p.c : p.n).count; }

void pack_task(const void* state, int64_t task, void*) {
    const Pack& p = *(const Pack*)state;
    const int64_t parts = pack_parts(p);
    if (p.back && !p.half)
        pack_back(p, task);
    else
        pack_block(p, task / parts, task % parts);
}

}  // namespace

// Numbers that a packed weight has room for.
PPKT_EXPORT int64_t NAME(packed_size)(int64_t n, int64_t k, int64_t c, int back, int half) {
    return k * padded(back ? c : n) * packed_depth(back ? n : c, half);
}

PPKT_EXPORT int NAME(pack)(const float* weight, void* packed, int64_t n, int64_t k, int64_t c, int back, int half,
                           const float* scale, int threads) {
    const Pack p{weight, packed, n, k, c, back, half, scale};
    return ppkt_run(threads, k * pack_parts(p), 0, pack_task, &p);
}
