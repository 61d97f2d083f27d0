"use strict";
// One video beside its score curve. `data` is what evaluate/page/__init__.py puts into the page.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const video = $("video");
const ROW = 68, SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4], MARKS = { confirmed: "✓", refused: "✕", open: "?" };
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// ---- what is stored: scores as 16-bit numbers, times as milliseconds from one to the next, both zlib and base64
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
async function inflated(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
async function loaded(v) {
  if (v.clips) return v;
  const clips = new Uint16Array(await inflated(v.scores));
  v.starts = v.first ? new Uint32Array(await inflated(v.first)) : Uint32Array.from(clips, (_, i) => i * v.stride);
  if (v.clock) {
    let sum = 0;
    v.times = Float64Array.from(new Uint32Array(await inflated(v.clock)), (step) => (sum += step) / 1000);
  }
  v.clips = Float64Array.from(clips, (s) => s / 65535);
  return v;
}
// frames count from 1; a frame's time is when it begins to be shown
const fpsOf = (v) => v.fps || 25;
const timeOf = (v, frame) => (v.times ? v.times[Math.min(frame, v.frames) - 1] + (frame > v.frames ? 1 / fpsOf(v) : 0) : (frame - 1) / fpsOf(v));
function lastBelow(sorted, value) {
  let a = 0, b = sorted.length - 1;
  while (a < b) { const middle = (a + b + 1) >> 1; if (sorted[middle] <= value) a = middle; else b = middle - 1; }
  return a;
}
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
const frameAt = (v, t) => clamp(v.times ? lastBelow(v.times, t + 5e-4) + 1 : Math.floor(t * fpsOf(v) + 1e-3) + 1, 1, v.frames);
const scoreAt = (v, frame) => v.clips[lastBelow(v.starts, frame - 1)];
const clock = (t) => {
  const tenths = Math.round(Math.max(0, t) * 10), s = tenths / 10, h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  const rest = (s % 60).toFixed(1).padStart(4, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
};

// ---- verdicts: kept in this browser under the run's id, by video and event
const KEPT = "stavad verdicts " + data.id;
let verdicts = read();
function read() { try { return JSON.parse(localStorage.getItem(KEPT)) || {}; } catch { return {}; } }
function keep() {
  try { localStorage.setItem(KEPT, JSON.stringify(verdicts)); } catch { say("This browser keeps nothing here: save the verdicts before the page is closed."); }
  tellJudged();
}
function eventsOf(v) {
  const said = verdicts[v.id] || {};
  const own = v.events.map(([start, end, peak, score]) => ({ key: `${start}-${end}`, start, end, peak, score, verdict: "open", ...said[`${start}-${end}`] }));
  const added = Object.entries(said).filter(([, e]) => e.added).map(([key, e]) => ({ key, ...e }));
  return [...own, ...added].sort((a, b) => a.start - b.start);
}
function judge(v, event, change) {
  const before = (verdicts[v.id] ||= {})[event.key];
  verdicts[v.id][event.key] = { verdict: event.verdict, ...before, ...change };
  keep();
}
addEventListener("storage", (e) => {
  if (e.key !== KEPT) return;
  verdicts = read();
  say("Verdicts were changed in another tab; they are shown here too.");
  redraw();
});
function say(text) { $("notice").textContent = text; $("notice").hidden = !text; }
function tellJudged() {
  let judged = 0, all = 0;
  for (const v of data.videos) for (const e of eventsOf(v)) { all += 1; judged += e.verdict !== "open"; }
  $("judged").textContent = all ? `${judged} of ${all} events judged` : "no events";
}

// ---- the list draws the rows that are in view
let shown = [], current = null, chosen = null;
const rank = {
  peak: (a, b) => b.peak[1] - a.peak[1] || (a.id < b.id ? -1 : 1),
  events: (a, b) => b.events.length - a.events.length || b.peak[1] - a.peak[1],
  name: (a, b) => (a.id < b.id ? -1 : 1),
};
const has = {
  "": () => true,
  events: (v) => v.events.length > 0,
  open: (v) => eventsOf(v).some((e) => e.verdict === "open"),
  confirmed: (v) => eventsOf(v).some((e) => e.verdict === "confirmed"),
  abnormal: (v) => v.label === 1,
  normal: (v) => v.label === 0,
};
function listed() {
  const text = $("filter").value.toLowerCase();
  shown = data.videos.filter((v) => v.id.toLowerCase().includes(text) && has[$("which").value](v)).sort(rank[$("order").value]);
  $("rows").style.height = `${shown.length * ROW}px`;
  $("rows").replaceChildren();
  $("count").textContent = shown.length ? `${shown.length} of ${data.videos.length} videos` : "No video is like that; clear the filter.";
  rows();
}
function rows() {
  const list = $("list"), first = Math.max(0, Math.floor(list.scrollTop / ROW) - 2);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 5);
  const there = new Map([...$("rows").children].map((row) => [+row.dataset.place, row]));
  for (const [place, row] of there) if (place < first || place >= last) row.remove();
  for (let place = first; place < last; place += 1) {
    const row = there.get(place) || $("rows").appendChild(rowOf(place));
    row.setAttribute("aria-current", shown[place] === current);
  }
}
function rowOf(place) {
  const v = shown[place], row = document.createElement("button");
  row.className = "row";
  row.dataset.place = place;
  row.style.top = `${place * ROW}px`;
  const thumb = document.createElement(v.thumb ? "img" : "span");
  if (v.thumb) { thumb.src = v.thumb; thumb.alt = ""; thumb.loading = "lazy"; } else thumb.className = "blank";
  const part = (name, text) => { const s = document.createElement("span"); s.className = name; s.textContent = text; return s; };
  const spark = document.createElement("canvas");
  const said = v.events.length ? (data.threshold === null ? "" : `${v.events.length} ev.`) : "";
  row.append(thumb, part("title", v.id), part("peak", v.peak[1].toFixed(2)), spark, part("few", said));
  row.title = v.id;
  row.addEventListener("click", () => choose(v));
  requestAnimationFrame(() => sparkline(spark, bytesOf(v.spark)));
  return row;
}
function sparkline(canvas, values) {
  const ratio = devicePixelRatio || 1, w = (canvas.width = canvas.clientWidth * ratio), h = (canvas.height = canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour("score");
  values.forEach((s, i) => { const tall = Math.max(1, (s / 255) * h); pen.fillRect((i * w) / values.length, h - tall, Math.ceil(w / values.length), tall); });
}

// ---- the curve is the seek bar
let plot = null, span = [0, 1], head = document.createElement("div");
head.className = "playhead";
function draw() {
  if (plot) plot.destroy();
  const v = current, end = timeOf(v, v.frames + 1);
  span = [0, end || 1];
  const x = Array.from(v.starts, (s) => timeOf(v, s + 1));
  const y = Array.from(v.clips);
  x.push(end); y.push(y[y.length - 1]);
  const axis = { stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false } };
  plot = new uPlot({
    width: $("chart").clientWidth, height: 150, legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
    scales: { x: { time: false, range: () => span }, y: { range: [0, 1.02] } },
    axes: [{ ...axis, size: 26, values: (_, ticks) => ticks.map((t) => clock(t).replace(/\.0$/, "")) }, { ...axis, size: 36 }],
    series: [{}, { stroke: () => colour("score"), width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }],
    hooks: { drawClear: [shade], draw: [threshold, () => { blocks(); place(); }], setCursor: [hover], ready: [(u) => u.over.append(head)] },
  }, [x, y], $("chart"));
  const scrub = (e) => seek(frameAt(v, plot.posToVal(e.clientX - plot.over.getBoundingClientRect().left, "x")));
  plot.over.addEventListener("pointerdown", (e) => { plot.over.setPointerCapture(e.pointerId); scrub(e); });
  plot.over.addEventListener("pointermove", (e) => { if (e.buttons & 1) scrub(e); });
  plot.over.addEventListener("wheel", (e) => { e.preventDefault(); zoom(e.deltaY > 0 ? 1.25 : 0.8, plot.posToVal(e.offsetX, "x")); }, { passive: false });
  overview();
}
function shade(u) {  // the truth: a tint with hatched edges, so that colour is not all there is
  const { ctx, bbox } = u;
  for (const [a, b] of current.truth || []) {
    const left = u.valToPos(timeOf(current, a), "x", true), right = u.valToPos(timeOf(current, b + 1), "x", true);
    const x0 = clamp(left, bbox.left, bbox.left + bbox.width), x1 = clamp(right, bbox.left, bbox.left + bbox.width);
    ctx.save();
    ctx.fillStyle = colour("truth"); ctx.globalAlpha = 0.2; ctx.fillRect(x0, bbox.top, x1 - x0, bbox.height);
    ctx.globalAlpha = 1; ctx.strokeStyle = colour("truth"); ctx.setLineDash([3, 3]); ctx.lineWidth = 2;
    for (const edge of [left, right]) if (edge >= bbox.left && edge <= bbox.left + bbox.width) { ctx.beginPath(); ctx.moveTo(edge, bbox.top); ctx.lineTo(edge, bbox.top + bbox.height); ctx.stroke(); }
    ctx.restore();
  }
}
function threshold(u) {
  if (data.threshold === null) return;
  const y = u.valToPos(data.threshold, "y", true), { ctx, bbox } = u;
  ctx.save(); ctx.strokeStyle = colour("threshold"); ctx.setLineDash([8, 5]); ctx.lineWidth = 2;
  ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke(); ctx.restore();
}
function hover(u) {
  if (u.cursor.left < 0) return readout(frame);
  readout(frameAt(current, u.posToVal(u.cursor.left, "x")), "under the pointer: ");
}
function zoom(factor, at) {
  const whole = timeOf(current, current.frames + 1), wide = clamp((span[1] - span[0]) * factor, Math.min(2, whole), whole);
  const begin = clamp(at - ((at - span[0]) / (span[1] - span[0])) * wide, 0, whole - wide);
  look(begin, begin + wide);
}
function look(a, b) { span = [a, b]; plot.setScale("x", { min: a, max: b }); overview(); }
function overview() {
  const canvas = $("overview");
  sparkline(canvas, bytesOf(current.spark));
  const pen = canvas.getContext("2d"), whole = timeOf(current, current.frames + 1) || 1;
  pen.strokeStyle = colour("ink"); pen.lineWidth = 2;
  pen.strokeRect((span[0] / whole) * canvas.width + 1, 1, ((span[1] - span[0]) / whole) * canvas.width - 2, canvas.height - 2);
}
$("overview").addEventListener("pointerdown", (e) => {
  const whole = timeOf(current, current.frames + 1), wide = span[1] - span[0];
  const begin = clamp((e.offsetX / $("overview").clientWidth) * whole - wide / 2, 0, whole - wide);
  look(begin, begin + wide);
});

// ---- the video: which frame is really shown, and how to get to one
let frame = 1, stopAt = Infinity, wanted = null;
function seek(to) {
  frame = clamp(to, 1, current.frames);
  const t = timeOf(current, frame), next = timeOf(current, frame + 1);
  if (video.src && isFinite(video.duration)) video.currentTime = Math.min(t + (next - t) / 2, video.duration);
  else wanted = frame;
  place();
}
video.addEventListener("loadedmetadata", () => { if (wanted) seek(wanted); wanted = null; });
function showing(seconds) {
  if (!current || video.seeking) return;  // a frame of before the seek, presented late
  frame = frameAt(current, seconds);
  if (frame >= stopAt) { video.pause(); stopAt = Infinity; }
  place();
}
const watchFrames = () => video.requestVideoFrameCallback((_, about) => { showing(about.mediaTime + 1e-3); watchFrames(); });
if (video.requestVideoFrameCallback) watchFrames();
else video.addEventListener("timeupdate", () => showing(video.currentTime));
video.addEventListener("error", () => { if (video.getAttribute("src")) gone("This browser cannot play the video, or it was moved: the curve stays. Scores and events are those of its frames."); });
function gone(text) { $("missing").textContent = text; $("missing").hidden = !text; video.hidden = Boolean(text); }
function place() {
  if (!plot) return;
  const t = timeOf(current, frame);
  head.style.left = `${plot.valToPos(t, "x")}px`;
  head.hidden = t < span[0] || t > span[1];
  readout(frame);
}
function readout(at, before = "") {
  const of = eventsOf(current), here = of.findIndex((e) => e.start <= at && at <= e.end);
  const event = here < 0 ? "" : ` · ${data.threshold === null ? "moment" : "event"} ${here + 1} of ${of.length}`;
  $("readout").textContent = `${before}${clock(timeOf(current, at))} · frame ${at} of ${current.frames} · score ${scoreAt(current, at).toFixed(3)}${event}`;
}
function speed(step) {
  const place = clamp(SPEEDS.indexOf(video.playbackRate) + step, 0, SPEEDS.length - 1);
  video.playbackRate = SPEEDS[place];
  $("speed").textContent = `${SPEEDS[place]}x`;
}

// ---- events under the curve; a verdict changes colour and mark
let undo = [], dragging = false;
function blocks() {
  if (!plot || dragging) return;
  const box = $("events"), left = offset();
  box.replaceChildren();
  const of = eventsOf(current);
  if (!of.length) { const none = document.createElement("p"); none.textContent = data.threshold === null ? "" : "No event: the score stays below the threshold."; box.append(none); }
  of.forEach((event, number) => {
    const a = plot.valToPos(timeOf(current, event.start), "x"), b = plot.valToPos(timeOf(current, event.end + 1), "x"), wide = plot.over.clientWidth;
    if (b < 0 || a > wide) return;
    const block = document.createElement("button");
    block.className = `event ${event.verdict}`;
    block.textContent = `${number + 1} ${MARKS[event.verdict]}`;
    block.setAttribute("aria-label", `event ${number + 1}, ${clock(timeOf(current, event.start))} to ${clock(timeOf(current, event.end + 1))}, ${event.verdict}`);
    block.setAttribute("aria-pressed", event.key === chosen);
    block.style.left = `${left + Math.max(0, a)}px`;
    block.style.width = `${Math.min(wide, b) - Math.max(0, a)}px`;
    block.addEventListener("click", () => { chosen = event.key; seek(event.peak || event.start); blocks(); });
    for (const side of ["start", "end"]) {
      const edge = document.createElement("span");
      edge.className = `edge ${side}`;
      edge.addEventListener("pointerdown", (e) => dragged(e, event, side));
      block.append(edge);
    }
    box.append(block);
  });
}
const offset = () => plot.over.getBoundingClientRect().left - $("events").getBoundingClientRect().left;
function dragged(e, event, side) {
  e.preventDefault(); e.stopPropagation();
  const edge = e.target, origin = plot.over.getBoundingClientRect().left;
  chosen = event.key;
  undo.push([current, event.key, { start: event.start, end: event.end }]);
  dragging = true;
  edge.setPointerCapture(e.pointerId);
  const move = (m) => {
    const at = frameAt(current, plot.posToVal(m.clientX - origin, "x"));
    border(event, side, at);
    const block = edge.parentElement, left = plot.valToPos(timeOf(current, event.start), "x"), right = plot.valToPos(timeOf(current, event.end + 1), "x");
    block.style.left = `${offset() + left}px`;
    block.style.width = `${right - left}px`;
    seek(event[side]);
  };
  edge.addEventListener("pointermove", move);
  edge.addEventListener("click", (c) => c.stopPropagation());
  const drop = () => { edge.removeEventListener("pointermove", move); dragging = false; blocks(); };
  for (const over of ["pointerup", "pointercancel"]) edge.addEventListener(over, drop, { once: true });
}
function border(event, side, at) {
  event[side] = side === "start" ? clamp(at, 1, event.end) : clamp(at, event.start, current.frames);
  judge(current, event, { start: event.start, end: event.end });
}
const chosenEvent = () => eventsOf(current).find((e) => e.key === chosen);
function verdict(said) {
  const event = chosenEvent();
  if (!event) return say("Choose an event first, with n.");
  judge(current, event, { verdict: said });
  blocks(); rows();
}
function step(way) {
  const middle = (e) => e.peak || e.start, of = eventsOf(current).sort((a, b) => middle(a) - middle(b));
  const next = way > 0 ? of.find((e) => middle(e) > frame) : of.findLast((e) => middle(e) < frame);
  if (next) { chosen = next.key; seek(middle(next)); blocks(); }
}
function playEvent() {
  const event = chosenEvent();
  if (!event) return;
  seek(event.start); stopAt = event.end; video.play();
}

// ---- labels out and in: the CSV that `pipeline train --labels` takes
const cell = (x) => (/[",\n\r]/.test(x) ? `"${x.replaceAll('"', '""')}"` : x);
const meet = (a, b, c, d) => a <= d && c <= b;
function labels() {  // what was known, and the verdicts over it
  const of = new Map(data.known.map((known) => [known.video, { ...known }]));
  for (const v of data.videos) {
    const events = eventsOf(v), confirmed = events.filter((e) => e.verdict === "confirmed").map((e) => [e.start, e.end]);
    const known = of.get(v.id) || { video: v.id, label: "", split: "train" };
    if (confirmed.length) {  // a known interval that a confirmed one meets is the same event
      const kept = (known.intervals || []).filter(([a, b]) => !confirmed.some(([c, d]) => meet(a, b, c, d)));
      of.set(v.id, { ...known, label: 1, counts: v.counts, intervals: [...kept, ...confirmed].sort((a, b) => a[0] - b[0]) });
    } else if (known.label !== 1 && events.length && events.every((e) => e.verdict === "refused")) of.set(v.id, { ...known, label: 0, intervals: [] });
  }
  const lines = [data.columns.join(",")];
  for (const known of of.values())
    for (const [start, end] of known.intervals && known.intervals.length ? known.intervals : [["", ""]])
      lines.push(data.columns.map((name) => cell(String({ ...known, start, end }[name] ?? ""))).join(","));
  return lines.join("\n") + "\n";
}
function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([labels()], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function parsed(text) {
  const found = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i], row = found[found.length - 1];
    if (quoted) { if (c !== '"') row[row.length - 1] += c; else if (text[i + 1] === '"') { row[row.length - 1] += c; i += 1; } else quoted = false; }
    else if (c === '"') quoted = true;
    else if (c === ",") row.push("");
    else if (c === "\n") found.push([""]);
    else if (c !== "\r") row[row.length - 1] += c;
  }
  return found.filter((row) => row.length > 1);
}
async function take(file) {
  const [header, ...lines] = parsed(await file.text());
  const column = (row, name) => row[header.indexOf(name)] || "";
  if (!header || !header.includes("video") || !header.includes("label")) return say(`${file.name} has no columns video and label: give a CSV that was saved here.`);
  const of = new Map(data.videos.map((v) => [v.id, v]));
  let taken = 0;
  for (const row of lines) {
    const v = of.get(column(row, "video")), start = +column(row, "start"), end = +column(row, "end");
    if (!v) continue;
    const known = data.known.find((one) => one.video === v.id);  // what was known is no verdict
    if (known && (start ? (known.intervals || []).some(([a, b]) => a === start && b === end) : String(known.label) === column(row, "label"))) continue;
    if (column(row, "label") === "0") for (const e of eventsOf(v)) { judge(v, e, { verdict: "refused" }); taken += 1; }
    else if (start && end) {
      const like = eventsOf(v).find((e) => meet(e.start, e.end, start, end));
      const event = like || { key: `${start}-${end}`, verdict: "confirmed" };
      judge(v, event, { verdict: "confirmed", start, end, ...(like ? {} : { added: true, peak: start, score: 0 }) });
      taken += 1;
    }
  }
  say(`${taken} verdicts read from ${file.name}.`);
  redraw();
}

// ---- choosing a video, and the keys
let asked = null;
async function choose(v) {
  asked = v;
  await loaded(v);
  if (asked !== v) return;  // another one was chosen meanwhile
  current = v;
  undo = []; stopAt = Infinity; frame = v.peak[0];
  $("name").textContent = v.id + (v.label === 1 ? " · labelled abnormal" : v.label === 0 ? " · labelled normal" : "");
  gone(v.missing);
  wanted = frame;
  if (v.src) { video.src = v.src; video.load(); } else video.removeAttribute("src");
  const here = eventsOf(v).find((e) => e.start <= frame && frame <= e.end);
  chosen = here ? here.key : null;
  draw(); rows();
}
function neighbour(way) {
  const at = shown.indexOf(current), next = shown[clamp(at + way, 0, shown.length - 1)];
  if (!next || next === current) return;
  const place = shown.indexOf(next), list = $("list");
  if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
  if ((place + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * ROW - list.clientHeight;
  choose(next);
}
function redraw() { if (current) draw(); $("rows").replaceChildren(); rows(); tellJudged(); }
const acts = {
  confirm: () => verdict("confirmed"), refuse: () => verdict("refused"), open: () => verdict("open"),
  before: () => step(-1), after: () => step(1), play: () => (video.paused ? video.play() : video.pause()), inside: playEvent,
  slower: () => speed(-1), faster: () => speed(1), export: save,
};
const keys = {
  n: acts.after, p: acts.before, j: () => neighbour(1), k: () => neighbour(-1), " ": acts.play, e: acts.inside, c: acts.confirm, r: acts.refuse, o: acts.open,
  ",": () => { video.pause(); seek(frame - 1); }, ".": () => { video.pause(); seek(frame + 1); }, "<": acts.slower, ">": acts.faster,
  "[": () => edge("start"), "]": () => edge("end"), 0: () => look(0, timeOf(current, current.frames + 1)), "?": () => $("keys").showModal(),
  Escape: () => { const last = undo.pop(); if (last && last[0] === current) { judge(current, eventsOf(current).find((e) => e.key === last[1]), last[2]); blocks(); } },
};
function edge(side) {
  const event = chosenEvent();
  if (!event) return say("Choose an event first, with n.");
  undo.push([current, event.key, { start: event.start, end: event.end }]);
  border(event, side, frame);
  blocks();
}
addEventListener("keydown", (e) => {
  const inField = e.target.matches("input, select, textarea") || $("keys").open, onButton = e.target.matches("button, summary") && (e.key === " " || e.key === "Enter");
  if (inField || onButton || e.ctrlKey || e.metaKey || e.altKey || !current || !keys[e.key]) return;
  e.preventDefault();
  say("");
  keys[e.key]();
});
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => current && acts[button.dataset.do]());
for (const id of ["filter", "which", "order"]) $(id).addEventListener("input", listed);
$("list").addEventListener("scroll", rows, { passive: true });
$("import").addEventListener("change", (e) => { if (e.target.files[0]) take(e.target.files[0]); e.target.value = ""; });
$("help").addEventListener("click", () => $("keys").showModal());
$("dark").addEventListener("click", () => {
  const root = document.documentElement, dark = root.dataset.look ? root.dataset.look === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.look = dark ? "light" : "dark";
  redraw();
});
addEventListener("resize", () => { if (plot) { plot.setSize({ width: $("chart").clientWidth, height: 150 }); overview(); } rows(); });

listed();
tellJudged();
if (data.why) say(data.why);
if (shown.length) choose(shown[0]);
else $("name").textContent = data.videos.length ? "Choose a video" : "There is no video in this report.";
