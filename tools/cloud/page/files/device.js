// A device's card: what it says, its health, its commands, its settings. The card is made once
// and its parts are drawn anew where they changed, so that nobody loses what they type.
import { badge, clock, el, hour, news, send, words } from "/page/dom.js";
import { firmwareForm, updates } from "/page/firmware.js";
import { health } from "/page/health.js";
import { settingsForm } from "/page/settings.js";

export function deviceCard(id, first) {
  const title = el("h2"), said = el("div"), lives = el("div"), plot = el("div");
  const firmware = firmwareForm(id);
  const card = el("section", { className: "card device" }, title, said, plot,
    steering(id), lives, firmware, settingsForm(id, first.settings));
  let drawn = {};

  // Draws a part if what it shows changed since.
  const part = (name, data, node, make) => {
    const text = JSON.stringify(data);
    if (drawn[name] === text) return;
    drawn[name] = text;
    node.replaceChildren(...make(data));
  };
  card.update = async (device, releases) => {
    const name = device.said.device_name || id;
    part("title", [name, device.online, device.bound], title, () => [name,
      el("span", { className: "quiet", textContent: id + (device.bound ? "" : " · unbound") }),
      badge(device.online ? "online" : "offline")]);
    part("said", [device.said, device.diagnostics], said, () => facts(device));
    part("commands", device.commands, lives, () => commands(id, device.commands));
    firmware.update(device.firmware, releases);
    if (drawn.last !== device.last) {
      drawn.last = device.last;
      const beats = await (await fetch(`/health/${encodeURIComponent(id)}`)).json();
      plot.replaceChildren(health(beats));
    }
  };
  return card;
}

function facts(device) {
  const list = el("dl");
  const add = (name, value) => list.append(el("div", {},
    el("dt", { textContent: words(name) }), el("dd", { textContent: value })));
  for (const [key, value] of Object.entries(device.said))
    add(key, Array.isArray(value) ? value.join(", ") : value);
  for (const [name, value] of updates(device.diagnostics?.update)) add(name, value);
  const more = device.diagnostics && el("details", {},
    el("summary", { textContent: "Diagnostics" }),
    el("div", { className: "quiet", textContent: JSON.stringify(device.diagnostics) }));
  return [list, ...(more ? [more] : [])];
}

function steering(id) {
  const minutes = el("input", { type: "number", min: 1, max: 1440, step: 1, value: 60 });
  const now = el("input", { type: "checkbox", checked: true });
  const command = async (type, params) => {
    const body = params ? { type, params } : { type };
    if (await send("POST", `/devices/${id}/commands`, body))
      news(`${words(type)}: goes out with the next heartbeat`);
  };
  const button = (text, act, main) => el("button", { type: "button", textContent: text,
    className: main ? "main" : "", onclick: act });
  const start = () => minutes.reportValidity() && command("start_recording", {
    max_duration_sec: 60 * Number(minutes.value), upload_immediately: now.checked });
  return el("div", { className: "steer" },
    button("Start recording", start, true),
    button("Stop recording", () => command("stop_recording")),
    button("Upload now", () => command("trigger_upload")),
    el("label", {}, "At most, min", minutes),
    el("label", { className: "check" }, now, "upload at once"));
}

function commands(id, list) {
  if (!list.length) return [];
  const items = list.map(c => {
    const life = [["asked for", c.created_at], ["delivered", c.delivered_at],
      ["executed", c.executed_at]].filter(([, t]) => t).map(([w, t]) => `${w} ${hour(t)}`);
    if (["pending", "delivered"].includes(c.status)) life.push(`until ${hour(c.expires_at)}`);
    const cancel = c.status === "pending" && el("button", { type: "button",
      textContent: "Cancel", title: clock(c.created_at),
      onclick: () => send("DELETE", `/devices/${id}/commands/${c.id}`) });
    return el("li", { id: c.id }, words(c.type),
      el("span", { className: "quiet", textContent: life.join(" · ") +
        (c.error ? ` · ${c.error.code}` : "") }), badge(c.status), cancel || null);
  });
  return [el("h3", { textContent: "Commands" }), el("ul", { className: "commands" }, ...items)];
}
