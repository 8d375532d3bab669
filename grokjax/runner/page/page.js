// The page: its controls, what is picked, and what is drawn when.

const data = JSON.parse(document.getElementById("data").textContent);
const panels = data.panels, runs = data.runs, S = runs.length;
const byId = id => document.getElementById(id);
const EVERY = "*";
const state = { x: "linear", y: "log", colour: data.swept[0] || "", show: "runs", panel: "", run: "", levels: "drawn", filter: {} };
for (const panel of panels) for (const series of panel.series)
  for (const part of ["mean", "least", "largest"]) if (series[part]) series[part] = unpacked(series[part]);

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  return made;
}

const valuesOf = field => [...new Set(runs.map(run => run[field]))].sort((a, b) => a - b || String(a).localeCompare(b));
const chosen = () => [...Array(S).keys()].filter(run => Object.entries(state.filter).every(([field, value]) => value === "" || String(runs[run][field]) === value));
const words = run => [`run ${run}`, `seed ${runs[run].seed}`, ...data.swept.map(field => `${field}=${runs[run][field]}`), ...(runs[run].diverged ? ["diverged"] : []), ...(runs[run].stopped ? ["stopped early"] : [])].join(", ");

// The runs that are shown, by what colours them: a field, or all swept fields together.
function groups() {
  const there = chosen();
  if (!state.colour) return [{ name: "", runs: there, colour: colour(0, 1) }];
  const fields = state.colour === EVERY ? data.swept : [state.colour];
  const nameOf = run => fields.map(field => `${field}=${runs[run][field]}`).join(" ");
  const names = fields.length > 1 ? [...new Set([...Array(S).keys()].map(nameOf))] : valuesOf(fields[0]).map(value => `${fields[0]}=${value}`);
  return names.map((name, i) => ({ name, runs: there.filter(run => nameOf(run) === name), colour: colour(i, names.length) })).filter(group => group.runs.length);
}

function select(name, label, options, value, changed) {
  const box = element("select", "", { id: `c-${name}` });
  for (const [key, text] of options) box.append(element("option", text, { value: key }));
  box.value = value;
  box.addEventListener("change", () => { changed(box.value); drawAll(); });
  const whole = element("label", label);
  whole.append(box); byId("controls").append(whole);
  return box;
}

function buildControls() {
  const plain = name => value => { state[name] = value; };
  if (panels.length > 1) select("panel", "plot", [["", "all"], ...panels.map((panel, i) => [String(i), panel.title])], "", plain("panel"));
  const picked = select("run", "run", [["", "none picked"], ...runs.map((_, run) => [String(run), words(run)])], "", value => pick(value === "" ? "" : Number(value)));
  picked.title = "or click on a curve, or on a row of the table of runs";
  if (data.swept.length) select("colour", "colour by", [...data.swept.map(field => [field, field]), ...(data.swept.length > 1 ? [[EVERY, "all of them"]] : []), ["", "nothing"]], state.colour, plain("colour"));
  for (const field of data.swept) select(`only-${field}`, `only ${field}`, [["", "all"], ...valuesOf(field).map(value => [String(value), String(value)])], "", value => { state.filter[field] = value; });
  select("show", "show", [["runs", "runs and medians"], ["medians", "medians"], ["picked", "the picked run"]], "runs", plain("show"));
  if (panels.some(panel => panel.levels.length)) select("levels", "exact levels", [["drawn", "those that fit"], ["all", "all"], ["none", "none"]], "drawn", plain("levels"));
  select("x", "steps", [["linear", "linear"], ["log", "logarithmic"]], "linear", plain("x"));
  select("y", "losses", [["log", "logarithmic"], ["linear", "linear"]], "log", plain("y"));
}

function buildPanels() {
  for (const panel of panels) {
    const figure = element("figure", ""), plot = element("div", "", { class: "plot" });
    const label = `${panel.title} over optimiser steps, ${S} runs; the tables below have the numbers`;
    panel.under = element("canvas", "", { role: "img", "aria-label": label });
    panel.over = element("canvas", "", { "aria-hidden": "true" });
    panel.figure = figure;
    plot.append(panel.under, panel.over);
    figure.append(element("figcaption", panel.title), plot);
    byId("panels").append(figure);
    panel.over.addEventListener("pointermove", event => hover(panel, event));
    panel.over.addEventListener("pointerleave", () => { byId("tip").hidden = true; drawOver(); });
    panel.over.addEventListener("click", event => { const near = nearest(panel, event); if (near) { pick(near.run === state.run ? "" : near.run); drawAll(); } });
  }
}

const linesOf = panel => state.levels === "none" ? [] : panel.levels.filter(level => state.levels === "all" || level.drawn);

