// Mouse, touch and keys. One finger or the left button turns, two fingers or the right button move.

const CLICK = { pixels: 5, milliseconds: 600 }; // anything longer or farther is a drag
const REACH = { mouse: 5, pen: 8, touch: 14 }; // pixels about a click in which a point is looked for

const KEYS = [
  ["drag, arrow keys", "turn"],
  ["right drag, Shift+arrows", "move"],
  ["wheel, Page up/down", "nearer, farther"],
  ["two fingers", "move and zoom"],
  ["click, tap", "compare all points with this one"],
  ["double click", "turn about this point"],
  ["Esc", "forget the point"],
  ["1 … 5", "colouring of the pane under the pointer"],
  ["+  −", "larger, smaller points"],
  ["p", "one pane or two"],
  ["b", "boxes on or off"],
  ["w", "look through walls and ceiling, or not"],
  ["t, r", "from above; first view"],
  ["s", "save a picture"],
  ["l", "light or dark"],
  ["?", "this list"],
];

class Input {
  constructor(app) {
    this.app = app;
    this.active = app.panes[0];
    this.fingers = new Map();
    this.lastTap = null;
    for (const pane of app.panes) this.listen(pane);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  listen(pane) {
    const on = (name, act, options) => pane.element.addEventListener(name, act, options);
    const place = (event) => {
      const box = pane.element.getBoundingClientRect();
      return { pane, x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const isTool = (event) => event.target.closest(".modes, .legend, #card") !== null;
    on("pointerdown", (event) => {
      this.active = pane;
      if (isTool(event)) return;
      pane.element.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, { ...place(event), button: event.button, shift: event.shiftKey, moved: 0, began: event.timeStamp, alone: this.fingers.size === 0 });
      for (const finger of this.fingers.values()) if (this.fingers.size > 1) finger.alone = false;
    });
    on("pointermove", (event) => {
      this.app.point(event.pointerType === "mouse" && !isTool(event) ? place(event) : null);
      if (!this.fingers.has(event.pointerId)) return;
      pane.element.classList.add("moving");
      this.drag(event.pointerId, place(event));
    });
    const end = (event) => {
      const finger = this.fingers.get(event.pointerId);
      this.fingers.delete(event.pointerId);
      pane.element.classList.remove("moving");
      if (finger && event.type === "pointerup") this.clicked(finger, event);
      this.app.settle();
    };
    on("pointerup", end);
    on("pointercancel", end);
    on("pointerenter", () => { this.active = pane; });
    on("pointerleave", () => this.app.point(null));
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", (event) => {
      if (isTool(event)) return;
      event.preventDefault();
      const at = place(event), { clientWidth: width, clientHeight: height } = pane.element;
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.app.camera.zoom(Math.exp(Math.min(Math.max(event.deltaY * lines, -300), 300) * 0.0016), at.x - width / 2, at.y - height / 2, height);
      this.app.moved();
    }, { passive: false });
  }

  drag(id, now) {
    const { camera } = this.app, finger = this.fingers.get(id), height = finger.pane.element.clientHeight;
    const x = now.x - finger.x, y = now.y - finger.y;
    const others = [...this.fingers].filter(([other]) => other !== id).map(([, one]) => one);
    finger.moved += Math.hypot(x, y);
    if (others.length) {
      const [other] = others, width = finger.pane.element.clientWidth;
      const before = Math.hypot(finger.x - other.x, finger.y - other.y), after = Math.hypot(now.x - other.x, now.y - other.y);
      camera.pan(x / 2, y / 2, height);
      if (after > 1) camera.zoom(before / after, (now.x + other.x - width) / 2, (now.y + other.y - height) / 2, height);
    } else if (finger.button === 0 && !finger.shift) camera.turn(x, y);
    else camera.pan(x, y, height);
    Object.assign(finger, { x: now.x, y: now.y });
    this.app.moved();
  }

  clicked(finger, event) {
    if (finger.button !== 0 || !finger.alone || finger.moved > CLICK.pixels || event.timeStamp - finger.began > CLICK.milliseconds) return;
    const point = finger.pane.pointAt(finger.x, finger.y, REACH[event.pointerType] || REACH.mouse);
    const last = this.lastTap;
    this.lastTap = { time: event.timeStamp, x: finger.x, y: finger.y };
    if (last && event.timeStamp - last.time < 400 && Math.hypot(last.x - finger.x, last.y - finger.y) < 24) {
      if (point >= 0) this.app.turnAbout(point);
    } else if (point >= 0) this.app.picking.pick(point);
  }

  key(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    const { app } = this, { camera } = app, step = 40, height = this.active.element.clientHeight;
    const arrows = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    const acts = {
      "?": () => app.do("help"), "+": () => app.do("larger"), "=": () => app.do("larger"), "-": () => app.do("smaller"),
      p: () => app.do("panes"), b: () => app.do("boxes"), w: () => app.do("walls"), r: () => app.do("reset"),
      s: () => app.do("screenshot"), l: () => app.do("theme"), Escape: () => app.do("clear"),
      t: () => { camera.elevation = Math.PI / 2; app.moved(); },
      PageUp: () => { camera.zoom(1 / 1.25); app.moved(); }, PageDown: () => { camera.zoom(1.25); app.moved(); },
    };
    if (event.key in arrows) {
      const [x, y] = arrows[event.key];
      if (event.shiftKey) camera.pan(x, y, height);
      else camera.turn(x, y);
      app.moved();
    } else if (/^[1-9]$/.test(event.key)) {
      const mode = MODES.filter(([name]) => isThere(name))[Number(event.key) - 1];
      if (mode) (this.active.isShown ? this.active : app.panes[0]).setMode(mode[0]);
    } else {
      const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act) return;
      act();
    }
    event.preventDefault();
    app.settle();
  }
}
