// The picked point: what is compared with it, and what is told of it.

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
    if (state.similarity) {
      state.low = middleOf(state.similarity);
      if (!panes.some((pane) => pane.isShown && pane.mode === "similarity")) {
        const pane = panes.filter((one) => one.isShown).at(-1);
        this.before = { pane, mode: pane.mode };
        pane.setMode("similarity");
      }
    } else if (point < 0 && this.before) {
      this.before.pane.setMode(this.before.mode);
      this.before = null;
    }
    for (const pane of panes) if (pane.mode === "similarity") pane.repaint();
    this.tell();
    this.app.redraw();
  }

  get place() {
    return inCloud(placeOf(this.app.data, this.app.state.picked));
  }

  tell() {
    const { state, data } = this.app, point = state.picked;
    $("card").hidden = point < 0;
    if (point < 0) return;
    const words = [this.place.map((value) => value.toFixed(2)).join(", ") + " m", "row " + data.row[point]];
    for (const what of ["classes", "clusters"]) {
      if (about[what] && data[what][point] !== NO_CLASS) words.push(about[what][data[what][point]].name);
    }
    $("place").textContent = words.join("  ·  ");
  }

  // The place as `ppkt-zoo similar` takes it.
  get option() {
    return "--at " + this.place.map((value) => value.toFixed(3)).join(",");
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
