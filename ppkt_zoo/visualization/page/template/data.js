// The data of the page: what Python packed (planes.py) becomes typed arrays again.

const $ = (id) => document.getElementById(id);
const about = JSON.parse($("about").textContent);
const KINDS = { u8: Uint8Array, i8: Int8Array, u16: Uint16Array, u32: Uint32Array };

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// All columns of an array, one typed array each; null where the page has no such array.
async function columnsOf(name) {
  const how = about.arrays[name], holder = $("array-" + name);
  if (!how) return null;
  const bytes = await inflated(fromBase64(holder.textContent));
  holder.remove(); // its text is not needed twice
  const Kind = KINDS[how.type], size = Kind.BYTES_PER_ELEMENT, rows = how.rows;
  if (bytes.length !== rows * how.columns * size) throw new Error("the array " + name + " is damaged");
  const columns = [];
  for (let column = 0; column < how.columns; column++) {
    const values = new Kind(rows);
    for (let plane = 0; plane < size; plane++) {
      const at = (column * size + plane) * rows, shift = 8 * plane;
      for (let row = 0; row < rows; row++) values[row] |= bytes[at + row] << shift;
    }
    // Each value is the change from the one before; typed arrays wrap around as Python's did.
    if (how.changes) for (let row = 1; row < rows; row++) values[row] += values[row - 1];
    columns.push(values);
  }
  return columns;
}

// Everything by name; position in metres from the page's own corner.
async function unpacked() {
  const names = Object.keys(about.arrays);
  const found = await Promise.all(names.map(columnsOf));
  const data = Object.fromEntries(names.map((name, at) => [name, found[at]]));
  const one = (name) => (data[name] ? data[name][0] : null);
  return {
    count: about.points, cells: data.position, row: one("row"), size: one("size"), color: data.color, pca: data.pca || null,
    features: data.features || null, featureRow: one("feature_row"), classes: one("classes"), clusters: one("clusters"),
  };
}

// A point's place: in the page's metres, and in those of the cloud.
const placeOf = (data, point) => data.cells.map((column) => column[point] * about.step);
const inCloud = (place) => place.map((value, axis) => value + about.origin[axis]);
