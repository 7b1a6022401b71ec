// PointNet++'s neighbours: the first points in a ball, the nearest points.
//
// Both are exact: the same rows, in the same order, as comparing every rounded distance with every other one. Clouds
// stand end to end: cloud i has the rows from starts[i] to starts[i + 1] - 1. Where coordinates are not finite or
// beyond 1e18, or a ball is empty, `declined` becomes 1 and the results mean nothing.
#include <algorithm>
#include <cmath>

#include "tree.h"

namespace {

int plant(std::vector<Tree>& trees, const float* xyz, const int64_t* starts, int threads) {
    return ppkt_run_each(threads, (int64_t)trees.size(), [&](int64_t i) {
        trees[(size_t)i].build(xyz + starts[i] * 3, starts[i + 1] - starts[i]);
    });
}

// -------------------------------------------------------------------------------------------------- points in a ball

struct Ball {
    const Tree& tree;
    float limit;  // of squared distances
    int64_t count;
    std::vector<int32_t> found;  // rows
    int64_t size = 0;
    int32_t last = INT32_MAX;  // only rows below it can still be among the first ones
    float place[3] = {0, 0, 0};

    Ball(const Tree& tree, float limit, int64_t count)
        : tree(tree), limit(limit), count(count), found((size_t)(2 * count + LEAF)) {}

    // The first rows near a place, rising; false where there is none.
    bool search(const float* center, int64_t start, int64_t* out) {
        size = 0;
        last = INT32_MAX;
        std::copy(center, center + 3, place);
        if (tree.count) visit(tree.top(), 0);
        if (size == 0) return false;
        if (size > count) keep_first();
        std::sort(found.begin(), found.begin() + size);
        for (int64_t i = 0; i < count; i++) out[i] = start + found[(size_t)(i < size ? i : 0)];
        return true;
    }

    void visit(int level, int64_t group) {
        float bound[FAN];
        tree.bounds(level, group, place, bound);
        const int32_t* first = tree.levels[(size_t)level].first.data() + group * FAN;
        for (int i = 0; i < FAN; i++)
            if (bound[i] < limit && first[i] < last) {
                if (level) visit(level - 1, group * FAN + i);
                else look(group * FAN + i);
            }
    }

    void look(int64_t leaf) {
        float squared[LEAF];
        tree.distances(leaf, place, squared);
        const int32_t* rows = tree.row.data() + leaf * LEAF;
        for (int i = 0; i < LEAF; i++) {
            found[(size_t)size] = rows[i];
            size += (squared[i] < limit) & (rows[i] < last);
        }
        if (size >= 2 * count) keep_first();
    }

    void keep_first() {
        std::nth_element(found.begin(), found.begin() + count - 1, found.begin() + size);
        size = count;
        last = found[(size_t)(count - 1)];
    }
};

// --------------------------------------------------------------------------------------------------- nearest points

// Points that may be among the nearest of some targets, in the order of their rows.
struct Candidates {
    std::vector<float> at[3];
    std::vector<int32_t> row;
    int64_t size = 0;

    void make_room(int64_t most) {
        if ((int64_t)row.size() >= most) return;
        row.resize((size_t)most);
        for (std::vector<float>& one : at) one.resize((size_t)most);
    }
};

// The K nearest of each target below a node. All targets of a box are served at once: first the points that cannot be
// among the nearest of any of them are dropped, box by box down the tree, then the others meet all targets of a leaf.
template <int K>
struct Nearest {
    const Tree& targets;
    int64_t start, *rows;
    float* squared;
    std::vector<Candidates> lists;  // for each level
    std::vector<float> near{}, far{};

    void descend(int level, int64_t node, const Candidates& from) {
        Candidates& mine = lists[(size_t)level];
        sift(level, node, from, mine);
        if (level == 0) {
            meet(node, mine);
            return;
        }
        const int64_t end = std::min((node + 1) * FAN, targets.levels[(size_t)level - 1].nodes);
        for (int64_t child = node * FAN; child < end; child++) descend(level - 1, child, mine);
    }

