// Sparse convolution: forward, and the gradient of the weight. Compiled once per instruction set (ISA names it).
//
// The rows of the output are cut into tiles of 256. For each tile and each offset of the kernel the map lists the pairs
// of rows that meet; a register tile of some pairs times some vectors of output channels is loaded from the output,
// multiplied through all input channels and stored again. Nothing is gathered into memory and nothing is padded. The
// way back is the same over the reversed map. The gradient of the weight is an outer product summed over pairs.
// Processors that have tiles multiply bfloat16 with those instead: tiles.h.
//
// Several objects of this source are linked together, so nothing here may be shared between them: everything is in an
// anonymous namespace, and no template of the standard library is used (the linker would keep one copy of it, perhaps
// the one with instructions that the processor lacks).
#include <cstdint>
#include <cstring>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "level.h"
#include "numbers.h"
#include "parallel.h"

namespace {

// Numbers of a vector, vectors of a panel, pairs of a register tile of a whole panel.
#if defined(__AVX512F__) || defined(PPKT_WIDE)  // PPKT_WIDE: to test these sizes on a processor without AVX-512
enum { LANES = 16, VECS = 4, ROWS = 6 };
#define FOUR_VECS 1
#elif defined(__AVX__)
enum { LANES = 8, VECS = 2, ROWS = 6 };
#elif defined(__aarch64__)
enum { LANES = 4, VECS = 4, ROWS = 6 };  // 32 registers
#define FOUR_VECS 1
#else
enum { LANES = 4, VECS = 2, ROWS = 6 };
#endif
enum { TILE = 256, PANEL = LANES * VECS };

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4)));
typedef uint32_t bits __attribute__((vector_size(LANES * 4)));
typedef uint32_t loose_bits __attribute__((vector_size(LANES * 4), aligned(4)));

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t padded(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }
INLINE vec load(const float* from) { return (vec)(*(const loose*)from); }
INLINE void store(float* to, vec value) { *(loose*)to = (loose)value; }

// Panels: the output channels in runs of at most VECS vectors, as even as can be. The last vector may be padded.
struct Panels {
    int64_t count, vectors;
    INLINE Panels of(int64_t channels) {
        const int64_t vectors = padded(channels) / LANES;
        return Panels{(vectors + VECS - 1) / VECS, vectors};
    }
    int64_t start(int64_t panel) const { return panel * vectors / count; }
    int vecs(int64_t panel) const { return (int)(start(panel + 1) - start(panel)); }
};

// ---------------------------------------------------------------------------------------------- products of pairs

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
INLINE vec low_half(bits w) { return (vec)(w << 16); }
INLINE vec high_half(bits w) { return (vec)(w & 0xffff0000u); }

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

// -------------------------------------------------------------------------------------------------- packed weights

// Weights (N, K, C) → for each offset and panel a block (depth, panel), with zeros behind the last channel.
// `back`: the way of the gradient, depth = N and columns = C; else depth = C, columns = N, times scale (N).
struct Pack {
    const float* weight;
    void* packed;
    int64_t n, k, c;
    int back, half;
    const float* scale;
};

INLINE int64_t packed_depth(int64_t depth, int half) { return half ? (depth + 1) / 2 * 2 : depth; }

template <class T> INLINE T* block(T* packed, int64_t offset, int64_t cols, int64_t depth, int64_t start) {
    return packed + (offset * padded(cols) + start * LANES) * depth;
}

