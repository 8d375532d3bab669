"use strict";
// Curves on canvases: decoding, axes, drawing. It knows no controls.

const MISSING = 65535;
const LIGHT = ["#0072b2", "#d55e00", "#00795a", "#b0508a", "#a86f00", "#2a7fb8", "#5a5a5a"];
const DARK = ["#6cc0f5", "#ff9a57", "#3ddcae", "#f0a8d0", "#f5c04a", "#a9b4ff", "#c8c8c8"];
const RAMP = { light: ["#00316e", "#575c6d", "#8a7a3c", "#b08900"], dark: ["#6fa8ff", "#9aa3b5", "#c9b870", "#ffe25c"] };
const MARGIN = { left: 46, right: 8, top: 6, bottom: 30 };

function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed.codes), letter => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer), values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const code = view.getUint16(2 * i, true);
    const value = packed.low + (packed.high - packed.low) * code / (MISSING - 1);
    values[i] = code === MISSING ? NaN : packed.logarithmic ? Math.exp(value) : value;
  }
  return values;
}

function isDark() { return matchMedia("(prefers-color-scheme: dark)").matches; }

function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

// The colour of value i of n: told apart where there are few, a ramp from low to high where there are many.
function colour(i, n) {
  const own = isDark() ? DARK : LIGHT;
  if (n <= own.length) return own[i];
  const ramp = isDark() ? RAMP.dark : RAMP.light, place = i / (n - 1) * (ramp.length - 1), k = Math.min(Math.floor(place), ramp.length - 2);
  const part = (text, at) => parseInt(text.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map(at => Math.round(part(ramp[k], at) + (place - k) * (part(ramp[k + 1], at) - part(ramp[k], at))));
  return `rgb(${mixed})`;
}

function median(values) {
  if (!values.length) return NaN;
  const sorted = Float32Array.from(values).sort(), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// The median over runs at each of B points.
function medians(series, runs) {
  const B = series.steps.length, found = new Float32Array(B);
  for (let b = 0; b < B; b++) {
    const there = [];
    for (const run of runs) { const value = series.mean[run * B + b]; if (value === value) there.push(value); }
    found[b] = median(there);
  }
  return found;
}

function shortNumber(value) {
  if (value === 0 || !isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1).replace("e+", "e") : String(+value.toPrecision(3));
}

// An axis from data to pixels, with its ticks.
function axis(low, high, from, to, logarithmic) {
  const f = logarithmic ? Math.log10 : x => x;
  const a = f(low), width = (f(high) - a) || 1;
  const place = value => from + (f(value) - a) / width * (to - from);
  const back = pixel => { const x = a + (pixel - from) / (to - from) * width; return logarithmic ? 10 ** x : x; };
  return { place, back, ticks: logarithmic ? logTicks(low, high) : linearTicks(low, high) };
}

function linearTicks(low, high) {
  const rough = (high - low || 1) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * power).find(size => size >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) found.push(+(k * step).toPrecision(12));
  return found;
}

function logTicks(low, high) {
  const found = [], decades = Math.log10(high / low);
  const parts = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 3, 5, 7], stride = Math.ceil(decades / 8);
  for (let e = Math.floor(Math.log10(low) / stride) * stride; e <= Math.ceil(Math.log10(high)); e += stride)
    for (const part of parts) { const tick = part * 10 ** e; if (tick >= low && tick <= high) found.push(tick); }
  return found;
}

function sized(canvas) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  return { context, width, height };
}

function frame(context, x, y, width, height, label) {
  context.strokeStyle = css("--rule"); context.fillStyle = css("--soft"); context.lineWidth = 1; context.setLineDash([]);
  context.beginPath();
  for (const tick of y.ticks) { const at = Math.round(y.place(tick)) + .5; context.moveTo(MARGIN.left, at); context.lineTo(width - MARGIN.right, at); }
  context.stroke();
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const tick of y.ticks) context.fillText(shortNumber(tick), MARGIN.left - 4, y.place(tick));
  context.textAlign = "center"; context.textBaseline = "top";
  let last = -Infinity;
  for (const tick of x.ticks) if (x.place(tick) - last > 34) { last = x.place(tick); context.fillText(shortNumber(tick), last, height - MARGIN.bottom + 3); }
  context.textAlign = "right"; context.fillText("optimiser step", width - MARGIN.right, height - 13);
  context.textAlign = "left"; context.fillText(label, 2, height - 13);
}

function trace(context, series, values, offset, x, y) {
  let open = false;
  for (let b = 0; b < series.steps.length; b++) {
    const value = values[offset + b];
    if (value !== value) { open = false; continue; }
    const across = x.place(series.steps[b]), up = y.place(value);
    if (open) context.lineTo(across, up); else context.moveTo(across, up);
    open = true;
  }
}

function band(context, series, run, x, y) {
  if (!series.least) return;
  const B = series.steps.length, there = [];
  for (let b = 0; b < B; b++) if (series.least[run * B + b] === series.least[run * B + b]) there.push(b);
  context.beginPath();
  there.forEach((b, i) => context[i ? "lineTo" : "moveTo"](x.place(series.steps[b]), y.place(series.largest[run * B + b])));
  there.reverse().forEach(b => context.lineTo(x.place(series.steps[b]), y.place(series.least[run * B + b])));
  context.closePath(); context.globalAlpha = .25; context.fill(); context.globalAlpha = 1;
}

function lastPoint(series, run) {
  const B = series.steps.length;
  for (let b = B - 1; b >= 0; b--) if (series.mean[run * B + b] === series.mean[run * B + b]) return b;
  return -1;
}

// Exact levels as lines, drawn below the curves.
function levelLines(context, levels, y, width, height) {
  context.strokeStyle = css("--soft"); context.lineWidth = 1; context.setLineDash([2, 3]);
  for (const level of levels) {
    const at = y.place(level.nats);
    if (at < MARGIN.top || at > height - MARGIN.bottom) continue;
    context.beginPath(); context.moveTo(MARGIN.left, at); context.lineTo(width - MARGIN.right, at); context.stroke();
  }
  context.setLineDash([]);
}

// Their names, above the curves, each only where there is room for it.
function levelNames(context, levels, y, width, height) {
  context.strokeStyle = css("--paper"); context.fillStyle = css("--ink"); context.lineWidth = 3; context.lineJoin = "round";
  context.textAlign = "right"; context.textBaseline = "bottom"; context.font = "11px system-ui, sans-serif";
  let last = -Infinity;
  for (const level of levels) {
    const at = y.place(level.nats), text = `${level.name.replaceAll("_", " ")} ${shortNumber(level.nats)}`;
    if (at < MARGIN.top + 10 || at > height - MARGIN.bottom || at - last < 12) continue;
    last = at;
    context.strokeText(text, width - MARGIN.right - 2, at - 1); context.fillText(text, width - MARGIN.right - 2, at - 1);
  }
}