    void sift(int level, int64_t node, const Candidates& from, Candidates& to) {
        const Level& here = targets.levels[(size_t)level];
        to.make_room(from.size);
        near.resize(std::max(near.size(), (size_t)from.size));
        far.resize(near.size());
        float *least = near.data(), *most = far.data();
        for (int axis = 0; axis < 3; axis++) {
            const float low = here.low[axis][(size_t)node], high = here.high[axis][(size_t)node];
            const float* p = from.at[axis].data();
            for (int64_t i = 0; i < from.size; i++) {
                const float above = p[i] - low, below = high - p[i];
                const float gap = larger(larger(-above, -below), 0.0f), reach = larger(above, below);
                least[i] = axis ? least[i] + gap * gap : gap * gap;
                most[i] = axis ? most[i] + reach * reach : reach * reach;
            }
        }
        // Every target has K points at least as near as the K-th smallest of `most`.
        float best[K];
        for (float& one : best) one = INFINITY;
        for (int64_t i = 0; i < from.size; i++) {
            float value = most[i];
            if (!(value < best[K - 1])) continue;
            for (float& one : best)
                if (value < one) std::swap(value, one);
        }
        int64_t size = 0;
        for (int64_t i = 0; i < from.size; i++) {
            for (int axis = 0; axis < 3; axis++) to.at[axis][(size_t)size] = from.at[axis][(size_t)i];
            to.row[(size_t)size] = from.row[(size_t)i];
            size += least[i] <= best[K - 1];
        }
        to.size = size;
    }

    void meet(int64_t leaf, const Candidates& some) {
        for (int64_t first = leaf * LEAF; first < (leaf + 1) * LEAF && first < targets.count; first += 4) {
            vec4 x, y, z, best[K];
            int4 row[K];
            for (int i = 0; i < 4; i++) {
                x[i] = targets.at[0][(size_t)(first + i)];
                y[i] = targets.at[1][(size_t)(first + i)];
                z[i] = targets.at[2][(size_t)(first + i)];
            }
            for (int k = 0; k < K; k++) {
                best[k] = vec4{INFINITY, INFINITY, INFINITY, INFINITY};
                row[k] = int4{-1, -1, -1, -1};
            }
            for (int64_t c = 0; c < some.size; c++) {
                const vec4 a = x - some.at[0][(size_t)c], b = y - some.at[1][(size_t)c], e = z - some.at[2][(size_t)c];
                const vec4 here = a * a + b * b + e * e;
                const int4 mine = int4{} + some.row[(size_t)c];
                // Rows rise, so where two are equally near the one that is there stays.
                for (int k = K - 1; k >= 0; k--) {
                    const int4 nearer = here < best[k];
                    const int before = k ? k - 1 : 0;
                    const int4 shifts = k ? (int4)(here < best[before]) : int4{};
                    row[k] = shifts ? row[before] : (nearer ? mine : row[k]);
                    best[k] = shifts ? best[before] : (nearer ? here : best[k]);
                }
            }
            for (int i = 0; i < 4 && first + i < targets.count; i++) {
                const int64_t to = (int64_t)targets.row[(size_t)(first + i)] * K;
                for (int k = 0; k < K; k++) {
                    rows[to + k] = start + (row[k][i] < 0 ? row[0][i] : row[k][i]);
                    squared[to + k] = best[k][i];
                }
            }
        }
    }
};

enum { NODE_LEVEL = 2 };  // a task is a node of this level

struct Piece {
    int64_t cloud, begin, end;
};

template <int K>
int find_nearest(const std::vector<Tree>& trees, const int64_t* target_starts, const float* xyz, const int64_t* starts,
                 int64_t* rows, float* squared, int threads) {
    std::vector<Candidates> all(trees.size());
    std::vector<Piece> pieces;
    for (size_t cloud = 0; cloud < trees.size(); cloud++) {
        const Tree& tree = trees[cloud];
        if (!tree.count) continue;
        Candidates& mine = all[cloud];
        mine.size = starts[cloud + 1] - starts[cloud];
        mine.make_room(mine.size);
        for (int64_t i = 0; i < mine.size; i++) {
            mine.row[(size_t)i] = (int32_t)i;
            for (int axis = 0; axis < 3; axis++) mine.at[axis][(size_t)i] = xyz[(starts[cloud] + i) * 3 + axis];
        }
        const int64_t nodes = tree.levels[(size_t)std::min<int>(NODE_LEVEL, tree.top())].nodes;
        for (int64_t node = 0; node < nodes; node++) pieces.push_back(Piece{(int64_t)cloud, node, node + 1});
    }
    return ppkt_run_each(threads, (int64_t)pieces.size(), [&](int64_t task) {
        const Piece& piece = pieces[(size_t)task];
        const Tree& tree = trees[(size_t)piece.cloud];
        const int64_t first = target_starts[piece.cloud] * K;
        const int level = std::min<int>(NODE_LEVEL, tree.top());
        Nearest<K> search{tree, starts[piece.cloud], rows + first, squared + first,
                          std::vector<Candidates>((size_t)level + 1)};
        search.descend(level, piece.begin, all[(size_t)piece.cloud]);
    });
}

}  // namespace