// Transposes LANES x LANES numbers in registers: each step swaps the off-diagonal blocks of edge S.
template <int... I> struct Indices {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { typedef Indices<I...> type; };

template <int S, int... I> INLINE void swap_blocks(vec* r, Indices<I...>) {
    for (int i = 0; i < LANES; i++)
        if (!(i & S)) {
            const vec a = r[i], b = r[i | S];
            r[i] = __builtin_shufflevector(a, b, (I & S ? I - S + LANES : I)...);
            r[i | S] = __builtin_shufflevector(a, b, (I & S ? I + LANES : I + S)...);
        }
}

INLINE void transpose(vec* r) {
    typedef typename Count<LANES>::type all;
    swap_blocks<1>(r, all());
    swap_blocks<2>(r, all());
    if constexpr (LANES > 4) swap_blocks<4>(r, all());
    if constexpr (LANES > 8) swap_blocks<8>(r, all());
}

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

#if defined(__AMX_BF16__)
#include "tiles.h"
#endif

// --------------------------------------------------------------------------------------------------------- forward

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
    Products<T> products(f, sums + TILE * width);
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
        if (!n) continue;
        const int64_t offset = f.flip ? f.offsets - 1 - o : o;
        products.take(f.partner + at, f.local + at, n);
        for (int64_t p = p0; p < p1; p++) {
            const T* w = block((const T*)f.packed, offset, f.cols, depth, panels.start(p));
            float* to = sums + panels.start(p) * LANES - c0;
            switch (panels.vecs(p)) {
#define CASE(V) \
    case V: products.template add<V>(w, to, ld); break;
                CASE(1)
                CASE(2)
#if FOUR_VECS
                CASE(3)
                CASE(4)
#endif
#undef CASE
            }
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

// ------------------------------------------------------------------------------------------- gradient of the weight

struct Weight {
    const void* in;
    int64_t c;
    const void* grad;
    int64_t n;
    const int64_t* start;
    const int32_t* partner;
    const uint8_t* local;
    int64_t offsets, rows;
    int flip;
    float* total;
    int64_t stripes, groups;  // the runs of tiles and of offsets that are tasks of their own
};

// Copies a row, as float32, with zeros up to `width`.
INLINE void gather(const float* from, int64_t count, float* to, int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    for (; i < count; i++) to[i] = from[i];
    for (; i < width; i++) to[i] = 0.0f;
}
INLINE void gather(const bf16* from, int64_t count, float* to, int64_t width) {
    for (int64_t i = 0; i < count; i++) to[i] = wide(from[i]);
    for (int64_t i = count; i < width; i++) to[i] = 0.0f;
}

// total[R rows][V vectors] = [total] + the sum over n pairs of g[.][R] * x[.][V vectors]
template <int R, int V>
INLINE void outer(const float* g, int64_t ldg, const float* x, int64_t ldx, int64_t n, bool fresh, float* total,
                  int64_t ldt) {
    vec acc[R][V];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) acc[r][v] = fresh ? vec{} : load(total + r * ldt + v * LANES);
    for (int64_t p = 0; p < n; p++, g += ldg, x += ldx) {
        vec b[V];
        for (int v = 0; v < V; v++) b[v] = load(x + v * LANES);
        for (int r = 0; r < R; r++)
            for (int v = 0; v < V; v++) acc[r][v] += g[r] * b[v];
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(total + r * ldt + v * LANES, acc[r][v]);
}

template <int V>
void outers(const float* g, int64_t rows, const float* x, int64_t ldx, int64_t n, bool fresh, float* total,
            int64_t ldt) {
    enum { R = ROWS * VECS / V > 8 ? 8 : ROWS * VECS / V };
    int64_t r = 0;
    for (; r + R <= rows; r += R) outer<R, V>(g + r, rows, x, ldx, n, fresh, total + r * ldt, ldt);
    for (; r + 2 <= rows; r += 2) outer<2, V>(g + r, rows, x, ldx, n, fresh, total + r * ldt, ldt);
    for (; r < rows; r++) outer<1, V>(g + r, rows, x, ldx, n, fresh, total + r * ldt, ldt);
}

// total (rows, channels) = [total] + gᵀ · x for n gathered pairs, g (n, rows) and x (n, channels in whole vectors).
void outer_rows(const float* g, int64_t rows, const float* x, int64_t channels, int64_t n, bool fresh, float* total,
                int64_t ldt) {
    const Panels panels = Panels::of(channels);
    for (int64_t p = 0; p < panels.count; p++) {
        const int64_t column = panels.start(p) * LANES;
        switch (panels.vecs(p)) {
#define CASE(V) \
    case V: outers<V>(g, rows, x + column, padded(channels), n, fresh, total + column, ldt); break;
            CASE(1)
            CASE(2)
#if FOUR_VECS
            CASE(3)
            CASE(4)
#endif
#undef CASE
        }
    }
}

enum { GROUP_BYTES = 1 << 18, RUN_BYTES = 1 << 16, RUN = 96, SPAN = 4 };

// Pairs at a time, whose rows stay in the first-level cache while every register tile walks them.
INLINE int64_t weight_run(int64_t channels) {
    const int64_t fit = RUN_BYTES / (channels * 4);
    return fit < 16 ? 16 : least(fit, RUN);
}

// Pairs that wait to be multiplied: their rows, as float32, side by side.
template <class T> struct GatheredRun {
    float *x, *g;
    int64_t channels, outputs, most, count;

    INLINE int64_t bytes(int64_t n, int64_t c) { return weight_run(n + c) * (padded(c) + n) * 4; }
    INLINE void end() {}
    INLINE GatheredRun in(void* room, int64_t n, int64_t c, int64_t most) {
        return GatheredRun{(float*)room, (float*)room + most * padded(c), c, n, most, 0};
    }
    bool take(const T* grad, const T* in) {
        gather(grad, outputs, g + count * outputs, outputs);
        gather(in, channels, x + count * padded(channels), padded(channels));
        return ++count == most;
    }
    void multiply(float* to, int64_t ld, bool fresh) {
        outer_rows(g, outputs, x, channels, count, fresh, to, ld);
        count = 0;
    }
};

template <class T> struct Runs { typedef GatheredRun<T> type; };
#if defined(__AMX_BF16__)
template <> struct Runs<bf16> { typedef TileRun type; };
#endif

// Where the gradient at one offset lies in the result, rows f.offsets * f.c apart.
INLINE float* weight_place(const Weight& f, int64_t stripe, int64_t offset) {
    const int64_t place = f.flip ? f.offsets - 1 - offset : offset;
    return f.total + (stripe * f.n * f.offsets + place) * f.c;
}

// Few rows, one tile, go to their place at once: then output channels are the tasks, whose sums lie together there.
enum { CHANNELS = 24 };
INLINE bool in_place(const Weight& f) { return f.c % LANES == 0 && f.rows <= TILE; }

// Some offsets over one stripe of tiles. Tiles come first: their rows stay in the cache while all offsets read them.
template <class T> void weight_task(const void* state, int64_t task, void* room) {
    const Weight& f = *(const Weight*)state;
    const bool direct = in_place(f);
    const int64_t group = task / f.stripes, stripe = task % f.stripes;
    const int64_t o0 = direct ? 0 : f.offsets * group / f.groups;
    const int64_t o1 = direct ? f.offsets : f.offsets * (group + 1) / f.groups;
    const int64_t n0 = direct ? group * CHANNELS : 0, n1 = direct ? least(f.n, n0 + CHANNELS) : f.n;
    const int64_t tiles = (f.rows + TILE - 1) / TILE, wide_c = padded(f.c), size = f.n * wide_c;
    const int64_t ld = direct ? f.offsets * f.c : wide_c;
    typedef typename Runs<T>::type Run;
    Run run = Run::in(room, n1 - n0, f.c, weight_run(f.n + f.c));
    float* const sums = (float*)((char*)room + Run::bytes(f.n, f.c));
    uint8_t* const begun = (uint8_t*)(sums + (direct ? 0 : (o1 - o0) * size));
    memset(begun, 0, (size_t)(o1 - o0));
    const int64_t end = tiles * (stripe + 1) / f.stripes;
    for (int64_t first = tiles * stripe / f.stripes; first < end; first += SPAN)
        for (int64_t o = o0; o < o1; o++) {
            float* const to = direct ? weight_place(f, stripe, o) + n0 * ld : sums + (o - o0) * size;
            for (int64_t tile = first; tile < least(end, first + SPAN); tile++) {
                const T* grad = (const T*)f.grad + tile * TILE * f.n + n0;
                const int64_t stop = f.start[tile * f.offsets + o + 1];
                for (int64_t q = f.start[tile * f.offsets + o]; q < stop; q++) {
                    if (!run.take(grad + f.local[q] * f.n, (const T*)f.in + f.partner[q] * f.c)) continue;
                    run.multiply(to, ld, !begun[o - o0]);
                    begun[o - o0] = 1;
                }
            }
            if (!run.count) continue;
            run.multiply(to, ld, !begun[o - o0]);
            begun[o - o0] = 1;
        }
    run.end();
    for (int64_t o = o0; o < o1; o++) {
        if (direct && begun[o - o0]) continue;
        float* to = weight_place(f, stripe, o) + n0 * f.offsets * f.c;
        for (int64_t n = n0; n < n1; n++, to += f.offsets * f.c)
            if (begun[o - o0])
                memcpy(to, sums + (o - o0) * size + n * wide_c, (size_t)f.c * 4);
            else
                memset(to, 0, (size_t)f.c * 4);
    }
}

void weight_sum(const void* state, int64_t n, void*) {
    const Weight& f = *(const Weight*)state;
    const int64_t row = f.offsets * f.c;
    float* to = f.total + n * row;
    for (int64_t s = 1; s < f.stripes; s++)
        for (int64_t i = 0; i < row; i++) to[i] += to[s * f.n * row + i];
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

// total (stripes, N, K, C), whose first part is the gradient of the canonical weight in the end. The sums depend on the
// number of stripes, never on the number of threads.
PPKT_EXPORT int NAME(weight)(const void* in, int64_t c, const void* grad, int64_t n, const int64_t* start,
                             const int32_t* partner, const uint8_t* local, int64_t offsets, int64_t rows,
                             int flip, float* total, int64_t stripes, int half, int threads) {
    Weight f{in, c, grad, n, start, partner, local, offsets, rows, flip, total, stripes, 1};
    int64_t room = (half ? Runs<bf16>::type::bytes(n, c) : Runs<float>::type::bytes(n, c)) + offsets;
    if (in_place(f)) {
        f.stripes = stripes = 1;
        f.groups = (n + CHANNELS - 1) / CHANNELS;
    } else {
        // Sums of a group stay in the second-level cache; with one stripe the offsets are all there is to share out.
        const int64_t bytes = n * padded(c) * 4, fit = bytes < GROUP_BYTES ? GROUP_BYTES / bytes : 1;
        f.groups = stripes == 1 ? offsets : least(offsets, (offsets + fit - 1) / fit + 2);
        room += (offsets + f.groups - 1) / f.groups * bytes;
    }
    const int error =
        ppkt_run(threads, f.groups * stripes, room, half ? weight_task<bf16> : weight_task<float>, &f);
    if (error || stripes == 1) return error;
    return ppkt_run(threads, n, 0, weight_sum, &f);
}
