// The form for a device's settings: sends what a person changed, and nothing else.
import { el, news, send, words } from "/page/dom.js";

const on = "switch", time = "time", text = "text";
const num = (min, max) => ({ min, max }), one = (...of) => of;
const ORDERS = ["wifi,ble,cellular", "wifi,cellular,ble", "cellular,wifi,ble",
  "cellular,ble,wifi", "ble,wifi,cellular", "ble,cellular,wifi", "wifi", "cellular", "ble"];
const FIELDS = {
  "connection": [
    ["connection.enabled_connections.wifi", "WiFi", on],
    ["connection.enabled_connections.cellular", "Cellular", on],
    ["connection.upload_network_preference", "Networks, best first", one(...ORDERS)],
    ["connection.power_management.wifi_idle_timeout_seconds", "WiFi off after, s", num(0, 2540)],
    ["connection.power_management.cellular_idle_timeout_seconds", "Cellular off after, s",
      num(0, 2540)],
  ],
  "upload": [
    ["upload.mode", "Mode", one("auto", "ble_only", "wifi_preferred", "4g_preferred",
      "wifi_only", "4g_only")],
    ["upload.upload_delay_minutes", "Delay, min", num(0)],
    ["upload.daily_data_limit_mb", "Cellular MB a day, 0 = no limit", num(0, 10000)],
    ["upload.allow_roaming", "Roaming", on],
    ["upload.pause_on_low_battery", "Pause on low battery", on],
    ["upload.off_peak_hours.enabled", "Only in off-peak hours", on],
    ["upload.off_peak_hours.start", "Off-peak from", time],
    ["upload.off_peak_hours.end", "Off-peak to", time],
    ["upload.off_peak_hours.timezone", "Time zone (IANA)", text],
    ["upload.streaming_enabled", "Streaming", on],
    ["upload.streaming_chunk_kb", "Streaming chunk, KB", num(64, 1024)],
    ["upload.streaming_flush_interval_seconds", "Streaming flush, s, 0 = by size",
      num(0, 255)],
  ],
  "audio": [
    ["audio.codec", "Codec", one("opus", "aac", "wav")],
    ["audio.sample_rate_khz", "Sample rate, kHz", one(16, 24, 48)],
    ["audio.bitrate_kbps", "Bit rate, kbit/s", num(8, 320)],
  ],
  "power": [
    ["power.auto_sleep_minutes", "Sleep after, min", num(0)],
    ["power.low_battery_threshold_percent", "Low battery below, %", num(0, 100)],
  ],
};
// No off-peak hours at all is null; the form then proposes these.
const NIGHT = { enabled: false, start: "22:00", end: "06:00",
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone };
const offered = settings => ({ ...settings, upload: { ...settings.upload,
  off_peak_hours: settings.upload.off_peak_hours ?? NIGHT } });
const at = (settings, path) => {
  const value = path.split(".").reduce((part, key) => part?.[key], offered(settings));
  return Array.isArray(value) ? value.join() : value;
};

function input(path, kind, value) {
  if (kind === on) return el("input", { type: "checkbox", name: path, checked: !!value });
  if (Array.isArray(kind)) {
    const options = kind.map(k => el("option", { value: k, textContent: words(String(k)) }));
    const node = el("select", { name: path }, ...options);
    node.value = value;
    return node;
  }
  if (kind === time || kind === text)
    return el("input", { type: kind, name: path, required: true, value });
  return el("input", { type: "number", name: path, required: true, step: 1, ...kind, value });
}

const read = (node, kind) => kind === on ? node.checked :
  typeof kind[0] === "string" ? node.value : Number(node.value);

// What goes out for a changed field: a list for an order, and all four of the off-peak hours.
function put(change, path, value, form) {
  const keys = path.split("."), last = keys.pop();
  const part = keys.reduce((part, key) => part[key] ??= {}, change);
  part[last] = last === "upload_network_preference" ? value.split(",") : value;
  if (!keys.includes("off_peak_hours")) return;
  for (const name of Object.keys(NIGHT)) {
    const node = form.elements[`upload.off_peak_hours.${name}`];
    part[name] = name === "enabled" ? node.checked : node.value;
  }
}

export function settingsForm(id, settings) {
  const made = [], form = el("form");
  for (const [group, fields] of Object.entries(FIELDS)) {
    const set = el("fieldset", {}, el("legend", { textContent: group }));
    for (const [path, label, kind] of fields) {
      const node = input(path, kind, at(settings, path));
      set.append(kind === on ? el("label", { className: "check" }, node, label) :
        el("label", {}, label, node));
      made.push([path, kind, node]);
    }
    form.append(set);
  }
  form.append(el("button", { className: "main", textContent: "Save settings" }));
  form.onsubmit = async event => {
    event.preventDefault();
    const change = {};
    for (const [path, kind, node] of made) {
      const value = read(node, kind);
      if (value === at(settings, path)) continue;
      put(change, path, value, form);
    }
    if (!Object.keys(change).length) return news("no setting was changed");
    const answer = await send("PATCH", `/devices/${id}/settings`, change);
    if (answer) {
      settings = answer.settings;
      news("the settings go out with the next heartbeat");
    }
  };
  return el("details", {}, el("summary", { textContent: "Settings" }), form);
}
