// Small words for making nodes; strings become text nodes, never markup.

/** `make("p.note", {hidden: true}, "text", node…)` */
export function make(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function clone(template) {
  return document.getElementById(template).content.cloneNode(true);
}

/** Whose turn it is in a wheel of eight colours; the same for the same id. */
export function hue(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return String(sum % 8);
}

export function avatar(id, name, isBot) {
  const letters = [...name.replace(/^[@+\s]+/, "")];
  return make("span.avatar", { "data-hue": isBot ? "bot" : hue(id), "aria-hidden": "true" }, letters[0]?.toUpperCase() ?? "?");
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
