// A picture of what is seen: points, boxes, scale, and beneath each pane's heading what its colours mean.

function screenshot(app) {
  app.drawNow();
  const { canvas, view } = app, picture = document.createElement("canvas"), ink = picture.getContext("2d");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  ink.drawImage(canvas, 0, 0);
  const whole = canvas.getBoundingClientRect();
  for (const pane of app.panes.filter((one) => one.isShown)) {
    const box = pane.element.getBoundingClientRect();
    const left = (box.left - whole.left) * view.density, top = (box.top - whole.top) * view.density;
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.drawImage(pane.overlay, left, top);
    ink.setTransform(view.density, 0, 0, view.density, left, top);
    drawHeading(ink, app, pane);
  }
  picture.toBlob((blob) => {
    const link = document.createElement("a"), address = URL.createObjectURL(blob);
    link.href = address;
    link.download = about.title.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80) + ".png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }, "image/png");
}

function drawHeading(ink, app, pane) {
  const { view, state } = app, text = (words, x, y, bold) => {
    ink.font = (bold ? "600 " : "") + "13px " + FONT;
    ink.textBaseline = "middle";
    [ink.lineWidth, ink.strokeStyle, ink.fillStyle] = [3, view.paperCss, view.ink];
    ink.strokeText(words, x, y);
    ink.fillText(words, x, y);
  };
  text(MODES.find(([name]) => name === pane.mode)[1], 14, 20, true);
  const { kind } = pane.legend;
  if (kind) {
    entriesOf(kind).filter((entry) => !state.hidden[kind].has(entry.key)).slice(0, 24).forEach((entry, at) => {
      ink.fillStyle = css(entry.color);
      rounded(ink, 14, 36 + 19 * at, 12, 12, 3);
      text(entry.name + "  " + entry.figure, 32, 42 + 19 * at);
    });
  } else if (pane.mode === "similarity" && state.similarity) {
    RAMP.forEach((color, step) => { ink.fillStyle = css(color); ink.fillRect(14 + step * 0.7, 36, 1.2, 10); });
    text(state.low.toFixed(2), 14, 56);
    text("1.00", 167, 56);
  }
}
