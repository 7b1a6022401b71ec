// What is drawn over the points: boxes with names and scores, the picked point, the other pane's pointer, a scale.

const CORNERS = [0, 1, 2, 3, 4, 5, 6, 7].map((at) => [(at >> 2) - 0.5, ((at >> 1) & 1) - 0.5, (at & 1) - 0.5]);
const EDGES = [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]];
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const css = (color) => "rgb(" + color.join(" ") + ")";
const isLight = (color) => 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2] > 150;

function cornersOf(box) {
  const c = Math.cos(box.heading), s = Math.sin(box.heading);
  return CORNERS.map((corner) => {
    const [x, y, z] = corner.map((part, axis) => part * box.size[axis]);
    return [box.center[0] + c * x - s * y, box.center[1] + s * x + c * y, box.center[2] + z];
  });
}

const captionOf = (box) => (box.score === null ? box.name : box.name + " " + box.score.toFixed(2));

function rounded(ink, left, top, width, height, radius) {
  ink.beginPath();
  ink.roundRect(left, top, width, height, radius);
  ink.fill();
}

function drawBoxes(ink, camera, width, height, boxes) {
  const seen = boxes.map((box) => ({ box, at: cornersOf(box).map((corner) => camera.project(corner, width, height)) }))
    .filter(({ at }) => at.every(Boolean))
    .map((one) => ({ ...one, far: one.at.reduce((sum, corner) => sum + corner[2], 0) }))
    .sort((a, b) => b.far - a.far);
  ink.lineCap = ink.lineJoin = "round";
  for (const { box, at } of seen) {
    for (const [color, thick] of [["rgb(0 0 0 / 0.45)", 3.6], [css(box.color), 2]]) {
      ink.strokeStyle = color;
      ink.lineWidth = thick;
      ink.beginPath();
      for (const [from, to] of EDGES) {
        ink.moveTo(at[from][0], at[from][1]);
        ink.lineTo(at[to][0], at[to][1]);
      }
      ink.stroke();
    }
  }
  // The nearest boxes are named first; a name that would cover another one is left out.
  ink.font = "12px " + FONT;
  ink.textBaseline = "middle";
  const taken = [];
  for (const { box, at } of seen.reverse()) {
    const text = captionOf(box), wide = ink.measureText(text).width + 12;
    const x = at.reduce((sum, corner) => sum + corner[0], 0) / 8 - wide / 2;
    const y = Math.min(...at.map((corner) => corner[1])) - 20;
    if (taken.some((one) => Math.abs(one.y - y) < 18 && x < one.x + one.wide && one.x < x + wide)) continue;
    taken.push({ x, y, wide });
    ink.fillStyle = css(box.color);
    rounded(ink, x, y, wide, 17, 4);
    ink.fillStyle = isLight(box.color) ? "#14171c" : "#fff";
    ink.fillText(text, x + 6, y + 9);
  }
}

function drawMark(ink, at) {
  for (const [color, thick] of [["rgb(0 0 0 / 0.6)", 5], ["#fff", 2.5]]) {
    ink.strokeStyle = color;
    ink.lineWidth = thick;
    ink.beginPath();
    ink.arc(at[0], at[1], 8, 0, 2 * Math.PI);
    ink.stroke();
  }
  ink.fillStyle = "#e61e78";
  ink.beginPath();
  ink.arc(at[0], at[1], 3, 0, 2 * Math.PI);
  ink.fill();
}

function drawGhost(ink, x, y, color) {
  ink.strokeStyle = color;
  ink.lineWidth = 1.5;
  ink.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    ink.moveTo(x + 4 * dx, y + 4 * dy);
    ink.lineTo(x + 10 * dx, y + 10 * dy);
  }
  ink.stroke();
}

// A round length of 60 to 150 pixels, at the distance of what the camera turns about.
function scaleOf(pixelsPerMetre) {
  const most = 150 / pixelsPerMetre, power = 10 ** Math.floor(Math.log10(most));
  const metres = [5, 2, 1].map((part) => part * power).find((length) => length <= most);
  const [unit, name] = metres >= 1000 ? [1000, "km"] : metres >= 1 ? [1, "m"] : metres >= 0.01 ? [0.01, "cm"] : [0.001, "mm"];
  return { pixels: metres * pixelsPerMetre, text: Number((metres / unit).toPrecision(3)) + " " + name };
}

function drawScale(ink, { pixels, text }, height, color, paper) {
  const left = 16, y = height - 18;
  for (const [tone, thick] of [[paper, 5], [color, 1.5]]) {
    ink.strokeStyle = tone;
    ink.lineWidth = thick;
    ink.lineCap = "butt";
    ink.beginPath();
    ink.moveTo(left, y - 5);
    ink.lineTo(left, y);
    ink.lineTo(left + pixels, y);
    ink.lineTo(left + pixels, y - 5);
    ink.stroke();
  }
  ink.font = "12px " + FONT;
  ink.textBaseline = "alphabetic";
  ink.lineWidth = 3;
  ink.strokeStyle = paper;
  ink.strokeText(text, left + 5, y - 6);
  ink.fillStyle = color;
  ink.fillText(text, left + 5, y - 6);
}