function draw(panel, own) {
  const { context, width, height } = sized(panel.under);
  const logarithmic = panel.logarithmic && state.y === "log", first = panel.series[0];
  let low = Infinity, high = -Infinity;
  const sound = own.some(group => group.runs.some(run => !runs[run].diverged));  // what explodes does not set the axis
  for (const group of own) for (const series of panel.series) for (const run of group.runs) if (!sound || !runs[run].diverged)
    for (let b = 0, B = series.steps.length; b < B; b++) { const value = series.mean[run * B + b]; if (value < low) low = value; if (value > high) high = value; }
  if (low > high) { low = .1; high = 1; }
  if (!panel.logarithmic) { low = 0; high = 1; }
  if (panel.logarithmic && !logarithmic) low = 0;
  if (logarithmic && low <= 0) low = high > 0 ? high * 1e-9 : 1e-9;
  const last = Math.max(...panel.series.map(series => series.steps[series.steps.length - 1] || 0), 1), begin = state.x === "log" ? 1 : 0;
  const x = axis(begin, Math.max(last, begin + 1), MARGIN.left, width - MARGIN.right, state.x === "log");
  const safe = { ...x, place: step => x.place(Math.max(step, begin)) };
  const y = axis(low, high > low ? high : low * 2 || 1, height - MARGIN.bottom, MARGIN.top, logarithmic);
  panel.x = safe; panel.y = y;
  frame(context, safe, y, width, height, panel.label);
  levelLines(context, linesOf(panel), y, width, height);
  context.save(); context.beginPath(); context.rect(MARGIN.left, 0, width - MARGIN.left, height - MARGIN.bottom); context.clip();
  for (const group of own) for (const [k, series] of panel.series.entries()) {
    const B = series.steps.length;
    context.strokeStyle = context.fillStyle = group.colour; context.setLineDash(k ? [5, 3] : []);
    if (state.show === "runs") {
      context.globalAlpha = Math.max(.18, Math.min(.7, 4 / Math.sqrt(group.runs.length) * .3)); context.lineWidth = 1; context.beginPath();
      for (const run of group.runs) trace(context, series, series.mean, run * B, safe, y);
      context.stroke(); context.globalAlpha = 1;
    }
    if (state.show !== "picked") { context.lineWidth = 2.2; context.beginPath(); trace(context, series, medians(series, group.runs), 0, safe, y); context.stroke(); }
    context.setLineDash([]); context.font = "bold 14px system-ui, sans-serif"; context.textAlign = "center"; context.textBaseline = "middle";
    if (!k && state.show === "runs") for (const run of group.runs) if (runs[run].diverged) { const b = lastPoint(first, run); if (b >= 0) context.fillText("×", safe.place(first.steps[b]), Math.max(MARGIN.top + 6, y.place(first.mean[run * B + b]))); }
  }
  context.restore();
  levelNames(context, linesOf(panel), y, width, height);
}

function drawOver(lit) {
  for (const panel of panels) {
    if (panel.figure.hidden) continue;
    const { context, width, height } = sized(panel.over);
    context.strokeStyle = css("--soft"); context.lineWidth = 1;
    const across = Math.round(panel.x.place(panels[0].series[0].steps[+byId("slider").value])) + .5;
    context.beginPath(); context.moveTo(across, MARGIN.top); context.lineTo(across, height - MARGIN.bottom); context.stroke();
    context.beginPath(); context.rect(MARGIN.left, 0, width - MARGIN.left, height - MARGIN.bottom); context.clip();
    for (const run of new Set([state.run, lit === undefined ? "" : lit])) if (run !== "") for (const [k, series] of panel.series.entries()) {
      context.strokeStyle = context.fillStyle = css("--ink"); context.lineWidth = run === state.run ? 2.2 : 1; context.setLineDash(k ? [5, 3] : []);
      if (run === state.run) band(context, series, run, panel.x, panel.y);
      context.beginPath(); trace(context, series, series.mean, run * series.steps.length, panel.x, panel.y); context.stroke();
    }
    context.setLineDash([]);
  }
}

// The run whose curve is nearest to the pointer, within 40 pixels.
function nearest(panel, event) {
  const box = panel.over.getBoundingClientRect(), across = event.clientX - box.left, up = event.clientY - box.top;
  let best = null, distance = 40;
  for (const series of panel.series) {
    const B = series.steps.length;
    if (!B) continue;
    let b = 0;
    for (let i = 1; i < B; i++) if (Math.abs(panel.x.place(series.steps[i]) - across) < Math.abs(panel.x.place(series.steps[b]) - across)) b = i;
    for (const run of chosen()) {
      const away = Math.abs(panel.y.place(series.mean[run * B + b]) - up);
      if (away < distance) { distance = away; best = { run, series, b }; }
    }
  }
  return best;
}

