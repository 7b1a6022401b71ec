// A pane: its mode, the colours of its points, and what is drawn over them.

class Pane {
  constructor(app, element, mode) {
    Object.assign(this, { app, element, mode });
    this.overlay = element.querySelector(".overlay");
    this.ink = this.overlay.getContext("2d");
    this.bytes = new Uint8Array(4 * app.data.count);
    this.buffer = null;
    this.legend = new Legend(this, element.querySelector(".legend"));
    this.buttons = new Map();
    const modes = element.querySelector(".modes");
    const shown = MODES.filter(([name]) => isThere(name));
    shown.forEach(([name, words], at) => {
      const button = made("button", "", words);
      button.title = words + " (" + (at + 1) + ")";
      button.addEventListener("click", () => this.setMode(name));
      this.buttons.set(name, button);
      modes.append(button);
    });
    modes.hidden = shown.length < 2;
    this.setMode(mode);
  }

  get isShown() {
    return !this.element.hidden;
  }

  setMode(mode) {
    this.mode = mode;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(name === mode));
    this.repaint();
  }

  repaint(withLegend = true) {
    const { renderer, data, state } = this.app;
    this.buffer = renderer.buffer(paint(this.bytes, this.mode, data, state), this.buffer);
    if (withLegend) this.legend.fill();
    this.app.redraw();
  }

  // Left, bottom, width and height in pixels of the canvas.
  box() {
    const { canvas, view } = this.app, whole = canvas.getBoundingClientRect(), own = this.element.getBoundingClientRect();
    const left = Math.round((own.left - whole.left) * view.density), right = Math.round((own.right - whole.left) * view.density);
    const top = Math.round((own.top - whole.top) * view.density), low = Math.round((own.bottom - whole.top) * view.density);
    return [left, canvas.height - low, Math.max(1, right - left), Math.max(1, low - top)];
  }

  // With every step-th point; 0: only what is drawn over the points, which stay as they are.
  draw(step) {
    const { renderer, camera, view } = this.app;
    if (step) renderer.draw(this.buffer, camera, view, this.box(), step);
    const { clientWidth: width, clientHeight: height } = this.element;
    this.overlay.width = Math.round(width * view.density);
    this.overlay.height = Math.round(height * view.density);
    this.ink.setTransform(view.density, 0, 0, view.density, 0, 0);
    this.drawOver(this.ink, width, height);
  }

  drawOver(ink, width, height) {
    const { app } = this, { camera, state, view, data } = app;
    if (state.boxes && about.boxes) drawBoxes(ink, camera, width, height, about.boxes.filter((box) => !state.hidden.boxes.has(box.name)));
    if (state.picked >= 0) {
      const at = camera.project(placeOf(data, state.picked), width, height);
      if (at) drawMark(ink, at);
    }
    if (state.pointer && state.pointer.pane !== this) drawGhost(ink, state.pointer.x, state.pointer.y, view.ink);
    if (this === app.panes.find((pane) => pane.isShown)) drawScale(ink, camera, width, height, view.ink, view.paperCss);
  }

  // The point at a place of the pane, in pixels of the page; −1 where there is none.
  pointAt(x, y, reach) {
    const { renderer, camera, view } = this.app, [, , width, height] = this.box();
    return renderer.pointAt(this.buffer, camera, view, width, height, x * view.density, y * view.density, Math.round(reach * view.density));
  }
}
