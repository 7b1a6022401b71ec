// What colour each point has in each mode, and which points are shown.

const MODES = [["color", "Colour"], ["pca", "Features"], ["similarity", "Similarity"], ["clusters", "Clusters"], ["classes", "Classes"]];
const NO_CLASS = 65535, NO_COLOR = [205, 205, 205];

const isThere = (mode) => ({
  color: true, pca: "pca" in about.arrays, similarity: about.features !== null,
  clusters: about.clusters !== null, classes: about.classes !== null,
})[mode];

// Red, green, blue and one spare byte a point.
function paint(bytes, mode, data, state) {
  const { count } = data;
  if (mode === "classes" || mode === "clusters") {
    const labels = data[mode], table = about[mode].map((one) => one.color);
    for (let at = 0; at < count; at++) bytes.set(labels[at] === NO_CLASS ? NO_COLOR : table[labels[at]], 4 * at);
  } else if (mode === "similarity" && state.similarity) {
    for (let at = 0; at < count; at++) bytes.set(RAMP[stepOf(state.similarity[at], state.low)], 4 * at);
  } else if (mode === "similarity") {
    const [red, green, blue] = data.color;
    for (let at = 0; at < count; at++) bytes.fill(70 + 0.55 * (0.3 * red[at] + 0.59 * green[at] + 0.11 * blue[at]), 4 * at, 4 * at + 3);
  } else {
    const columns = mode === "pca" ? data.pca : data.color;
    for (let axis = 0; axis < 3; axis++) {
      const column = columns[axis];
      for (let at = 0; at < count; at++) bytes[4 * at + axis] = column[at];
    }
  }
  return bytes;
}

// 255 for every point that is shown, 0 for those of classes and clusters that were switched off.
function shownPoints(data, state) {
  const bytes = new Uint8Array(data.count).fill(255);
  for (const what of ["classes", "clusters"]) {
    const hidden = state.hidden[what], labels = data[what];
    if (hidden.size) for (let at = 0; at < data.count; at++) if (hidden.has(labels[at])) bytes[at] = 0;
  }
  return bytes;
}
