// What colour each point has in each mode, and which points are shown.

const MODES = [["color", "Colour"], ["pca", "Features"], ["similarity", "Similarity"], ["clusters", "Clusters"], ["classes", "Classes"]];
const NO_CLASS = 65535, NO_COLOR = [205, 205, 205];

const isThere = (mode) => ({
  color: true, pca: "pca" in about.arrays, similarity: about.features !== null,
  clusters: about.clusters !== null, classes: about.classes !== null,
})[mode];

// Red, green and blue as one number, the way typed arrays of every processor that browsers run on hold them.
const packed = ([red, green, blue]) => red | (green << 8) | (blue << 16);

// One number a point.
function paint(colors, mode, data, state) {
  const { count } = data, [red, green, blue] = mode === "pca" ? data.pca : data.color;
  if (mode === "classes" || mode === "clusters") {
    const labels = data[mode], table = about[mode].map((one) => packed(one.color)), none = packed(NO_COLOR);
    for (let at = 0; at < count; at++) colors[at] = labels[at] === NO_CLASS ? none : table[labels[at]];
  } else if (mode === "similarity" && state.similarity) {
    const ramp = RAMP.map(packed);
    for (let at = 0; at < count; at++) colors[at] = ramp[stepOf(state.similarity[at], state.low)];
  } else if (mode === "similarity") {
    for (let at = 0; at < count; at++) colors[at] = 0x010101 * Math.round(70 + 0.55 * (0.3 * red[at] + 0.59 * green[at] + 0.11 * blue[at]));
  } else {
    for (let at = 0; at < count; at++) colors[at] = red[at] | (green[at] << 8) | (blue[at] << 16);
  }
  return colors;
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
