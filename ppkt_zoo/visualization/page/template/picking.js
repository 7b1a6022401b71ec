// Which point is seen at a pixel; what is compared with it, and what is told of it.

// As the graphics card draws them: of the discs that cover the pixel the nearest to the eye; where none does, the one
// that comes closest to it within reach (pixels). −1 where there is none.
function pointAt(app, width, height, x, y, reach) {
  const { camera, data, renderer, view, shown } = app, { clip, eye } = camera.matrix(width / height);
  const { pixels, least, most } = renderer.diameters(camera, view, height), [low, high] = about.size.map(Math.log2);
  const radius = Float64Array.from({ length: 256 }, (_, step) => pixels * 2 ** (low + (high - low) * step / 255) / 2);
  const row = (at) => [0, 4, 8].map((column) => clip[at + column] * about.step).concat(clip[at + 12]);
  const [[ax, ay, az, aw], [bx, by, bz, bw], [dx, dy, dz, dw]] = [row(0), row(1), row(3)];
  const [xs, ys, zs] = data.cells, right = 2 * x / width - 1, top = 1 - 2 * y / height;
  let seen = -1, depth = Infinity, near = -1, away = Infinity;
  for (let at = 0; at < data.count; at++) {
    const w = dx * xs[at] + dy * ys[at] + dz * zs[at] + dw;
    if (w <= 0) continue;
    const px = (ax * xs[at] + ay * ys[at] + az * zs[at] + aw) / w - right, py = (bx * xs[at] + by * ys[at] + bz * zs[at] + bw) / w - top;
    const square = (px * px * width * width + py * py * height * height) / 4;
    const disc = Math.min(Math.max(radius[data.size[at]] / w, least / 2), most / 2);
    if (square > (disc + reach) * (disc + reach) || shown[at] === 0) continue;
    const far = Math.sqrt(square);
    const better = far <= disc ? w < depth : far - disc < away;
    if (!better || camera.isCut(placeOf(data, at), eye)) continue;
    if (far <= disc) [seen, depth] = [at, w];
    else [near, away] = [at, far - disc];
  }
  return seen >= 0 ? seen : near;
}

// Without a minus before nothing.
const shortened = (value, digits) => (Math.round(value * 10 ** digits) / 10 ** digits + 0).toFixed(digits);

class Picking {
  constructor(app) {
    this.app = app;
    this.similarity = about.features === null ? null : new Similarity(app.data);
    this.before = null;
  }

  // The point with this number, or −1 for none.
  pick(point) {
    const { state, panes } = this.app;
    state.picked = point;
    state.similarity = point >= 0 && this.similarity ? this.similarity.to(point) : null;
    if (state.similarity) state.low = middleOf(state.similarity);
    for (const pane of panes) if (pane.mode === "similarity") pane.repaint();
    if (state.similarity) {
      if (!panes.some((pane) => pane.isShown && pane.mode === "similarity")) {
        const pane = panes.filter((one) => one.isShown).at(-1);
        this.before = { pane, mode: pane.mode };
        pane.setMode("similarity");
      }
    } else if (point < 0 && this.before) {
      this.before.pane.setMode(this.before.mode);
      this.before = null;
    }
    this.tell();
    this.app.moved(false);
  }

  get place() {
    return inCloud(placeOf(this.app.data, this.app.state.picked));
  }

  tell() {
    const { state, data } = this.app, point = state.picked;
    $("card").hidden = point < 0;
    if (point < 0) return;
    const words = [this.place.map((value) => shortened(value, 2)).join(", ") + " m", "row " + data.row[point]];
    for (const what of ["classes", "clusters"]) {
      if (about[what] && data[what][point] !== NO_CLASS) words.push(about[what][data[what][point]].name);
    }
    $("place").textContent = words.join("  ·  ");
  }

  // The place as `ppkt-zoo similar` takes it.
  get option() {
    return "--at " + this.place.map((value) => shortened(value, 3)).join(",");
  }

  async copy(button) {
    let copied = true;
    try {
      await navigator.clipboard.writeText(this.option);
    } catch {
      const field = document.createElement("textarea");
      field.value = this.option;
      $("card").append(field);
      field.select();
      copied = document.execCommand("copy");
      field.remove();
    }
    button.textContent = copied ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  }
}
