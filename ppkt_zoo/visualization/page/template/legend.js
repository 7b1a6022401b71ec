// The legend of a pane: what its colours mean. Every name is text, never markup.

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  if (tag === "button") element.type = "button";
  return element;
}

const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1%" : (100 * share).toFixed(1) + "%");

// Name, colour and a figure of each class that occurs, most frequent first; key: what switching it off adds to a set.
function entriesOf(what) {
  if (what !== "boxes") {
    return about[what].map((one, key) => ({ ...one, key, figure: percent(one.share) }))
      .filter((one) => one.share > 0).sort((a, b) => b.share - a.share);
  }
  const found = new Map();
  for (const box of about.boxes) {
    const entry = found.get(box.name) || { name: box.name, color: box.color, key: box.name, count: 0 };
    found.set(box.name, { ...entry, count: entry.count + 1, figure: String(entry.count + 1) });
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

class Legend {
  constructor(pane, element) {
    Object.assign(this, { pane, element, app: pane.app, inside: element.querySelector(".inside") });
  }

  // Which entries the pane's mode has; boxes have theirs where nothing else needs the place.
  get kind() {
    const { mode } = this.pane, { state } = this.app;
    if (mode === "classes" || mode === "clusters") return mode;
    return mode === "color" && state.boxes && about.boxes && about.boxes.length ? "boxes" : null;
  }

  fill() {
    const { mode } = this.pane, inside = this.inside;
    inside.replaceChildren();
    if (this.kind) this.fillEntries(this.kind);
    else if (mode === "similarity") this.fillRamp();
    else if (mode === "pca") inside.append(made("p", "", "similar features, similar colours"));
    else if (!about.has_color) inside.append(made("p", "", "grey by height: the cloud has no colour"));
    this.element.hidden = !inside.childNodes.length;
  }

  fillEntries(kind) {
    const hidden = this.app.state.hidden[kind], entries = entriesOf(kind);
    for (const entry of entries) {
      const button = made("button", "entry"), swatch = made("span", "swatch");
      swatch.style.background = css(entry.color);
      button.append(swatch, made("span", "name", entry.name), made("span", "share", entry.figure));
      button.setAttribute("aria-pressed", String(!hidden.has(entry.key)));
      button.title = entry.name + " — click: show or hide; double click: this alone";
      button.addEventListener("click", () => this.toggle(hidden, entry.key));
      button.addEventListener("dblclick", () => this.only(hidden, entry.key, entries));
      this.inside.append(button);
    }
    if (hidden.size) {
      const all = made("button", "all", "Show all");
      all.addEventListener("click", () => { hidden.clear(); this.app.showEntries(); });
      this.inside.append(all);
    }
  }

  toggle(hidden, key) {
    if (!hidden.delete(key)) hidden.add(key);
    this.app.showEntries();
  }

  only(hidden, key, entries) {
    hidden.clear();
    for (const entry of entries) if (entry.key !== key) hidden.add(entry.key);
    this.app.showEntries();
  }

  fillRamp() {
    const { state } = this.app;
    if (!state.similarity) {
      this.inside.append(made("p", "", "click a point: all others are compared with it"));
      return;
    }
    const ramp = made("canvas", "ramp"), ends = made("div", "ends"), slider = made("input");
    [ramp.width, ramp.height] = [256, 1];
    const ink = ramp.getContext("2d");
    RAMP.forEach((color, step) => { ink.fillStyle = css(color); ink.fillRect(step, 0, 1, 1); });
    const low = made("span", "", state.low.toFixed(2));
    ends.append(low, made("span", "", "similarity"), made("span", "", "1.00"));
    Object.assign(slider, { type: "range", min: -0.5, max: 0.99, step: 0.01, value: state.low, title: "Where the colours begin" });
    slider.setAttribute("aria-label", "Similarity at which the colours begin");
    slider.addEventListener("input", () => {
      state.low = Number(slider.value);
      low.textContent = state.low.toFixed(2);
      this.app.repaint("similarity");
    });
    this.inside.append(ramp, ends, slider);
  }
}
