// Puts the page together; without WebGL2 the picture stays.

class App {
  constructor(gl, canvas, data) {
    Object.assign(this, { gl, canvas, data });
    this.view = { size: 1, density: 1, paper: [1, 1, 1], paperCss: "#fff", ink: "#000" };
    this.state = {
      picked: -1, similarity: null, low: 0, boxes: true, pointer: null,
      hidden: { classes: new Set(), clusters: new Set(), boxes: new Set() },
    };
    this.camera = new Camera(data);
    this.renderer = new Renderer(gl, data);
    this.panes = [];
    this.frameTime = 0;
    this.waiting = false;
    const second = ["pca", "classes", "clusters"].find(isThere);
    const elements = [...document.querySelectorAll(".pane")];
    elements[1].hidden = !second;
    ["color", second || "color"].forEach((mode, at) => this.panes.push(new Pane(this, elements[at], mode)));
    this.picking = new Picking(this);
    this.input = new Input(this);
    for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => this.do(button.dataset.do, button));
    this.button("boxes").hidden = !about.boxes || !about.boxes.length;
    const { walls, ceiling } = about.start.shell;
    this.button("walls").hidden = ceiling === null && walls.every((limit) => limit === null);
    this.button("panes").hidden = !second;
    this.setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
    new ResizeObserver(() => this.resize()).observe($("stage"));
    this.resize();
    this.camera.reset(this.aspect);
    if (about.picked !== null) this.picking.pick(about.picked);
    this.tellButtons();
  }

  button(name) {
    return document.querySelector("[data-do=" + name + "]");
  }

  get aspect() {
    const { clientWidth: width, clientHeight: height } = this.panes[0].element;
    return Math.max(width, 1) / Math.max(height, 1);
  }

  do(what, button) {
    const { state, view, camera } = this;
    ({
      boxes: () => { state.boxes = !state.boxes; this.panes.forEach((pane) => pane.legend.fill()); },
      walls: () => { camera.cut = !camera.cut; },
      panes: () => this.setPanes(this.panes[1].element.hidden),
      smaller: () => { view.size = Math.max(0.25, view.size / 1.25); },
      larger: () => { view.size = Math.min(8, view.size * 1.25); },
      reset: () => { camera.reset(this.aspect); },
      screenshot: () => screenshot(this),
      theme: () => this.setTheme(document.documentElement.dataset.theme !== "dark"),
      help: () => $("help").showModal(),
      copy: () => this.picking.copy(button),
      clear: () => this.picking.pick(-1),
    })[what]();
    this.tellButtons();
    this.redraw();
  }

  tellButtons() {
    const press = (name, on) => this.button(name).setAttribute("aria-pressed", String(on));
    press("boxes", this.state.boxes);
    press("walls", this.camera.cut);
    press("panes", this.panes[1].isShown);
    $("size").textContent = this.view.size.toFixed(1) + "×";
    this.button("theme").textContent = document.documentElement.dataset.theme === "dark" ? "Light" : "Dark";
  }

  setPanes(two) {
    if (this.button("panes").hidden) return;
    this.panes[1].element.hidden = !two;
    this.resize();
  }

  setTheme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(document.documentElement);
    this.view.paperCss = style.getPropertyValue("--paper").trim();
    this.view.ink = style.getPropertyValue("--ink").trim();
    this.view.paper = [1, 3, 5].map((at) => parseInt(this.view.paperCss.slice(at, at + 2), 16) / 255);
    this.redraw();
  }

  // Where the pointer is in one pane, so that the other can show it.
  point(place) {
    if (!place && !this.state.pointer) return;
    this.state.pointer = place;
    if (this.panes[1].isShown) this.redraw(true);
  }

  turnAbout(point) {
    const { camera } = this, before = camera.axes().eye;
    camera.target = placeOf(this.data, point);
    camera.distance = Math.max(0.004 * camera.radius, Math.min(camera.distance, 0.75 * Math.hypot(...before.map((value, at) => value - camera.target[at]))));
    this.moved();
  }

  repaint(mode) {
    for (const pane of this.panes) if (pane.mode === mode) pane.repaint(false);
  }

  showEntries() {
    this.renderer.setShown(shownPoints(this.data, this.state));
    for (const pane of this.panes) pane.legend.fill();
    this.redraw();
  }

  resize() {
    const { canvas, view } = this;
    view.density = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * view.density));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * view.density));
    this.redraw();
  }

  // While the view moves a slow machine draws fewer points; when it rests, all of them.
  moved() {
    this.isMoving = true;
    this.redraw();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.settle(), 180);
  }

  settle() {
    clearTimeout(this.rest);
    if (this.isMoving && !this.input.fingers.size) {
      this.isMoving = false;
      this.redraw();
    }
  }

  redraw(onlyOver = false) {
    this.needsPoints = this.needsPoints || !onlyOver;
    if (this.waiting || !this.panes.length) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.needsPoints) this.drawNow(this.isMoving && this.frameTime > 45 ? Math.min(8, Math.ceil(this.frameTime / 45)) : 1);
      else this.drawNow(0);
    });
  }

  // All panes, with every step-th point; 0: only what is drawn over the points.
  drawNow(step = 1) {
    const began = performance.now();
    for (const pane of this.panes.filter((one) => one.isShown)) pane.draw(step);
    if (step) this.needsPoints = false;
    if (step === 1 && this.isMoving) {
      this.gl.finish();
      this.frameTime = performance.now() - began;
    }
  }
}

function fail(reason) {
  for (const id of ["bar", "stage"]) $(id).hidden = true;
  $("still").hidden = false;
  $("reason").textContent = reason + " Here is a picture of the cloud.";
  document.documentElement.dataset.state = "picture";
}

async function start() {
  for (const note of about.notes) for (const list of ["notes", "still-notes"]) $(list).append(made("li", "", note));
  const canvas = $("canvas"), gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
  if (!gl) return fail("This browser has no WebGL2 (or it is switched off), which turning the cloud needs.");
  if (!("DecompressionStream" in window)) return fail("This browser is too old to unpack the points: any of 2023 or later can.");
  $("still").hidden = true;
  $("bar").hidden = $("stage").hidden = false;
  $("title").textContent = about.title;
  $("told").textContent = about.notes[0];
  $("notes").append(made("li", "", "The page holds everything that it shows. It makes no request: nothing leaves it."));
  for (const [keys, act] of KEYS) $("keys").append(made("dt", "", keys), made("dd", "", act));
  const app = new App(gl, canvas, await unpacked());
  canvas.addEventListener("webglcontextlost", () => fail("The graphics driver gave up this page: reload it."));
  $("busy").remove();
  app.drawNow();
  // For tests, and for pages that hold this one.
  window.ppktZoo = app;
  document.documentElement.dataset.state = "ready";
}

start().catch((error) => {
  fail("This page could not be shown (" + error.message + ").");
  console.error(error);
});
