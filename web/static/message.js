// One message as its place shows it.

import { avatar, clock, icon, make } from "./dom.js";
import { sanitise } from "./sanitise.js";

/**
 * Fills `article` with `message`. `view`: `mine`, `follows` (same author as above), `quoted` (the message it answers),
 * `replies` (of its thread), `reply` (the label of its reply button, or null), and what to call: `onReply`,
 * `onThread`, `onPress`.
 */
export function fill(article, message, view) {
  const name = message.name || message.author;
  const focused = article.contains(document.activeElement) ? document.activeElement.dataset.does : null;
  const face = avatar(message.author, name, message.is_bot);
  article.className = "message";
  for (const [mark, is] of Object.entries({
    mine: view.mine,
    follows: view.follows,
    bot: message.is_bot,
    deleted: message.deleted,
    private: message.only_for,
  })) {
    article.classList.toggle(mark, Boolean(is));
  }
  article.replaceChildren(
    ...[
      face,
      make(
        "div.bubble",
        {},
        message.only_for ? make("p.only", {}, icon("eye"), "Only visible to you") : null,
        view.quoted ? quote(view.quoted) : null,
        make(
          "p.by",
          {},
          make("b.name", { "data-hue": face.dataset.hue }, name),
          message.is_bot ? make("span.app", {}, "app") : null,
          time(message),
        ),
        content(message),
        message.choices?.length && !message.deleted ? choices(message, view) : null,
        make("p.foot", {}, message.edited && !message.deleted ? make("span.edited", {}, "(edited)") : null, time(message)),
        view.replies?.length ? thread(view) : null,
      ),
      view.reply && !message.deleted ? action(view, name) : null,
    ].filter(Boolean),
  );
  if (focused) (article.querySelector(`[data-does="${CSS.escape(focused)}"]`) ?? article).focus();
}

/** The message in a line of plain words. */
export function snippet(message, length = 120) {
  if (message.deleted) return "This message was deleted";
  const words = (message.html ? plain(sanitise(message.html)) : message.text).replace(/\s+/g, " ").trim();
  return words.length > length ? `${words.slice(0, length - 1)}…` : words;
}

function plain(fragment) {
  for (const block of fragment.querySelectorAll("p, br, li, pre, blockquote, tr, td, th, div, h1, h2, h3, h4, h5, h6")) {
    block.after(" ");
  }
  return fragment.textContent;
}

function content(message) {
  if (message.deleted) return make("div.content", {}, make("em", {}, "This message was deleted"));
  const body = make("div.content", {}, message.html ? sanitise(message.html) : message.text);
  body.classList.toggle("plain", !message.html);
  return body;
}

function time(message) {
  return make("time", { dateTime: new Date(message.time * 1000).toISOString() }, clock(message.time));
}

function quote(quoted) {
  return make("blockquote.quoted", {}, make("b", {}, quoted.name || quoted.author), " ", make("span", {}, snippet(quoted)));
}

function choices(message, view) {
  const buttons = message.choices.map(([label, value]) => {
    const button = make("button", { type: "button", "data-does": `press ${value}` }, label);
    button.addEventListener("click", async () => {
      button.setAttribute("aria-busy", "true");
      await view.onPress(message, value);
      button.removeAttribute("aria-busy");
    });
    return button;
  });
  return make("div.choices", { role: "group", "aria-label": "Buttons" }, ...buttons);
}

function thread(view) {
  const last = view.replies.at(-1);
  const people = new Map(view.replies.map((reply) => [reply.author, reply]));
  const button = make(
    "button.replies",
    { type: "button", "data-does": "thread" },
    ...[...people.values()].slice(0, 3).map((reply) => avatar(reply.author, reply.name || reply.author, reply.is_bot)),
    make("b", {}, view.replies.length === 1 ? "1 reply" : `${view.replies.length} replies`),
    make("span", {}, `Last at ${clock(last.time)}`),
  );
  button.addEventListener("click", view.onThread);
  return button;
}

function action(view, name) {
  const button = make(
    "button.reply.icon",
    { type: "button", title: view.reply, "aria-label": `${view.reply}: ${name}`, "data-does": "reply" },
    icon(view.reply === "Reply" ? "reply" : "thread"),
  );
  button.addEventListener("click", view.onReply);
  return button;
}
