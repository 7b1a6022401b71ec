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
    this.shown = shownPoints(data, this.state);
    this.isMoving = this.waiting = false;
    this.step = 1;
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

  // Length and text of the scale bar in a pane of this height.
  scale(height) {
    return scaleOf(this.camera.pixelsPerMetre(height));
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
  }

  setPanes(two) {
    if (this.button("panes").hidden) return;
    this.panes[1].element.hidden = !two;
    this.resize();
  }

  setTheme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    this.button("theme").textContent = dark ? "Light" : "Dark";
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
    if (this.panes[1].isShown) this.redraw(true); // what is drawn over them is enough
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
    this.shown = shownPoints(this.data, this.state);
    this.renderer.setShown(this.shown);
    for (const pane of this.panes) pane.legend.fill();
    this.redraw();
  }

  resize() {
    const { canvas, view } = this;
    view.density = Math.min(window.devicePixelRatio || 1, 2);
    const size = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(1, Math.round(side * view.density)));
    const layout = [...size, this.panes[1].isShown].join();
    if (layout === this.layout) return;
    this.layout = layout;
    [canvas.width, canvas.height] = size;
    this.redraw();
  }

  // While the view moves, or colours have just changed, a slow machine draws fewer points; then all of them.
  moved(everything = true) {
    this.isMoving = true;
    this.redraw(!everything);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.settle(), 180);
  }

  settle() {
    clearTimeout(this.rest);
    if (!this.isMoving || this.input.fingers.size) return;
    this.isMoving = false;
    this.last = null;
    for (const pane of this.panes) pane.isStale = pane.isStale || pane.isCoarse;
    this.redraw(true);
  }

  // Soon, and once however often it is asked for; onlyOver: the points of panes that did not change stay as they are.
  redraw(onlyOver = false) {
    if (!onlyOver) for (const pane of this.panes) pane.isStale = true;
    if (this.waiting || !this.panes.length) return;
    this.waiting = true;
    requestAnimationFrame((now) => {
      this.waiting = false;
      this.pace(now);
      this.drawNow(this.isMoving ? this.step : 1);
    });
  }

  // Half or twice as many points, by how long the last frames took.
  pace(now) {
    const took = now - (this.last || now);
    this.last = this.isMoving ? now : null;
    if (!took) return;
    if (took > 70) this.step = Math.min(16, 2 * this.step);
    else if (took < 35) this.step = Math.max(1, this.step / 2);
  }

  // The first picture, of an eighth of the points; how long it takes once the shaders are there tells how many points
  // this machine can draw while the view moves.
  async begin() {
    this.isMoving = true; // what is asked for meanwhile is as coarse
    this.step = 8;
    await this.drawn(this.panes);
    const began = performance.now();
    await this.drawn(this.panes.slice(0, 1));
    const took = 3 * (performance.now() - began); // shading costs the same for fewer points
    for (this.step = 1; took / this.step > 60 && this.step < 16;) this.step *= 2;
    this.isMoving = false;
    this.redraw();
  }

  // Draws panes, and tells when the graphics card is done with them; nothing else waits for it.
  drawn(panes) {
    const { gl } = this;
    for (const pane of panes) pane.isStale = true;
    this.drawNow(this.step);
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    return new Promise((done) => {
      const look = () => {
        const isDone = gl.isContextLost() || gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.SIGNALED;
        if (isDone) done();
        else setTimeout(look, 4);
      };
      setTimeout(look);
    });
  }

  drawNow(step = 1) {
    for (const pane of this.panes) if (pane.isShown) pane.draw(step);
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
  const canvas = $("canvas"), gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true });
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
  await app.begin();
  // For tests, and for pages that hold this one.
  window.ppktZoo = app;
  document.documentElement.dataset.state = "ready";
}

start().catch((error) => {
  fail("This page could not be shown (" + error.message + ").");
  console.error(error);
});
