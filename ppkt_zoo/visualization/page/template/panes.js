// A pane: its mode, the colours of its points, and what is drawn over them.

class Pane {
  constructor(app, element, mode) {
    Object.assign(this, { app, element, mode });
    this.overlay = element.querySelector(".overlay");
    this.ink = this.overlay.getContext("2d");
    this.colors = new Uint32Array(app.data.count);
    this.isStale = true;
    this.isCoarse = false;
    this.buffer = null;
    this.legend = new Legend(this, element.querySelector(".legend"));
    // A small pane has no room for it until it is asked for.
    this.legend.element.open = element.clientWidth > 480;
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
    this.buffer = renderer.buffer(paint(this.colors, this.mode, data, state), this.buffer);
    if (withLegend) this.legend.fill();
    this.isStale = true;
    this.app.redraw(true);
  }

  // Left, bottom, width and height in pixels of the canvas.
  box() {
    const { canvas, view } = this.app, whole = canvas.getBoundingClientRect(), own = this.element.getBoundingClientRect();
    const left = Math.round((own.left - whole.left) * view.density), right = Math.round((own.right - whole.left) * view.density);
    const top = Math.round((own.top - whole.top) * view.density), low = Math.round((own.bottom - whole.top) * view.density);
    return [left, canvas.height - low, Math.max(1, right - left), Math.max(1, low - top)];
  }

  // The points, every step-th of them, where they changed; what is drawn over them always.
  draw(step) {
    const { renderer, camera, view } = this.app;
    if (this.isStale) {
      renderer.draw(this.buffer, camera, view, this.box(), step);
      this.isCoarse = step > 1;
    }
    this.isStale = false;
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
    if (this === app.panes.find((pane) => pane.isShown)) drawScale(ink, app.scale(height), height, view.ink, view.paperCss);
  }

  // The point at a place of the pane; −1 where there is none. All in pixels of the page.
  pointAt(x, y, reach) {
    const { app } = this, { density } = app.view, [, , width, height] = this.box();
    return pointAt(app, width, height, x * density, y * density, reach * density);
  }
}
