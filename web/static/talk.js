// A list of messages with a composer under it: a room, or a thread of one.

import { clone, make } from "./dom.js";
import { fill, snippet } from "./message.js";

const NEAR = 60; // pixels from the end at which the list still follows new messages
const TOGETHER = 300; // seconds within which messages of one author stand under one name

export class Talk {
  #articles = new Map(); // message key -> [article, what it was filled with]
  #quoted = null;

  /** `onSend(text, quoted)` returns whether the message was taken. */
  constructor(element, { onSend }) {
    this.element = element;
    element.append(clone("talk"));
    const find = (selector) => element.querySelector(selector);
    [this.scroll, this.list, this.empty] = [find(".scroll"), find(".messages"), find(".empty")];
    [this.typing, this.quoting, this.form, this.input] = [
      find(".typing"),
      find(".quoting"),
      find(".composer"),
      find("textarea"),
    ];
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(onSend);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#send(onSend);
      } else if (event.key === "Escape" && this.#quoted) {
        event.stopPropagation();
        this.quote(null);
      }
    });
    this.input.addEventListener("input", () => this.#grow());
    this.quoting.querySelector("button").addEventListener("click", () => {
      this.quote(null);
      this.input.focus();
    });
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.scroll);
    this.scroll.addEventListener("scroll", () => (this.#follows = this.#isAtEnd()), { passive: true });
  }

  #follows = true;

  /** Shows `messages`; `view(message)` says how each is seen. */
  show(messages, view) {
    const keep = new Set();
    let above = null;
    let place = null;
    for (const message of messages) {
      keep.add(message.key);
      const seen = view(message);
      const follows = !seen.quoted && isTogether(above, message);
      const article = this.#article(message, { ...seen, follows });
      const next = place ? place.nextSibling : this.list.firstChild;
      if (next !== article) this.list.insertBefore(article, next);
      [above, place] = [message, article];
    }
    for (const [key, [article]] of this.#articles) {
      if (keep.has(key)) continue;
      article.remove();
      this.#articles.delete(key);
    }
    this.empty.hidden = messages.length > 0;
    if (this.#follows) this.#toEnd();
  }

  /** Follow new messages again, as when another room is opened. */
  reset() {
    this.#follows = true;
    this.quote(null);
  }

  signs(name) {
    this.typing.hidden = !name;
    this.typing.querySelector(".who-types").textContent = name ? `${name} is typing…` : "";
    if (this.#follows) this.#toEnd();
  }

  label(words) {
    this.input.placeholder = words;
    this.input.setAttribute("aria-label", words);
    this.list.setAttribute("aria-label", `Messages: ${words}`);
    this.scroll.setAttribute("aria-label", `Messages: ${words}`);
  }

  quote(message) {
    this.#quoted = message;
    this.quoting.hidden = !message;
    this.quoting.querySelector("p").replaceChildren(
      ...(message ? [make("b", {}, message.name || message.author), " ", snippet(message)] : []),
    );
    if (message) this.input.focus();
  }

  draft(text) {
    this.input.value = text;
    this.#grow();
    this.input.focus();
  }

  focusOn(key) {
    this.#articles.get(key)?.[0].querySelector("[data-does=thread], [data-does=reply]")?.focus();
  }

  #article(message, view) {
    let [article, filled] = this.#articles.get(message.key) ?? [];
    article ??= make("article", { tabIndex: -1 });
    const now = JSON.stringify([message, view]);
    if (now !== filled) {
      fill(article, message, view);
      this.#articles.set(message.key, [article, now]);
    }
    return article;
  }

  async #send(onSend) {
    const text = this.input.value;
    if (!text.trim()) return;
    const quoted = this.#quoted;
    this.input.value = "";
    this.quote(null);
    this.#grow();
    this.#follows = true;
    if ((await onSend(text.trim(), quoted)) || this.input.value) return;
    this.input.value = text; // what was not taken is not lost
    this.#grow();
  }

  #grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 140)}px`;
  }

  #isAtEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR;
  }

  #toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }
}

/** Whether `message` stands under the same name as the one above it. */
function isTogether(above, message) {
  return above?.author === message.author && above.only_for === message.only_for && message.time - above.time < TOGETHER;
}
