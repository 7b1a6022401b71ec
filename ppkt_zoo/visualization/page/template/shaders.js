// Points as round splats, then one pass over the picture that darkens what lies behind an edge (eye-dome lighting).

const POINTS = `#version 300 es
layout(location = 0) in vec3 cell;
layout(location = 1) in float size;
layout(location = 2) in vec3 color;
layout(location = 3) in float shown;
uniform mat4 clip;
uniform vec3 eye;
uniform float span;      // metres of the largest cell
uniform vec2 sizes;      // logarithms to base 2 of the least and the largest spacing
uniform float pixels;    // of a metre at distance 1, times the size that the user chose
uniform vec2 diameter;   // pixels, least and largest
uniform vec4 walls;      // metres along four directions; huge where there is none
uniform vec2 across;     // the first of these directions
uniform vec2 heights;    // floor and ceiling
flat out vec3 paint;
flat out float wide;
void main() {
  vec3 place = cell * span;
  vec2 along = vec2(-across.y, across.x);
  vec4 out4 = vec4(dot(place.xy, across), dot(place.xy, along), -dot(place.xy, across), -dot(place.xy, along));
  vec4 eye4 = vec4(dot(eye.xy, across), dot(eye.xy, along), -dot(eye.xy, across), -dot(eye.xy, along));
  bool wall = place.z >= heights.x && any(equal(ivec4(greaterThan(eye4, walls)) + ivec4(greaterThanEqual(out4, walls)), ivec4(2)));
  bool ceiling = eye.z > heights.y && place.z >= heights.y;
  gl_Position = clip * vec4(place, 1.0);
  wide = clamp(pixels * exp2(mix(sizes.x, sizes.y, size)) / max(gl_Position.w, 1e-6), diameter.x, diameter.y);
  gl_PointSize = wide;
  paint = color;
  if (wall || ceiling || shown == 0.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const SPLAT = `#version 300 es
precision mediump float;
flat in vec3 paint;
flat in float wide;
out vec4 pixel;
void main() {
  vec2 off = gl_PointCoord * 2.0 - 1.0;
  if (wide > 2.5 && dot(off, off) > 1.0) discard;
  pixel = vec4(paint, 1.0);
}`;

const WHOLE = `#version 300 es
void main() {
  vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

const SHADE = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D colors;
uniform sampler2D depths;
uniform vec2 planes;     // near and far
uniform vec2 corner;     // of the pane, in pixels of the canvas
uniform ivec2 size;      // of the pane
uniform float reach;     // pixels
uniform float strength;
uniform vec3 paper;
out vec4 pixel;
float metres(ivec2 at) {
  float depth = texelFetch(depths, at, 0).r;
  return planes.x * planes.y / (planes.y - depth * (planes.y - planes.x));
}
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy - corner);
  if (texelFetch(depths, at, 0).r >= 1.0) { pixel = vec4(paper, 1.0); return; }
  float here = log2(metres(at)), sum = 0.0;
  for (int turn = 0; turn < 8; turn++) {
    float angle = float(turn) * 0.7853981634;
    ivec2 near = clamp(at + ivec2(round(reach * vec2(cos(angle), sin(angle)))), ivec2(0), size - 1);
    sum += min(max(0.0, here - log2(metres(near))), 0.06);
  }
  pixel = vec4(texelFetch(colors, at, 0).rgb * exp(-strength * sum), 1.0);
}`;
