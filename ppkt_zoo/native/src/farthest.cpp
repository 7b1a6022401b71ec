// Farthest-point sampling: each point is the farthest from all that were chosen before.
//
// A new point can only be nearer than the earlier ones to points around it, so only the boxes are visited that hold a
// point farther from all others than the box is from the new one. The rows are those of the plain definition.
#include <algorithm>
#include <cmath>

#include "tree.h"

namespace {

class Farthest {
  public:
    explicit Farthest(const Tree& tree) : tree(tree), far((size_t)(tree.leaves * LEAF), INFINITY) {
        std::fill(far.begin() + tree.count, far.end(), -1.0f);
        for (const Level& level : tree.levels) {
            tops.emplace_back(level.first.size(), -1.0f);
            std::fill_n(tops.back().begin(), level.nodes, INFINITY);
        }
        int axis = 0;
        for (int other = 1; other < 3; other++)
            if (tree.high[other] - tree.low[other] > tree.high[axis] - tree.low[axis]) axis = other;
        along = tree.at[axis].data();
    }

    void sample(int64_t number, int64_t* out) {
        int64_t chosen = most_remote();
        for (int64_t i = 0; i < number; i++) {
            if (i) {
                chosen = -1;
                find(tree.top(), 0, greatest(tree.top(), 0), chosen);
            }
            out[i] = tree.row[(size_t)chosen];
            take(chosen);
            const float place[3] = {tree.at[0][(size_t)chosen], tree.at[1][(size_t)chosen], tree.at[2][(size_t)chosen]};
            update(tree.top(), 0, place);
        }
    }

  private:
    const Tree& tree;
    std::vector<float> far;  // squared distance to the nearest chosen point; -1 for these themselves
    std::vector<std::vector<float>> tops;  // the greatest of each node
    const float* along;                    // coordinates on the longest axis

    // Of points that are equally far the first along the longest axis is taken, then the first row.
    bool comes_first(int64_t a, int64_t b) const {
        if (b < 0 || along[a] != along[b]) return b < 0 || along[a] < along[b];
        return tree.row[(size_t)a] < tree.row[(size_t)b];
    }

    int64_t most_remote() const {
        float middle[3], squared[LEAF], most = -1.0f;
        for (int axis = 0; axis < 3; axis++) middle[axis] = (tree.low[axis] + tree.high[axis]) / 2;
        int64_t best = -1;
        for (int64_t i = 0; i < tree.count; i++) {
            if (i % LEAF == 0) tree.distances(i / LEAF, middle, squared);
            const float here = squared[i % LEAF];
            if (here > most || (here == most && comes_first(i, best))) most = here, best = i;
        }
        return best;
    }

    float greatest(int level, int64_t group) const {
        const float* top = tops[(size_t)level].data() + group * FAN;
        float value = top[0];
        for (int i = 1; i < FAN; i++) value = larger(value, top[i]);
        return value;
    }

    float greatest_of_leaf(int64_t leaf) const {
        const float* some = far.data() + leaf * LEAF;
        float value = some[0];
        for (int i = 1; i < LEAF; i++) value = larger(value, some[i]);
        return value;
    }

    void find(int level, int64_t group, float value, int64_t& best) const {
        const float* top = tops[(size_t)level].data() + group * FAN;
        for (int i = 0; i < FAN; i++) {
            if (top[i] != value) continue;
            const int64_t node = group * FAN + i;
            if (level) {
                find(level - 1, node, value, best);
                continue;
            }
            for (int64_t point = node * LEAF; point < (node + 1) * LEAF; point++)
                if (far[(size_t)point] == value && comes_first(point, best)) best = point;
        }
    }

    void take(int64_t point) {
        far[(size_t)point] = -1.0f;
        int64_t node = point / LEAF;
        tops[0][(size_t)node] = greatest_of_leaf(node);
        for (int level = 1; level <= tree.top(); level++) {
            tops[(size_t)level][(size_t)(node / FAN)] = greatest(level - 1, node / FAN);
            node /= FAN;
        }
    }

    void update(int level, int64_t group, const float* place) {
        float bound[FAN], *top = tops[(size_t)level].data() + group * FAN;
        tree.bounds(level, group, place, bound);
        for (int i = 0; i < FAN; i++) {
            if (!(bound[i] < top[i])) continue;
            const int64_t node = group * FAN + i;
            if (level) update(level - 1, node, place);
            top[i] = level ? greatest(level - 1, node) : update_leaf(node, place);
        }
    }

    float update_leaf(int64_t leaf, const float* place) {
        float squared[LEAF], most[4], *some = far.data() + leaf * LEAF;
        tree.distances(leaf, place, squared);
        for (int j = 0; j < 4; j++) most[j] = -1.0f;
        for (int i = 0; i < LEAF; i += 4)
            for (int j = 0; j < 4; j++) {
                some[i + j] = smaller(some[i + j], squared[i + j]);
                most[j] = larger(most[j], some[i + j]);
            }
        return larger(larger(most[0], most[1]), larger(most[2], most[3]));
    }
};

}  // namespace

// Rows of each cloud, counted from its start, in farthest-point order: min(count, size) of each cloud, end to end. Cloud i
// is made of the points from starts[i] to starts[i + 1] - 1. Where coordinates are not finite or beyond 1e18, `declined`
// becomes 1 and the rows mean nothing.
PPKT_EXPORT int ppkt_farthest(const float* xyz, const int64_t* starts, int64_t clouds, int64_t count, int64_t* out,
                              int threads, int* declined) {
    *declined = !ppkt_measurable(xyz, starts[clouds] * 3);
    if (*declined) return PPKT_OK;
    if (ppkt_too_large(starts, clouds)) return PPKT_TOO_LARGE;
    try {
        std::vector<int64_t> begin((size_t)clouds + 1);
        for (int64_t i = 0; i < clouds; i++)
            begin[(size_t)i + 1] = begin[(size_t)i] + std::min(count, starts[i + 1] - starts[i]);
        return ppkt_run_each(threads, clouds, [&](int64_t i) {
            const int64_t number = begin[(size_t)i + 1] - begin[(size_t)i];
            if (number <= 0) return;
            Tree tree;
            tree.build(xyz + starts[i] * 3, starts[i + 1] - starts[i]);
            Farthest(tree).sample(number, out + begin[(size_t)i]);
        });
    } catch (const std::bad_alloc&) {
        return PPKT_NO_MEMORY;
    }
}
