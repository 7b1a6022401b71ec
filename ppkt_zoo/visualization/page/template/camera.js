// One camera for both panes: it turns about a target; z points up.

const FIELD = 38 * Math.PI / 180; // of view, upright
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const along = (a, direction, far) => a.map((value, at) => value + far * direction[at]);

class Camera {
  constructor(data) {
    this.extent = [0, 1, 2].map((axis) => data.cells[axis].reduce((most, one) => Math.max(most, one), 0) * about.step);
    this.radius = Math.max(Math.hypot(...this.extent) / 2, 1e-3);
    // Some of the points stand for all where the view is fitted to them.
    const step = Math.max(1, data.count >> 12);
    this.sample = [];
    for (let point = 0; point < data.count; point += step) this.sample.push(placeOf(data, point));
    this.cut = true;
    this.reset(1);
  }

  reset(aspect) {
    const start = about.start;
    this.target = [...start.target];
    this.azimuth = start.azimuth * Math.PI / 180;
    this.elevation = start.elevation * Math.PI / 180;
    this.distance = 3 * this.radius;
    this.fit(aspect);
  }

  // So near that the points just fill the pane; those of walls that are looked through do not count.
  fit(aspect) {
    const { right, up, outward, eye } = this.axes();
    const tall = Math.tan(FIELD / 2) * 0.92, wide = tall * aspect;
    const needed = this.sample.filter((place) => !this.isCut(place, eye)).map((place) => {
      const away = place.map((value, at) => value - this.target[at]);
      return dot(away, outward) + Math.max(Math.abs(dot(away, right)) / wide, Math.abs(dot(away, up)) / tall);
    }).sort((a, b) => a - b);
    // One in two hundred may lie outside: stray points do not shrink the rest.
    if (needed.length) this.distance = Math.max(needed[Math.floor(0.995 * (needed.length - 1))], 0.02 * this.radius);
  }

  axes() {
    const [ca, sa, ce, se] = [Math.cos(this.azimuth), Math.sin(this.azimuth), Math.cos(this.elevation), Math.sin(this.elevation)];
    const outward = [ca * ce, sa * ce, se], right = [-sa, ca, 0];
    return { right, up: cross(outward, right), outward, eye: along(this.target, outward, this.distance) };
  }

  // Whether a place belongs to a wall or a ceiling between the eye and the room (camera.py, Shell.inside).
  isCut(place, eye) {
    if (!this.cut) return false;
    const { yaw, walls, ceiling, floor } = about.start.shell;
    if (ceiling !== null && eye[2] > ceiling && place[2] >= ceiling) return true;
    if (floor !== null && place[2] < floor) return false;
    return walls.some((limit, quarter) => {
      if (limit === null) return false;
      const angle = yaw + quarter * Math.PI / 2, x = Math.cos(angle), y = Math.sin(angle);
      return eye[0] * x + eye[1] * y > limit && place[0] * x + place[1] * y >= limit;
    });
  }

  // Near and far plane, and the matrix from places to clip space, column by column.
  matrix(aspect) {
    const { right, up, outward, eye } = this.axes();
    const far = this.distance + 2.5 * this.radius;
    const near = Math.max(this.distance - 2.5 * this.radius, 0.004 * this.distance, 1e-4);
    const tall = 1 / Math.tan(FIELD / 2), wide = tall / aspect;
    const a = -(far + near) / (far - near), b = -2 * far * near / (far - near);
    const rows = [
      [...right.map((value) => value * wide), -dot(right, eye) * wide],
      [...up.map((value) => value * tall), -dot(up, eye) * tall],
      [...outward.map((value) => value * a), -dot(outward, eye) * a + b],
      [...outward.map((value) => -value), dot(outward, eye)],
    ];
    return { near, far, eye, clip: new Float32Array([0, 1, 2, 3].flatMap((column) => rows.map((row) => row[column]))) };
  }

  // Where a place is seen in a pane of this size: x, y in its pixels, and how far off; null behind the camera.
  project(place, width, height) {
    const { right, up, outward, eye } = this.axes();
    const away = place.map((value, at) => value - eye[at]), depth = -dot(away, outward);
    if (depth <= 1e-6) return null;
    const scale = this.pixelsPerMetre(height, depth);
    return [width / 2 + dot(away, right) * scale, height / 2 - dot(away, up) * scale, depth];
  }

  pixelsPerMetre(height, depth = this.distance) {
    return height / (2 * Math.tan(FIELD / 2) * depth);
  }

  turn(x, y) {
    this.azimuth -= x * 0.0075;
    this.elevation = Math.min(Math.max(this.elevation + y * 0.0075, -Math.PI / 2), Math.PI / 2);
  }

  pan(x, y, height) {
    const { right, up } = this.axes(), metres = 1 / this.pixelsPerMetre(height);
    this.target = along(along(this.target, right, -x * metres), up, y * metres);
  }

  // By a factor; what is under the pointer (x, y from the pane's middle) stays there.
  zoom(factor, x = 0, y = 0, height = 1) {
    const least = 0.004 * this.radius, most = 20 * this.radius;
    const distance = Math.min(Math.max(this.distance * factor, least), most);
    const part = 1 - distance / this.distance;
    this.pan(-x * part, -y * part, height);
    this.distance = distance;
  }
}
