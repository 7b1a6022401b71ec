// Sparse convolution. Compiled once per instruction set (ISA names it); see vectors.h.
//
// The rows of the output are cut into tiles of 256. For each tile and each offset of the kernel the map lists the pairs
// of rows that meet; a register tile of some pairs times some vectors of output channels is loaded from the output,
// multiplied through all input channels and stored again. Nothing is gathered into memory and nothing is padded. The
// way back is the same over the reversed map. Processors that have tiles multiply bfloat16 with those: tiles.h.
#include "level.h"
#include "parallel.h"
#include "tiles.h"
#include "vectors.h"

namespace {

// out[local[r]] += in[partner[r]][0 .. depth) * w[depth][V vectors], for R pairs.
template <int R, int V>
INLINE void product(const float* in, int64_t depth, const int32_t* partner, const float* w, float* out, int64_t ldo,
                    const uint8_t* local) {
    vec acc[R][V];
    const float* a[R];
    for (int r = 0; r < R; r++) {
        a[r] = in + partner[r] * depth;
        for (int v = 0; v < V; v++) acc[r][v] = load(out + local[r] * ldo + v * LANES);
    }
    for (int64_t c = 0; c < depth; c++) {
        vec b[V];
        for (int v = 0; v < V; v++) b[v] = load(w + c * (V * LANES) + v * LANES);
        for (int r = 0; r < R; r++) {
            const float s = a[r][c];
            for (int v = 0; v < V; v++) acc[r][v] += s * b[v];
        }
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(out + local[r] * ldo + v * LANES, acc[r][v]);
}

// The same for bfloat16: two input channels at a time, whose weights lie side by side in one 32-bit lane.
#if !defined(__AVX512BF16__)
INLINE vec low_half(bits w) { return (vec)(w << 16); }
INLINE vec high_half(bits w) { return (vec)(w & 0xffff0000u); }
#endif

template <int R, int V>
INLINE void product(const bf16* in, int64_t depth, const int32_t* partner, const bf16* w, float* out, int64_t ldo,
                    const uint8_t* local) {
    vec acc[R][V];
    const bf16* a[R];
    for (int r = 0; r < R; r++) {
        a[r] = in + partner[r] * depth;
        for (int v = 0; v < V; v++) acc[r][v] = load(out + local[r] * ldo + v * LANES);
    }
    for (int64_t c = 0; c < depth; c += 2) {
        bits b[V];
        for (int v = 0; v < V; v++) b[v] = (bits)(*(const loose_bits*)(w + (c * V + v * 2) * LANES));
        for (int r = 0; r < R; r++) {
            uint32_t pair;
            if (c + 1 < depth)
                memcpy(&pair, a[r] + c, 4);
            else
                pair = a[r][c];
#if defined(__AVX512BF16__)
            const __m512bh s = (__m512bh)_mm512_set1_epi32((int)pair);
            for (int v = 0; v < V; v++) acc[r][v] = (vec)_mm512_dpbf16_ps((__m512)acc[r][v], (__m512bh)b[v], s);
#else
            const float even = wide((bf16)pair), odd = wide((bf16)(pair >> 16));
            for (int v = 0; v < V; v++) {
                acc[r][v] += even * low_half(b[v]);
                acc[r][v] += odd * high_half(b[v]);
            }
#endif
        }
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(out + local[r] * ldo + v * LANES, acc[r][v]);
}

template <int V, class T>
void products(const T* in, int64_t depth, const int32_t* partner, const T* w, float* out, int64_t ldo,
              const uint8_t* local, int64_t n) {
    enum { R = ROWS * VECS / V > 12 ? 12 : ROWS * VECS / V };
    int64_t p = 0;
    for (; p + R <= n; p += R) product<R, V>(in, depth, partner + p, w, out, ldo, local + p);
    if (R > 6 && p + 6 <= n) {
        product<6, V>(in, depth, partner + p, w, out, ldo, local + p);
        p += 6;
    }
    while (p + 3 <= n) {
        product<3, V>(in, depth, partner + p, w, out, ldo, local + p);
        p += 3;
    }
    for (; p < n; p++) product<1, V>(in, depth, partner + p, w, out, ldo, local + p);
}

// ---------------------------------------------------------------------------------------------------------- tasks

struct Forward {
    const void* in;
    int64_t depth;
    const void* packed;
    const int64_t* start;
    const int32_t* partner;
    const uint8_t* local;
    int64_t offsets, rows;
    int flip;
    void* out;
    int64_t cols;
    const float* bias;
    int add, relu;
    int64_t parts;  // into how many runs of panels a tile is cut
};

// The pairs of a tile at one offset, and their products with one panel after another.
template <class T> struct Products {
    const T* in;
    int64_t depth, n;
    const int32_t* partner;
    const uint8_t* local;

    Products(const Forward& f, void*) : in((const T*)f.in), depth(f.depth) {}
    static int64_t room(int64_t) { return 0; }
    void end() {}
    void take(const int32_t* partners, const uint8_t* locals, int64_t count) {
        partner = partners, local = locals, n = count;
    }
    template <int V> void add(const T* w, float* to, int64_t ld) const {
        products<V>(in, depth, partner, w, to, ld, local, n);
    }
};

#if defined(__AMX_BF16__)
template <> struct Products<bf16> {
    const bf16* in;
    int64_t depth, n;
    const uint8_t* local;
    bf16* rows;
    float* sums;

    Products(const Forward& f, void* room)
        : in((const bf16*)f.in), depth(f.depth), rows((bf16*)room), sums((float*)(rows + TILE * gathered_depth(depth))) {
        shape_tiles(last_depth(depth));
    }
    void end() { _tile_release(); }
    static int64_t room(int64_t depth) { return forward_tile_room(depth); }
    void take(const int32_t* partner, const uint8_t* locals, int64_t count) {
        local = locals, n = count;
        gather_rows(in, depth, partner, n, rows);
    }
    template <int V> void add(const bf16* w, float* to, int64_t ld) const {
        tile_products<V>(rows, depth, w, to, ld, local, n, sums);
    }
};
#endif

template <class T> void forward_task(const void* state, int64_t task, void* room) {
    const Forward& f = *(const Forward*)state;
    const bool half = sizeof(T) == 2;
    const Panels panels = Panels::of(f.cols);
    const int64_t tile = task / f.parts, part = task % f.parts;
    const int64_t p0 = panels.count * part / f.parts, p1 = panels.count * (part + 1) / f.parts;
    const int64_t r0 = tile * TILE, rows = least(TILE, f.rows - r0);
    const int64_t c0 = panels.start(p0) * LANES, width = panels.start(p1) * LANES - c0;
    const int64_t real = least(width, f.cols - c0);
    T* out = (T*)f.out + r0 * f.cols + c0;
    // Sums stand in the output itself where it is of whole float vectors, else in this thread's memory.
    const bool direct = !half && f.cols % LANES == 0;
    float* sums = direct ? (float*)out : (float*)room;
    Products<T> products(f, (float*)room + (half ? TILE * width : 0));
    const int64_t ld = direct ? f.cols : width;
    if (!direct || !f.add || f.bias)
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t c = 0; c < real; c++)
                sums[r * ld + c] = (f.add ? wide(out[r * f.cols + c]) : 0.0f) + (f.bias ? f.bias[c0 + c] : 0.0f);
            for (int64_t c = real; c < width; c++) sums[r * ld + c] = 0.0f;
        }
    const int64_t depth = packed_depth(f.depth, half);
    for (int64_t o = 0; o < f.offsets; o++) {
        const int64_t at = f.start[tile * f.offsets + o], n = f.start[tile * f.offsets + o + 1] - at;
        if (!n || !f.depth) continue;
        const int64_t offset = f.flip ? f.offsets - 1 - o : o;
        products.take(f.partner + at, f.local + at, n);
        for (int64_t p = p0; p < p1; p++) {
            const T* w = block((const T*)f.packed, offset, f.cols, depth, panels.start(p));
            float* to = sums + panels.start(p) * LANES - c0;
            for_vectors(panels.vecs(p), [&](auto vectors) {
                products.template add<decltype(vectors)::COUNT>(w, to, ld);
            });
        }
    }
    products.end();
    if (direct && !f.relu) return;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < real; c++) {
            const float value = sums[r * ld + c];
            narrow(f.relu && !(value > 0) && value == value ? 0.0f : value, out + r * f.cols + c);
        }
}

}  // namespace

// out (rows, cols) = [bias] + [out] + the sum over offsets; then ReLU. `flip`: offset o of the map takes weight K-1-o.
PPKT_EXPORT int NAME(forward)(const void* in, int64_t depth, const void* packed, const int64_t* start,
                              const int32_t* partner, const uint8_t* local, int64_t offsets, int64_t rows, int flip,
                              void* out, int64_t cols, const float* bias, int add, int relu, int half, int threads) {
    Forward f{in, depth, packed, start, partner, local, offsets, rows, flip, out, cols, bias, add, relu, 1};
    const int64_t tiles = (rows + TILE - 1) / TILE, panels = Panels::of(cols).count;
    // Few tiles: runs of panels are tasks of their own. The numbers do not depend on how it is cut.
    if (threads > 1 && tiles < 4 * threads) f.parts = least(panels, (4 * threads + tiles - 1) / tiles);
    const int64_t sums = half || cols % LANES ? TILE * padded(cols) * 4 : 0;
    const int64_t room = sums + (half ? Products<bf16>::room(depth) : Products<float>::room(depth));
    return ppkt_run(threads, tiles * f.parts, room, half ? forward_task<bf16> : forward_task<float>, &f);
}
