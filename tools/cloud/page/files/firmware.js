// A device's firmware: what it runs, what is assigned to it, and releases to assign.
import { badge, el, hour, news, send } from "/page/dom.js";

export function firmwareForm(id) {
  const choice = el("select"), assigned = el("div");
  const file = el("input", { type: "file", onchange: () => add(file) });
  const assign = el("button", { type: "button", textContent: "Assign", onclick: async () => {
    if (await send("POST", `/devices/${id}/firmware`, { release_id: choice.value }))
      news("Release assigned: goes out with the next heartbeat");
  } });
  const bring = el("button", { type: "button", textContent: "Add a bundle…",
    onclick: () => file.click() });
  const node = el("div", {}, el("h3", { textContent: "Firmware" }), assigned,
    el("div", { className: "steer" }, el("label", {}, "Release", choice), assign, bring));
  let drawn = "";
  node.update = (assignments, releases) => {
    const text = JSON.stringify([assignments, releases]);
    if (drawn === text) return;
    drawn = text;
    const before = choice.value;
    choice.replaceChildren(...releases.map(r =>
      el("option", { value: r.id, textContent: r.version })));
    if (releases.some(r => r.id === before)) choice.value = before;
    choice.disabled = assign.disabled = !releases.length;
    assigned.replaceChildren(...assignments.map(a => line(id, a)));
  };
  return node;
}

function line(id, a) {
  const cancel = ["pending", "delivered"].includes(a.status) && el("button", { type: "button",
    textContent: "Cancel", onclick: () => send("DELETE", `/devices/${id}/firmware/${a.id}`) });
  return el("ul", { className: "commands" }, el("li", {}, a.version,
    el("span", { className: "quiet", textContent: `assigned ${hour(a.created_at)}` }),
    badge(a.status), cancel || null));
}

// A bundle says its version itself: its first line is its manifest (firmware/updates/bundle.py).
async function add(input) {
  const bundle = input.files[0];
  input.value = "";
  let version;
  try {
    const manifest = JSON.parse((await bundle.slice(0, 2048).text()).split("\n")[0]);
    version = manifest.version ?? `micropython-${manifest.micropython.join(".")}`;
  } catch (e) {
    return news(`${bundle.name} is no bundle: make bundle makes one`, true);
  }
  if (await send("POST", `/releases?version=${encodeURIComponent(version)}`, bundle))
    news(`Release ${version}: assign it`);
}

// What a device's diagnostics say of updates, as names and values.
export function updates(said) {
  if (!said) return [];
  const last = said.last && said.last[0] + " " + said.last.slice(1).filter(w => w).join(": ");
  return [["slot", said.slot + (said.trial ? `, ${said.trial} on trial` : "")],
    ["update pending", said.pending], ["last update", last]].filter(([, value]) => value);
}