function hover(panel, event) {
  const near = nearest(panel, event), tip = byId("tip");
  drawOver(near ? near.run : undefined);
  tip.hidden = !near;
  if (!near) return;
  const at = near.run * near.series.steps.length + near.b, value = near.series.mean[at];
  const spread = near.series.least && shortNumber(near.series.least[at]) !== shortNumber(near.series.largest[at]) ? ` (${shortNumber(near.series.least[at])} to ${shortNumber(near.series.largest[at])})` : "";
  const level = panel.levels.find(level => Math.abs(level.nats - value) < .05 * level.nats);
  tip.textContent = `${words(near.run)}: ${near.series.name} ${shortNumber(value)}${spread} ${panel.label} about step ${near.series.steps[near.b]}` + (level ? `; within 5% of ${shortNumber(level.nats)}, which knows ${level.meaning}` : "");
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 8))}px`;
}

function pick(run) {
  state.run = run;
  byId("c-run").value = String(run);
  for (const row of byId("runs").tBodies[0].rows) row.classList.toggle("picked", run !== "" && row.dataset.run === String(run));
}

function drawLegend(own) {
  byId("legend").replaceChildren(...(state.colour ? own : []).map(group => {
    const item = element("span", ""), swatch = element("i", "");
    swatch.style.background = group.colour;
    item.append(swatch, `${group.name} (${group.runs.length} runs)`);
    return item;
  }));
}

function drawStep() {
  const first = panels[0].series[0], b = +byId("slider").value, step = first.steps[b], there = chosen();
  byId("at").textContent = first.steps.length ? `about step ${step}` : "no step yet";
  const row = [];
  for (const panel of panels) for (const series of panel.series) {
    const B = series.steps.length;
    let at = -1;
    for (let i = 0; i < B && series.steps[i] <= step; i++) at = i;
    if (at < 0) continue;
    const values = there.map(run => series.mean[run * B + at]).filter(value => value === value).sort((a, c) => a - c);
    const own = state.run === "" ? [] : [shortNumber(series.mean[state.run * B + at])];
    row.push([`${panel.title}${panel.series.length > 1 ? ", " + series.name : ""}`, shortNumber(median(values)), shortNumber(values[0] ?? NaN), shortNumber(values[values.length - 1] ?? NaN), String(values.length), ...own]);
  }
  const table = element("table", ""), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const text of ["", "median", "least", "largest", "runs", ...(state.run === "" ? [] : [`run ${state.run}`])]) head.append(element("th", text, { scope: "col" }));
  for (const cells of row) { const line = body.insertRow(); cells.forEach((text, i) => line.append(element("td", text, i ? { class: "n" } : {}))); }
  byId("values").replaceChildren(table);
}

function drawAll() {
  byId("panels").classList.toggle("one", state.panel !== "" || panels.length === 1);
  panels.forEach((panel, i) => { panel.figure.hidden = state.panel !== "" && state.panel !== String(i); });
  const own = groups();
  drawLegend(own);
  for (const panel of panels) if (!panel.figure.hidden) draw(panel, own);
  drawOver(); drawStep();
}

function buildTable() {
  const table = byId("runs"), body = table.tBodies[0];
  [...body.rows].forEach((row, run) => { row.dataset.run = run; row.tabIndex = 0; });
  const choose = event => { const row = event.target.closest("tr"); if (row) { const run = Number(row.dataset.run); pick(run === state.run ? "" : run); drawAll(); } };
  body.addEventListener("click", choose);
  body.addEventListener("keydown", event => { if (event.key === "Enter") choose(event); });
  [...table.tHead.rows[0].cells].forEach((cell, k) => {
    const button = element("button", cell.textContent, { type: "button" });
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = cell.getAttribute("aria-sort") !== "ascending", key = row => row.cells[k].textContent;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", up ? "ascending" : "descending");
      const size = text => text.startsWith("> ") ? Number(text.slice(2)) + .5 : Number(text);
      const order = (a, b) => key(a) === "" || key(b) === "" ? (key(a) === "") - (key(b) === "") : (up ? 1 : -1) * (isNaN(size(key(a))) || isNaN(size(key(b))) ? key(a).localeCompare(key(b)) : size(key(a)) - size(key(b)));
      body.append(...[...body.rows].sort(order));
    });
  });
}

buildControls(); buildPanels(); buildTable();
byId("slider").max = Math.max(panels[0].series[0].steps.length - 1, 0);
byId("slider").value = byId("slider").max;
byId("slider").addEventListener("input", () => { drawOver(); drawStep(); });
let waiting = 0;
addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(drawAll); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
