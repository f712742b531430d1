// Asks for everything once a second, and draws anew what changed: a player goes on playing.
import { deviceCard } from "/page/device.js";
import { recordingCard } from "/page/recording.js";

const shown = new Map();   // id: [what was drawn, its node]

function place(parent, nodes) {
  for (const node of [...parent.children]) if (!nodes.includes(node)) node.remove();
  nodes.forEach((node, i) => {
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] || null);
  });
}

function recording(r) {
  const text = JSON.stringify(r);
  let [old, node] = shown.get(r.id) || [];
  if (old !== text) {
    const fresh = recordingCard(r);
    node?.replaceWith(fresh);
    shown.set(r.id, [text, node = fresh]);
  }
  return node;
}

function device([id, data], releases) {
  if (!shown.has(id)) shown.set(id, [null, deviceCard(id, data)]);
  const [, node] = shown.get(id);
  node.update(data, releases);
  return node;
}

async function update() {
  const count = document.getElementById("count");
  try {
    const state = await (await fetch("/state")).json();
    const n = state.recordings.length;
    count.textContent = n ? n + (n === 1 ? " recording" : " recordings") :
      "nothing has arrived yet";
    place(document.getElementById("devices"), Object.entries(state.devices).map(
      d => device(d, state.releases)));
    place(document.getElementById("recordings"), state.recordings.map(recording));
  } catch (e) {
    count.textContent = "the cloud does not answer";
  }
  setTimeout(update, 1000);
}
update();
