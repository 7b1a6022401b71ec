// Products of bfloat16 by the processor's tiles (AMX): 16 rows by 16 columns by 32 numbers in one instruction.
// Empty where the instruction set has none.
//
// Tiles are loaded from rows at equal distances, so rows are gathered first; that is a small part of what the products
// would cost without tiles. Sums of 16 rows at a time go through memory back to where they belong.
//
// A task sets the tiles' shapes when it begins and gives them back when it ends: nobody else in this thread, such as
// oneDNN, finds them changed while it uses them.

#pragma once
#include "vectors.h"

#if defined(__AMX_BF16__)
namespace {

// Rows of a tile, as many as float32 numbers in one of them; bfloat16 numbers in one of them.
enum { EDGE = 16, DEEP = 32 };

// The compiler does not know that loading a tile reads memory: what was written before must be there.
#define WRITTEN() __asm__ volatile("" ::: "memory")

// Tiles 0 to 3 are sums, 4 to 7 factors; of the factors, 6 and 7 have `deep` numbers of depth in place of 32.
INLINE void shape_tiles(int64_t deep) {
    struct {
        uint8_t palette, start, none[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) shape;
    memset(&shape, 0, sizeof shape);
    shape.palette = 1;
    for (int t = 0; t < 8; t++) shape.bytes[t] = 64, shape.rows[t] = EDGE;
    shape.bytes[6] = (uint16_t)(deep * 2);
    shape.rows[7] = (uint8_t)(deep / 2);
    WRITTEN();
    _tile_loadconfig(&shape);
}

// ---------------------------------------------------------------------------------------------- products of pairs

INLINE int64_t gathered_depth(int64_t depth) { return (depth + DEEP - 1) / DEEP * DEEP; }
INLINE int64_t forward_tile_room(int64_t depth) { return TILE * gathered_depth(depth) * 2 + EDGE * PANEL * 4; }
INLINE int64_t last_depth(int64_t depth) { return depth % DEEP ? packed_depth(depth % DEEP, 1) : (int64_t)DEEP; }

// Rows of n pairs side by side, with zeros up to whole tiles.
INLINE void gather_rows(const bf16* in, int64_t depth, const int32_t* partner, int64_t n, bf16* to) {
    const int64_t ld = gathered_depth(depth);
    const __mmask32 last = depth % DEEP ? ((__mmask32)1 << depth % DEEP) - 1 : ~(__mmask32)0;
    for (int64_t p = 0; p < n; p++) {
        const bf16* from = in + (int64_t)partner[p] * depth;
        bf16* row = to + p * ld;
        for (int64_t c = 0; c + DEEP < ld; c += DEEP) _mm512_store_si512(row + c, _mm512_loadu_si512(from + c));
        _mm512_store_si512(row + ld - DEEP, _mm512_maskz_loadu_epi16(last, from + ld - DEEP));
    }
    WRITTEN();
}

// out[local[p]] += gathered[p][0 .. depth) * w[depth][V vectors], for n pairs; `sums`: room for 16 rows.
template <int V>
void tile_products(const bf16* gathered, int64_t depth, const bf16* w, float* out, int64_t ldo, const uint8_t* local,
                   int64_t n, float* sums) {
    const int64_t ld = gathered_depth(depth), bytes = V * 64;
    for (int64_t p = 0; p < n; p += EDGE, gathered += EDGE * ld) {
        _tile_zero(0);
        if (V > 1) _tile_zero(1);
        if (V > 2) _tile_zero(2);
        if (V > 3) _tile_zero(3);
        const bf16* b = w;
        int64_t c = 0;
#define STEP(A, B) \
    _tile_loadd(A, gathered + c, ld * 2); \
    _tile_loadd(B, b, bytes); \
    _tile_dpbf16ps(0, A, B); \
    if (V > 1) { \
        _tile_loadd(B, b + 32, bytes); \
        _tile_dpbf16ps(1, A, B); \
    } \
    if (V > 2) { \
        _tile_loadd(B, b + 64, bytes); \
        _tile_dpbf16ps(2, A, B); \
    } \
    if (V > 3) { \
        _tile_loadd(B, b + 96, bytes); \
        _tile_dpbf16ps(3, A, B); \
    }
        for (; c + DEEP < ld; c += DEEP, b += DEEP * V * LANES) {
            STEP(4, 5)
        }
        STEP(6, 7)
#undef STEP
        _tile_stored(0, sums, bytes);
        if (V > 1) _tile_stored(1, sums + 16, bytes);
        if (V > 2) _tile_stored(2, sums + 32, bytes);
        if (V > 3) _tile_stored(3, sums + 48, bytes);
        const int64_t count = least(EDGE, n - p);
        for (int64_t r = 0; r < count; r++) {
            float* to = out + local[p + r] * ldo;
            for (int v = 0; v < V; v++) store(to + v * LANES, load(to + v * LANES) + load(sums + (r * V + v) * LANES));
        }
    }
}

// ------------------------------------------------------------------------------------------- gradient of the weight

// Channels of two rows beside each other, number by number, as a factor wants them. A row that is not there is zero.
// Of more than 16 channels the two that one instruction gives: channels 0-3, 8-11, 16-19 and 24-27, and the rest.
INLINE void two_rows(const bf16* a, const bf16* b, int64_t from, __mmask32 mask, vec* low, vec* high) {
    const __m512i none = _mm512_setzero_si512();
    const __m512i one = a ? _mm512_maskz_loadu_epi16(mask, a + from) : none;
    const __m512i other = b ? _mm512_maskz_loadu_epi16(mask, b + from) : none;
    *low = (vec)_mm512_unpacklo_epi16(one, other);
    *high = (vec)_mm512_unpackhi_epi16(one, other);
}

typedef bf16 words __attribute__((vector_size(LANES * 2)));

// The same for at most 16 channels, in their order.
INLINE vec two_short_rows(const bf16* a, const bf16* b, int64_t from, __mmask16 mask) {
    const __m256i none = _mm256_setzero_si256();
    const words one = (words)(a ? _mm256_maskz_loadu_epi16(mask, a + from) : none);
    const words other = (words)(b ? _mm256_maskz_loadu_epi16(mask, b + from) : none);
    return (vec)(__builtin_convertvector(one, bits) | __builtin_convertvector(other, bits) << 16);
}

// Tiles of 32 pairs by 16 channels, for each channel tile all blocks of pairs: for one factor channels go down
// (transposed), for the other pairs do. Two channel tiles at a time, as two_rows() makes them.
INLINE void tiles_of(const bf16* const* rows, int64_t blocks, int64_t channels, bool turned, bf16* to) {
    const int64_t step = blocks * EDGE * DEEP;
    for (int64_t c = 0; c < channels; c += 2 * EDGE) {
        const int64_t count = least(channels - c, 2 * EDGE);
        const __mmask32 mask = ~(__mmask32)0 >> (2 * EDGE - count);
        for (int64_t k = 0; k < blocks; k++, to += EDGE * DEEP) {
            const bf16* const* from = rows + k * DEEP;
            vec low[LANES], high[LANES];
            if (count > EDGE)
                for (int i = 0; i < EDGE; i++) two_rows(from[2 * i], from[2 * i + 1], c, mask, low + i, high + i);
            else
                for (int i = 0; i < EDGE; i++) low[i] = two_short_rows(from[2 * i], from[2 * i + 1], c, (__mmask16)mask);
            if (turned) transpose(low);
            for (int i = 0; i < EDGE; i++) store((float*)to + i * LANES, low[i]);
            if (count <= EDGE) continue;
            if (turned) transpose(high);
            for (int i = 0; i < EDGE; i++) store((float*)(to + step) + i * LANES, high[i]);
        }
        to += step;
    }
}

// Pairs that wait to be multiplied.
struct TileRun {
    enum { MOST = 256 };
    const bf16 **x, **g;
    bf16 *tiles_x, *tiles_g;
    float* sums;
    int64_t channels, outputs, count;

    INLINE int64_t bytes(int64_t n, int64_t c) {
        return 2 * MOST * 8 + (padded(n) + padded(c)) * MOST * 2 + 4 * EDGE * EDGE * 4;
    }
    INLINE void end() { _tile_release(); }
    INLINE TileRun in(void* room, int64_t n, int64_t c, int64_t) {
        shape_tiles(DEEP);
        TileRun run;
        run.x = (const bf16**)room, run.g = run.x + MOST;
        run.tiles_x = (bf16*)(run.g + MOST), run.tiles_g = run.tiles_x + padded(c) * MOST;
        run.sums = (float*)(run.tiles_g + padded(n) * MOST);
        run.channels = c, run.outputs = n, run.count = 0;
        return run;
    }
    bool take(const bf16* grad, const bf16* in) {
        g[count] = grad, x[count] = in;
        return ++count == MOST;
    }
    // to (outputs, channels in whole vectors) = [to] + gᵀ · x
    void multiply(float* to, int64_t ld, bool fresh) {
        const int64_t blocks = (count + DEEP - 1) / DEEP;
        for (int64_t p = count; p < blocks * DEEP; p++) g[p] = x[p] = nullptr;
        tiles_of(g, blocks, outputs, true, tiles_g);
        tiles_of(x, blocks, channels, false, tiles_x);
        WRITTEN();
        const int64_t step = blocks * EDGE * DEEP;
        for (int64_t i = 0; i < outputs; i += 2 * EDGE)
            for (int64_t j = 0; j < channels; j += 2 * EDGE)
                square(i, j, i + EDGE < outputs, j + EDGE < channels, blocks, step, to, ld, fresh);
        count = 0;
    }
    // Adds a tile of sums, or two beside each other, where they belong; `tile`: 0 or 1 of two below each other, -1 alone.
    INLINE void place(const float* sums, bool two, int tile, int64_t rows, float* to, int64_t ld, bool fresh) {
        for (int r = 0; r < EDGE; r++, sums += EDGE) {
            const int channel = tile < 0 ? r : r / 4 * 8 + tile * 4 + r % 4;
            if (channel >= rows) continue;
            float* const at = to + channel * ld;
            vec made = load(sums);
            if (two) {
                const vec low = made, high = load(sums + EDGE * EDGE);
                made = __builtin_shufflevector(low, high, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
                const vec rest =
                    __builtin_shufflevector(low, high, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
                store(at + EDGE, fresh ? rest : load(at + EDGE) + rest);
            }
            store(at, fresh ? made : load(at) + made);
        }
    }
    // Up to two by two tiles of sums: each factor that is loaded is used twice.
    void square(int64_t i, int64_t j, bool below, bool beside, int64_t blocks, int64_t step, float* to, int64_t ld,
                bool fresh) {
        const bf16 *a = tiles_g + i / EDGE * step, *b = tiles_x + j / EDGE * step;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t k = 0; k < blocks; k++, a += EDGE * DEEP, b += EDGE * DEEP) {
            _tile_loadd(4, a, 64);
            _tile_loadd(6, b, 64);
            _tile_dpbf16ps(0, 4, 6);
            if (beside) {
                _tile_loadd(7, b + step, 64);
                _tile_dpbf16ps(1, 4, 7);
            }
            if (below) {
                _tile_loadd(5, a + step, 64);
                _tile_dpbf16ps(2, 5, 6);
                if (beside) _tile_dpbf16ps(3, 5, 7);
            }
        }
        _tile_stored(0, sums, 64);
        if (beside) _tile_stored(1, sums + EDGE * EDGE, 64);
        if (below) _tile_stored(2, sums + 2 * EDGE * EDGE, 64);
        if (below && beside) _tile_stored(3, sums + 3 * EDGE * EDGE, 64);
        to += i * ld + j;
        place(sums, beside, below ? 0 : -1, outputs - i, to, ld, fresh);
        if (below) place(sums + 2 * EDGE * EDGE, beside, 1, outputs - i, to, ld, fresh);
    }
};

}  // namespace
#endif
