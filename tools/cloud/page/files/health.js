// A device's health over time: one row a measure, on one time axis.
import { el, hour, svg, words } from "/page/dom.js";

const W = 1000, H = 100;
const STATES = { recording: "--bad", uploading: "--accent", syncing: "--accent",
  charging: "--ok", lowBattery: "--busy", storageFull: "--busy", error: "--bad" };
const full = s => s.storage_total_mb ? 100 * s.storage_used_mb / s.storage_total_mb : null;
// Name, unit, value of what a heartbeat said, fixed lowest and highest or null.
const MEASURES = [
  ["battery", "%", s => s.battery_percent, 0, 100],
  ["storage full", "%", full, 0, 100],
  ["signal", "dBm", s => s.signal_strength_dbm, -120, -40],
  ["pending", "", s => s.pending_recordings, 0, null],
];

export function health(beats) {
  const node = el("div", { className: "health" });
  if (beats.length < 2) return node;
  const times = beats.map(b => Date.parse(b.at));
  const start = times[0], span = Math.max(1, times.at(-1) - start);
  const x = i => (times[i] - start) / span * W;
  for (const [name, unit, value, low, high] of MEASURES) {
    const values = beats.map(b => value(b.said) ?? null);
    if (values.every(v => v === null)) continue;
    node.append(row(name, unit, values, x, low, high ?? Math.max(1, ...values)));
  }
  node.append(states(beats, x), el("div", { className: "axis" },
    el("span", { textContent: hour(start) }), el("span", { textContent: hour(times.at(-1)) })));
  return node;
}

function row(name, unit, values, x, low, high) {
  // A heartbeat that did not say it leaves a gap.
  let path = "", drawing = false;
  values.forEach((v, i) => {
    if (v !== null) {
      const y = H - 6 - (Math.min(Math.max(v, low), high) - low) / (high - low) * (H - 12);
      path += `${drawing ? "L" : "M"}${x(i).toFixed(1)} ${y.toFixed(1)}`;
    }
    drawing = v !== null;
  });
  const said = values.filter(v => v !== null).map(v => Math.round(v));
  const last = `${said.at(-1)} ${unit}`.trim();
  const label = `${name}: from ${said[0]} to ${last}, lowest ${Math.min(...said)}, ` +
    `highest ${Math.max(...said)}`;
  return el("div", { className: "row" }, el("span", { textContent: name }),
    svg("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img",
      "aria-label": label }, svg("path", { d: path, fill: "none", stroke: "currentColor",
      "stroke-width": 2, "vector-effect": "non-scaling-stroke", "stroke-linecap": "round" })),
    el("span", { textContent: last }));
}

function states(beats, x) {
  const strip = svg("svg", { class: "states", viewBox: `0 0 ${W} 10`,
    preserveAspectRatio: "none", role: "img" });
  const seen = [];
  beats.forEach((b, i) => {
    const state = b.said.device_state || "unknown";
    if (seen.at(-1) !== state) seen.push(state);
    const from = x(i), to = i + 1 < beats.length ? x(i + 1) : W;
    strip.append(svg("rect", { x: from, y: 0, width: Math.max(to - from, 3), height: 10,
      style: `fill: var(${STATES[state] || "--line"})` }));
  });
  strip.setAttribute("aria-label", "states, in their order: " + seen.slice(-20).join(", "));
  return el("div", { className: "row" }, el("span", { textContent: "state" }), strip,
    el("span", { textContent: words(beats.at(-1).said.device_state || "unknown") }));
}
