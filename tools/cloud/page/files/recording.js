// A recording's card: its audio with its outline, its pictures on the time line, its files.
import { badge, bytes, clock, el, svg } from "/page/dom.js";

export function recordingCard(r) {
  const url = m => `/media/${r.id}/${m.id}`;
  const card = el("section", { className: "card recording", id: r.id },
    el("h2", {}, r.name || "(no name)", badge(r.status)),
    el("div", { className: "quiet", textContent:
      `${r.device_id} · ${clock(r.started_at)} to ${clock(r.ended_at)}` +
      (r.metadata.interrupted ? " · interrupted" : "") +
      (r.content_sha256_verified_at ? " · SHA-256 verified" : "") }));
  const there = r.media.filter(m => m.status === "uploaded");
  for (const m of there.filter(m => m.type === "audio")) {
    const player = el("audio", { controls: true, preload: "metadata", src: url(m) });
    const wave = el("div");
    card.append(wave, player);
    outline(`/waveform/${r.id}/${m.id}`, wave, player);
  }
  const pictures = there.filter(m => m.type === "image");
  if (pictures.length) card.append(timeLine(r, pictures, url));
  const table = el("table", {}, el("tr", {}, ...["file", "size", "state", "captured"].map(t =>
    el("th", { textContent: t }))));
  for (const m of r.media)
    table.append(el("tr", {}, ...[m.content_type, bytes(m.file_size_bytes), m.status,
      m.captured_at ? clock(m.captured_at) : ""].map(t => el("td", { textContent: t }))));
  card.append(el("div", { className: "scroll" }, table), el("div", { className: "quiet",
    textContent: r.id + " · " + JSON.stringify(r.metadata) }));
  return card;
}

function timeLine(r, pictures, url) {
  const start = Date.parse(r.started_at), end = Date.parse(r.ended_at);
  const line = el("div", { className: "line" });
  pictures.forEach((m, i) => {
    const at = Date.parse(m.captured_at);
    const known = end > start && at >= start && at <= end;
    const part = known ? (at - start) / (end - start) : (i + 1) / (pictures.length + 1);
    const moment = el("div", { className: "moment", title: m.id },
      el("img", { src: url(m), alt: "captured " + clock(m.captured_at) }),
      el("span", { textContent: known ? "+" + Math.round((at - start) / 1000) + " s" : "" }));
    moment.style.left = 8 + 84 * part + "%";
    moment.dataset.part = part.toFixed(3);
    line.append(moment);
  });
  return line;
}

async function outline(path, place, player) {
  const answer = await fetch(path);
  if (!answer.ok) return;   // not audio that the cloud can decode; the player may
  const { seconds, peaks } = await answer.json();
  const n = peaks.length, top = Math.max(...peaks, 0.01);
  const height = p => Math.max(p / top * 48, 0.5);
  const path_ = "M" + peaks.map((p, i) => `${i} ${50 - height(p)}`).join("L") + "L" +
    peaks.map((p, i) => `${i} ${50 + height(p)}`).reverse().join("L") + "Z";
  const played = svg("rect", { x: 0, y: 0, width: 0, height: 100, opacity: 0.2,
    fill: "currentColor" });
  const drawing = svg("svg", { class: "wave", viewBox: `0 0 ${n} 100`,
    preserveAspectRatio: "none", role: "img",
    "aria-label": `waveform of ${Math.round(seconds)} seconds` },
    svg("path", { d: path_, fill: "currentColor" }), played);
  drawing.onclick = e => player.currentTime = seconds * e.offsetX / drawing.clientWidth;
  player.addEventListener("timeupdate", () =>
    played.setAttribute("width", n * player.currentTime / seconds));
  place.append(drawing);
}
