// Turns foreign HTML into nodes by an allow-list: what is not named here is dropped, and only its words stay.

const TAGS = new Set(
  ("b strong i em s del strike u ins code pre a br p ul ol li blockquote h1 h2 h3 h4 h5 h6 hr span div " +
    "table thead tbody tr th td sub sup mark details summary").split(" "),
);
const DROPPED = new Set(["script", "style", "template", "iframe", "object", "embed", "noscript", "svg", "math", "title", "textarea"]);
const CLASSES = /^(mention|text_mention|bot_command|hashtag|spoiler)$/;
const BLOCKS = new Set(["PRE", "BLOCKQUOTE", "UL", "OL", "TABLE"]);
const DEEPEST = 60;

/** A fragment that holds the safe part of `html`. */
export function sanitise(html) {
  const foreign = new DOMParser().parseFromString(html, "text/html"); // inert: runs nothing and fetches nothing
  const fragment = document.createDocumentFragment();
  copy(foreign.body, fragment, 0);
  for (const line of fragment.querySelectorAll("br")) {
    // Chat markup breaks the line around a block that has its own line anyway.
    if (BLOCKS.has(line.previousSibling?.nodeName) || BLOCKS.has(line.nextSibling?.nodeName)) line.remove();
  }
  return fragment;
}

function copy(from, to, depth) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) {
      to.append(node.data);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      element(node, to, depth);
    }
  }
}

function element(node, to, depth) {
  const tag = node.localName;
  if (DROPPED.has(tag)) return;
  if (depth > DEEPEST) {
    to.append(node.textContent);
    return;
  }
  const known = TAGS.has(tag) && node.namespaceURI === "http://www.w3.org/1999/xhtml";
  const href = tag === "a" ? web(node.getAttribute("href")) : null;
  if (!known || (tag === "a" && !href)) {
    copy(node, to, depth + 1);
    return;
  }
  const made = document.createElement(tag);
  if (href) {
    made.href = href;
    made.target = "_blank";
    made.rel = "noopener noreferrer nofollow";
  }
  made.classList.add(...[...node.classList].filter((name) => CLASSES.test(name)));
  if (tag === "ol" && /^\d{1,6}$/.test(node.getAttribute("start") ?? "")) made.start = Number(node.getAttribute("start"));
  copy(node, made, depth + 1);
  to.append(made);
}

/** The address, if it is one of the web. */
function web(address) {
  try {
    const url = new URL(address ?? "");
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