// The first `count` rows whose squared distance to a center is below `limit`, for each center; the first one fills up.
PPKT_EXPORT int ppkt_ball(const float* centers, const int64_t* center_starts, const float* xyz, const int64_t* starts,
                          int64_t clouds, float limit, int64_t count, int64_t* out, int threads, int* declined) {
    enum { CENTERS = 32 };  // of one task
    *declined = !ppkt_measurable(xyz, starts[clouds] * 3) || !ppkt_measurable(centers, center_starts[clouds] * 3);
    if (*declined) return PPKT_OK;
    if (ppkt_too_large(starts, clouds)) return PPKT_TOO_LARGE;
    try {
        std::vector<Tree> trees((size_t)clouds);
        const int error = plant(trees, xyz, starts, threads);
        if (error) return error;
        std::vector<Piece> pieces;
        for (int64_t i = 0; i < clouds; i++)
            for (int64_t at = center_starts[i]; at < center_starts[i + 1]; at += CENTERS)
                pieces.push_back(Piece{i, at, std::min(at + CENTERS, center_starts[i + 1])});
        std::atomic<int> empty{0};
        const int fault = ppkt_run_each(threads, (int64_t)pieces.size(), [&](int64_t task) {
            const Piece& piece = pieces[(size_t)task];
            Ball ball(trees[(size_t)piece.cloud], limit, count);
            for (int64_t at = piece.begin; at < piece.end; at++)
                if (!ball.search(centers + at * 3, starts[piece.cloud], out + at * count)) empty = 1;
        });
        *declined = empty;
        return fault;
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}

// The `count` (1 to 3) nearest rows of each target, nearest first, then by row, and their squared distances. Where a
// cloud has fewer points, its nearest one fills up at an infinite distance.
PPKT_EXPORT int ppkt_nearest(const float* targets, const int64_t* target_starts, const float* xyz,
                             const int64_t* starts, int64_t clouds, int64_t count, int64_t* rows, float* squared,
                             int threads, int* declined) {
    *declined = count < 1 || count > 3 || !ppkt_measurable(xyz, starts[clouds] * 3) ||
                !ppkt_measurable(targets, target_starts[clouds] * 3);
    for (int64_t i = 0; i < clouds; i++)
        if (starts[i + 1] == starts[i] && target_starts[i + 1] > target_starts[i]) *declined = 1;
    if (*declined) return PPKT_OK;
    if (ppkt_too_large(starts, clouds) || ppkt_too_large(target_starts, clouds)) return PPKT_TOO_LARGE;
    try {
        std::vector<Tree> trees((size_t)clouds);
        const int error = plant(trees, targets, target_starts, threads);
        if (error) return error;
        const auto find = count == 1 ? find_nearest<1> : count == 2 ? find_nearest<2> : find_nearest<3>;
        return find(trees, target_starts, xyz, starts, rows, squared, threads);
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}
