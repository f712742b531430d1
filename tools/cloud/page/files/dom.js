// Small helpers that the rest shares.
export const el = (tag, props = {}, ...kids) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...kids.filter(k => k != null));
  return node;
};
const SVG = "http://www.w3.org/2000/svg";
export const svg = (tag, props = {}, ...kids) => {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
  node.append(...kids);
  return node;
};
export const clock = t => t ? new Date(t).toLocaleString(undefined, { hour12: false }) : "unknown";
export const hour = t => new Date(t).toLocaleTimeString(undefined, { hour12: false });
export const bytes = n => n == null ? "" : n.toLocaleString() + " B";
export const words = name => name.replaceAll("_", " ");
export const badge = state => el("span", { className: "state " + state,
  textContent: words(state) });

export function news(text, bad = false) {
  const line = document.getElementById("news");
  line.textContent = text;
  line.className = bad ? "bad" : "";
}

// Sends JSON, or a file as it is; says what went wrong where a person sees it. Returns the answer, or null.
export async function send(method, path, body) {
  const plain = body instanceof Blob;
  const type = plain ? "application/octet-stream" : "application/json";
  try {
    const answer = await fetch(path, { method, headers: body ? { "Content-Type": type } : {},
      body: body && !plain ? JSON.stringify(body) : body });
    const data = await answer.json();
    if (answer.ok) return data;
    news(data.error.message, true);
  } catch (e) {
    news("the cloud does not answer", true);
  }
  return null;
}
