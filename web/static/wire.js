// The drawer with the last requests between the hub and the place.

import { make } from "./dom.js";

const KEPT = 50;

export class Wire {
  #crossed = 0;

  constructor(element, title) {
    this.title = title;
    this.list = element.querySelector("ol");
    this.list.setAttribute("aria-label", `Requests between the hub and ${title}, newest first`);
    this.count = element.querySelector(".count");
  }

  forget() {
    this.#crossed = 0;
    this.list.replaceChildren();
    this.#tell();
  }

  take(requests) {
    this.list.prepend(...requests.map((request) => this.#row(request)).reverse());
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
    this.#crossed += requests.length;
    this.#tell();
  }

  #tell() {
    this.count.textContent = this.#crossed === 1 ? "1 request" : `${this.#crossed} requests`;
  }

  #row({ method, path, body, status, inbound, time }) {
    const way = inbound ? `hub → ${this.title}` : `${this.title} → hub`;
    const summary = make(
      "summary",
      {},
      make("time", {}, new Date(time * 1000).toLocaleTimeString([], { hour12: false })),
      make("span.way", { title: way, "aria-label": way }, inbound ? "→" : "←"),
      make("b", {}, method),
      make("code", { title: path }, path),
      make("span.status", { "data-kind": status >= 400 ? "bad" : "good" }, String(status)),
    );
    return make("li", {}, make("details", {}, summary, make("pre", {}, readable(body) || "(no body)")));
  }
}

/** JSON and forms with one field a line, anything else as it is. */
function readable(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    if (!/^[\w.%+-]+=[^\s]*$/.test(body)) return body;
    return [...new URLSearchParams(body)].map(([name, value]) => `${name}: ${value}`).join("\n");
  }
}
