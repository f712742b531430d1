// The form for a device's settings: sends what a person changed, and nothing else.
import { el, news, send, words } from "/page/dom.js";

const on = "switch", num = (min, max) => ({ min, max }), one = (...of) => of;
const FIELDS = {
  "connection": [
    ["connection.enabled_connections.wifi", "WiFi", on],
    ["connection.enabled_connections.cellular", "Cellular", on],
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
const at = (settings, path) => path.split(".").reduce((part, key) => part?.[key], settings);

function input(path, kind, value) {
  if (kind === on) return el("input", { type: "checkbox", name: path, checked: !!value });
  if (Array.isArray(kind)) {
    const options = kind.map(k => el("option", { value: k, textContent: words(String(k)) }));
    const node = el("select", { name: path }, ...options);
    node.value = value;
    return node;
  }
  return el("input", { type: "number", name: path, required: true, step: 1, ...kind, value });
}

const read = (node, kind) => kind === on ? node.checked :
  typeof kind[0] === "string" ? node.value : Number(node.value);

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
      const keys = path.split("."), last = keys.pop();
      keys.reduce((part, key) => part[key] ??= {}, change)[last] = value;
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
