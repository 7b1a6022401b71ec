// Kernel maps as lists of pairs, and levels of a grid. Integers alone: compiled once, for any processor.
//
// The rows of the output are cut into tiles of 256; for each tile and offset the pairs of rows that meet stand one after
// the other, by rising output row: `start[tile * offsets + offset]` is where they begin, `partner` the input row and
// `local` the output row within its tile.
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "parallel.h"

namespace {

enum { TILE = 256, GROUP = 8 };  // tiles that one task builds

struct Part {
    std::vector<int32_t> partner;
    std::vector<uint8_t> local;
};

struct Map {
    int64_t rows, offsets, tiles;
    std::atomic<int> error{PPKT_OK};  // of any task
    std::vector<int64_t> start;  // sizes while it is being built
    std::vector<Part> parts;

    Map(int64_t rows, int64_t offsets)
        : rows(rows), offsets(offsets), tiles((rows + TILE - 1) / TILE), start((size_t)(tiles * offsets + 1)),
          parts((size_t)((tiles + GROUP - 1) / GROUP)) {}
};

struct Task {
    Map* map;
    // what the pairs come from: sorted keys and where each output row's kernel starts, ...
    const int64_t *keys, *origin, *steps;
    int64_t count, columns, lines;
    // ... a table (offsets, rows), ...
    const int32_t* table;
    int64_t inputs;
    // ... or one partner and one offset for each row.
    const int64_t* parent;
    const uint8_t* place;
};

void add(Part& part, int64_t& size, const int32_t* partner, const uint8_t* local, int64_t n) {
    part.partner.insert(part.partner.end(), partner, partner + n);
    part.local.insert(part.local.end(), local, local + n);
    size = n;
}

int64_t find(const int64_t* keys, int64_t count, int64_t key) {
    int64_t low = 0, high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (keys[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low;
}

// Every column of the kernel is a walk of two pointers: queries rise with the rows, and keys along z follow each other.
void search_group(Task& t, int64_t group) {
    Map& map = *t.map;
    Part& part = map.parts[(size_t)group];
    const int64_t first = group * GROUP, last = first + GROUP < map.tiles ? first + GROUP : map.tiles;
    std::vector<int32_t> partner((size_t)(t.lines * TILE));
    std::vector<uint8_t> local((size_t)(t.lines * TILE));
    std::vector<int64_t> size((size_t)t.lines), at((size_t)t.columns);
    for (int64_t column = 0; column < t.columns; column++)
        at[(size_t)column] = find(t.keys, t.count, t.origin[first * TILE] + t.steps[column]);
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t r0 = tile * TILE, r1 = r0 + TILE < map.rows ? r0 + TILE : map.rows;
        for (int64_t column = 0; column < t.columns; column++) {
            int64_t here = at[(size_t)column], before = INT64_MIN;
            for (int64_t line = 0; line < t.lines; line++) size[(size_t)line] = 0;
            for (int64_t r = r0; r < r1; r++) {
                const int64_t want = t.origin[r] + t.steps[column];
                if (want < before) {
                    map.error = PPKT_UNSORTED;
                    return;
                }
                before = want;
                while (here < t.count && t.keys[here] < want) here++;
                int64_t hit = here;
                for (int64_t line = 0; line < t.lines && hit < t.count; line++) {
                    const bool met = t.keys[hit] == want + line;
                    int64_t& n = size[(size_t)line];
                    partner[(size_t)(line * TILE + n)] = (int32_t)hit;
                    local[(size_t)(line * TILE + n)] = (uint8_t)(r - r0);
                    n += met;
                    hit += met;
                }
            }
            at[(size_t)column] = here;
            for (int64_t line = 0; line < t.lines; line++)
                add(part, map.start[(size_t)(tile * map.offsets + column * t.lines + line)],
                    partner.data() + line * TILE, local.data() + line * TILE, size[(size_t)line]);
        }
    }
}

void table_group(Task& t, int64_t group) {
    Map& map = *t.map;
    Part& part = map.parts[(size_t)group];
    int32_t partner[TILE];
    uint8_t local[TILE];
    for (int64_t tile = group * GROUP; tile < (group + 1) * GROUP && tile < map.tiles; tile++) {
        const int64_t r0 = tile * TILE, r1 = r0 + TILE < map.rows ? r0 + TILE : map.rows;
        for (int64_t offset = 0; offset < map.offsets; offset++) {
            int64_t n = 0;
            for (int64_t r = r0; r < r1; r++) {
                const int32_t row = t.table[offset * map.rows + r];
                if (row < -1 || row >= t.inputs) {
                    map.error = PPKT_BAD_INDEX;
                    return;
                }
                partner[n < TILE ? n : TILE - 1] = row;
                local[n < TILE ? n : TILE - 1] = (uint8_t)(r - r0);
                n += row >= 0;
            }
            add(part, map.start[(size_t)(tile * map.offsets + offset)], partner, local, n);
        }
    }
}

void parents_group(Task& t, int64_t group) {
    Map& map = *t.map;
    Part& part = map.parts[(size_t)group];
    int32_t partner[TILE];
    uint8_t local[TILE];
    for (int64_t tile = group * GROUP; tile < (group + 1) * GROUP && tile < map.tiles; tile++) {
        const int64_t r0 = tile * TILE, r1 = r0 + TILE < map.rows ? r0 + TILE : map.rows;
        for (int64_t r = r0; r < r1; r++)
            if (t.parent[r] < 0 || t.parent[r] >= t.inputs || t.place[r] >= map.offsets) {
                map.error = PPKT_BAD_INDEX;
                return;
            }
        for (int64_t offset = 0; offset < map.offsets; offset++) {
            int64_t n = 0;
            for (int64_t r = r0; r < r1; r++)
                if (t.place[r] == offset) {
                    partner[n] = (int32_t)t.parent[r];
                    local[n++] = (uint8_t)(r - r0);
                }
            add(part, map.start[(size_t)(tile * map.offsets + offset)], partner, local, n);
        }
    }
}

typedef void (*Build)(Task&, int64_t);

struct Call {
    Task* task;
    Build build;
};

void build_task(const void* state, int64_t group, void*) {
    const Call& call = *(const Call*)state;
    if (call.task->map->error) return;
    try {
        call.build(*call.task, group);
    } catch (const std::bad_alloc&) {
        call.task->map->error = PPKT_NO_MEMORY;
    }
}

int build_map(int64_t rows, int64_t offsets, Task task, Build build, int threads, void** made, int64_t* pairs) {
    *made = nullptr;
    if (rows >= INT32_MAX || task.inputs >= INT32_MAX || task.count >= INT32_MAX) return PPKT_TOO_LARGE;
    try {
        std::unique_ptr<Map> map(new Map(rows, offsets));
        task.map = map.get();
        const Call call{&task, build};
        const int error = ppkt_run(threads, (int64_t)map->parts.size(), 0, build_task, &call);
        if (error || map->error) return error ? error : map->error.load();
        int64_t sum = 0;
        for (int64_t& one : map->start) {
            const int64_t size = one;
            one = sum;
            sum += size;
        }
        *pairs = sum;
        *made = map.release();
        return PPKT_OK;
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

}  // namespace

// Pairs of a kernel of columns * lines cells: row r of the output meets the keys origin[r] + steps[column] + line.
// Keys and origins rise.
PPKT_EXPORT int ppkt_map_search(const int64_t* keys, int64_t count, const int64_t* origin, int64_t rows,
                                const int64_t* steps, int64_t columns, int64_t lines, int threads, void** made,
                                int64_t* pairs) {
    Task task{};
    task.keys = keys, task.count = count, task.origin = origin;
    task.steps = steps, task.columns = columns, task.lines = lines;
    return build_map(rows, columns * lines, task, search_group, threads, made, pairs);
}

// Pairs of a table (offsets, rows) of input rows, -1 where there is none.
PPKT_EXPORT int ppkt_map_table(const int32_t* table, int64_t offsets, int64_t rows, int64_t inputs, int threads,
                               void** made, int64_t* pairs) {
    Task task{};
    task.table = table, task.inputs = inputs;
    return build_map(rows, offsets, task, table_group, threads, made, pairs);
}

// Pairs of rows that have one partner each, at one offset each.
PPKT_EXPORT int ppkt_map_parents(const int64_t* parent, const uint8_t* place, int64_t offsets, int64_t rows,
                                 int64_t inputs, int threads, void** made, int64_t* pairs) {
    Task task{};
    task.parent = parent, task.place = place, task.inputs = inputs;
    return build_map(rows, offsets, task, parents_group, threads, made, pairs);
}

// The same the other way round: the rows of the output are the parents, `rows` is the number of their children.
PPKT_EXPORT int ppkt_map_children(const int64_t* parent, const uint8_t* place, int64_t offsets, int64_t rows,
                                  int64_t outputs, int threads, void** made, int64_t* pairs) {
    *made = nullptr;
    if (rows >= INT32_MAX || outputs >= INT32_MAX) return PPKT_TOO_LARGE;
    try {
        std::vector<int32_t> table((size_t)(offsets * outputs), -1);
        for (int64_t r = 0; r < rows; r++) {
            if (parent[r] < 0 || parent[r] >= outputs || place[r] >= offsets) return PPKT_BAD_INDEX;
            table[(size_t)(place[r] * outputs + parent[r])] = (int32_t)r;
        }
        return ppkt_map_table(table.data(), offsets, outputs, rows, threads, made, pairs);
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}

// Copies a map to where it is kept, start (tiles * offsets + 1), partner and local (pairs); and frees it.
PPKT_EXPORT void ppkt_map_take(void* made, int64_t* start, int32_t* partner, uint8_t* local) {
    std::unique_ptr<Map> map((Map*)made);
    memcpy(start, map->start.data(), map->start.size() * sizeof(int64_t));
    int64_t at = 0;
    for (Part& part : map->parts) {
        const size_t n = part.partner.size();
        if (n) {
            memcpy(partner + at, part.partner.data(), n * sizeof(int32_t));
            memcpy(local + at, part.local.data(), n);
        }
        at += (int64_t)n;
        part = Part();
    }
}

// The coarser level under sorted voxels (cloud, x, y, z): its voxels, sorted, each voxel's parent, and each voxel's
// place in it, (x * factor + y) * factor + z. `coarse` has room for rows * 4 numbers.
//
// A coarse column (cloud, x, y) is made of up to factor * factor fine columns, each sorted by z: they are merged.
PPKT_EXPORT int ppkt_coarsen(const int32_t* coords, int64_t rows, int64_t factor, int32_t* coarse, int64_t* parent,
                             uint8_t* place, int64_t* made) {
    struct Run {
        int64_t at, end;
    };
    try {
        std::vector<Run> slabs, lines;
        int64_t count = 0, row = 0;
        while (row < rows) {
            // The slabs of equal x that make one coarse slab.
            const int32_t cloud = coords[row * 4];
            const int64_t x = floor_div(coords[row * 4 + 1], factor);
            slabs.clear();
            while (row < rows && coords[row * 4] == cloud && floor_div(coords[row * 4 + 1], factor) == x) {
                const int64_t begin = row;
                const int32_t fine = coords[row * 4 + 1];
                while (row < rows && coords[row * 4] == cloud && coords[row * 4 + 1] == fine) row++;
                slabs.push_back(Run{begin, row});
            }
            for (;;) {
                int64_t y = INT64_MAX;
                for (const Run& slab : slabs)
                    if (slab.at < slab.end) {
                        const int64_t here = floor_div(coords[slab.at * 4 + 2], factor);
                        if (here < y) y = here;
                    }
                if (y == INT64_MAX) break;
                lines.clear();
                for (Run& slab : slabs)
                    while (slab.at < slab.end && floor_div(coords[slab.at * 4 + 2], factor) == y) {
                        const int64_t begin = slab.at;
                        const int32_t fine = coords[slab.at * 4 + 2];
                        while (slab.at < slab.end && coords[slab.at * 4 + 2] == fine) slab.at++;
                        lines.push_back(Run{begin, slab.at});
                    }
                for (;;) {
                    int32_t lowest = INT32_MAX;
                    bool any = false;
                    for (const Run& line : lines)
                        if (line.at < line.end) {
                            any = true;
                            if (coords[line.at * 4 + 3] < lowest) lowest = coords[line.at * 4 + 3];
                        }
                    if (!any) break;
                    const int64_t z = floor_div(lowest, factor);
                    for (Run& line : lines)
                        while (line.at < line.end && coords[line.at * 4 + 3] < (z + 1) * factor) {
                            const int32_t* c = coords + line.at * 4;
                            parent[line.at] = count;
                            place[line.at] = (uint8_t)(((c[1] - x * factor) * factor + (c[2] - y * factor)) * factor +
                                                       (c[3] - z * factor));
                            line.at++;
                        }
                    int32_t* to = coarse + count * 4;
                    to[0] = cloud, to[1] = (int32_t)x, to[2] = (int32_t)y, to[3] = (int32_t)z;
                    count++;
                }
            }
        }
        *made = count;
        return PPKT_OK;
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}
