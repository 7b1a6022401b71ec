// Draws the points of a pane.

const NONE = 1e9;

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error("the graphics driver refuses the shaders");
  const uniforms = {}, count = gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS);
  for (let at = 0; at < count; at++) {
    const { name } = gl.getActiveUniform(made, at);
    uniforms[name] = gl.getUniformLocation(made, name);
  }
  return { made, uniforms };
}

class Renderer {
  constructor(gl, data) {
    this.gl = gl;
    this.count = data.count;
    this.points = program(gl, POINTS, SPLAT);
    this.shade = program(gl, WHOLE, SHADE);
    this.largest = gl.getParameter(gl.ALIASED_POINT_SIZE_RANGE)[1];
    this.places = this.buffer(this.interleaved(data));
    this.shown = this.buffer(new Uint8Array(data.count).fill(255));
    this.size = this.room = null;
    gl.enable(gl.SCISSOR_TEST);
  }

  // Eight bytes a point: x, y, z in 16 bits, spacing in 8.
  interleaved(data) {
    const bytes = new Uint8Array(8 * data.count), words = new Uint16Array(bytes.buffer);
    for (let point = 0; point < data.count; point++) {
      for (let axis = 0; axis < 3; axis++) words[4 * point + axis] = data.cells[axis][point];
      bytes[8 * point + 6] = data.size[point];
    }
    return bytes;
  }

  buffer(bytes, old = null) {
    const { gl } = this, made = old || gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, made);
    gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.STATIC_DRAW);
    return made;
  }

  setShown(bytes) {
    this.buffer(bytes, this.shown);
  }

  // Colour and depth of one pane, drawn before they are shaded.
  prepare(width, height) {
    this.size = [width, height];
    if (this.room && this.room[0] >= width && this.room[1] >= height) return;
    this.room = [Math.max(width, this.room ? this.room[0] : 0), Math.max(height, this.room ? this.room[1] : 0)];
    const { gl } = this;
    for (const old of [this.colors, this.depths]) if (old) gl.deleteTexture(old);
    const texture = (inner, format, kind) => {
      const made = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, made);
      gl.texImage2D(gl.TEXTURE_2D, 0, inner, ...this.room, 0, format, kind, null);
      for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
      return made;
    };
    this.colors = texture(gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE);
    this.depths = texture(gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT);
    this.frame = this.frame || gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.colors, 0);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, this.depths, 0);
  }

  // Pixels of a metre at distance 1 that a point with a neighbour one metre away takes; and its bounds.
  diameters(camera, view, height) {
    const most = Math.min(this.largest, 48 * view.density * Math.max(1, view.size));
    return { pixels: camera.pixelsPerMetre(height, 1) * 2.2 * view.size, least: 1.2 * view.density, most };
  }

  // The points into the frame; every step-th of them while the view moves and the machine is slow.
  splat(colors, camera, view, step) {
    const { gl } = this, { uniforms } = this.points, shell = about.start.shell, [width, height] = this.size;
    const matrix = camera.matrix(width / height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frame);
    gl.viewport(0, 0, width, height);
    gl.enable(gl.DEPTH_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(this.points.made);
    gl.uniformMatrix4fv(uniforms.clip, false, matrix.clip);
    gl.uniform3fv(uniforms.eye, matrix.eye);
    gl.uniform1f(uniforms.span, 65535 * about.step);
    gl.uniform2fv(uniforms.sizes, about.size.map(Math.log2));
    const { pixels, least, most } = this.diameters(camera, view, height);
    gl.uniform1f(uniforms.pixels, pixels * Math.sqrt(step));
    gl.uniform2f(uniforms.diameter, least, most);
    const limits = shell.walls.map((limit) => (limit === null || !camera.cut ? NONE : limit));
    gl.uniform4fv(uniforms.walls, limits);
    gl.uniform2f(uniforms.across, Math.cos(shell.yaw), Math.sin(shell.yaw));
    gl.uniform2f(uniforms.heights, shell.floor === null ? -NONE : shell.floor, shell.ceiling === null || !camera.cut ? NONE : shell.ceiling);
    const attribute = (place, buffer, size, kind, stride, offset) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, kind, true, stride * step, offset);
    };
    attribute(0, this.places, 3, gl.UNSIGNED_SHORT, 8, 0);
    attribute(1, this.places, 1, gl.UNSIGNED_BYTE, 8, 6);
    attribute(2, colors, 3, gl.UNSIGNED_BYTE, 4, 0);
    attribute(3, this.shown, 1, gl.UNSIGNED_BYTE, 1, 0);
    gl.drawArrays(gl.POINTS, 0, Math.ceil(this.count / step));
    return matrix;
  }

  // One pane onto the canvas; box: left, bottom, width, height in pixels of the canvas.
  draw(colors, camera, view, box, step) {
    const { gl } = this, [left, bottom, width, height] = box, { uniforms } = this.shade;
    this.prepare(width, height);
    gl.scissor(0, 0, width, height);
    const matrix = this.splat(colors, camera, view, step);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(left, bottom, width, height);
    gl.scissor(left, bottom, width, height);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(this.shade.made);
    [this.colors, this.depths].forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    gl.uniform1i(uniforms.colors, 0);
    gl.uniform1i(uniforms.depths, 1);
    gl.uniform2f(uniforms.planes, matrix.near, matrix.far);
    gl.uniform2f(uniforms.corner, left, bottom);
    gl.uniform2i(uniforms.size, width, height);
    gl.uniform1f(uniforms.reach, 1.5 * view.density);
    gl.uniform1f(uniforms.strength, 2.4);
    gl.uniform3fv(uniforms.paper, view.paper);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }
}
