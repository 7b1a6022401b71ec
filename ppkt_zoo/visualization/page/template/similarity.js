// Cosine similarity from the 8-bit features; features.py, page_similarity, is the same.

const HEAT = [[38, 20, 72], [45, 70, 140], [40, 130, 142], [70, 190, 110], [250, 230, 60]];

class Similarity {
  constructor(data) {
    this.data = data;
    this.scale = about.features.scale;
    this.rows = data.features[0].length;
    this.length = about.features.unit ? this.lengths() : null;
  }

  lengths() {
    const sum = new Float32Array(this.rows);
    this.data.features.forEach((column, at) => {
      const square = this.scale[at] * this.scale[at];
      for (let row = 0; row < this.rows; row++) sum[row] += column[row] * column[row] * square;
    });
    return sum.map(Math.sqrt);
  }

  // Of every point to one of them.
  to(point) {
    const { features, featureRow, count } = this.data;
    const picked = featureRow ? featureRow[point] : point;
    const sum = new Float32Array(this.rows);
    features.forEach((column, at) => {
      const query = column[picked] * this.scale[at] * this.scale[at];
      if (query !== 0) for (let row = 0; row < this.rows; row++) sum[row] += column[row] * query;
    });
    for (let row = 0; row < this.rows; row++) {
      const value = this.length ? sum[row] / Math.max(this.length[row] * this.length[picked], 1e-12) : sum[row];
      sum[row] = Math.min(Math.max(value, -1), 1);
    }
    if (!featureRow) return sum;
    const all = new Float32Array(count);
    for (let at = 0; at < count; at++) all[at] = sum[featureRow[at]];
    return all;
  }
}

// The similarity at which colours begin: half of the points lie below it.
function middleOf(values) {
  const some = values.filter((_, at) => at % Math.max(1, values.length >> 14) === 0).sort();
  return Math.min(some[some.length >> 1], 0.99);
}

// Dark blue at low, yellow at 1: red, green, blue of 256 steps.
const RAMP = Array.from({ length: 256 }, (_, step) => {
  const part = (step / 255) * (HEAT.length - 1), below = Math.min(Math.floor(part), HEAT.length - 2), rest = part - below;
  return HEAT[below].map((value, at) => Math.round((1 - rest) * value + rest * HEAT[below + 1][at]));
});

const stepOf = (value, low) => Math.round(255 * Math.min(Math.max((value - low) / Math.max(1 - low, 1e-6), 0), 1));
