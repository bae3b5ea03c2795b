// One place: who the reader is there, its rooms, the open thread, and its part of the news.

import { avatar, clone, make } from "./dom.js";
import { snippet } from "./message.js";
import { Talk } from "./talk.js";
import { Wire } from "./wire.js";

export class Pane {
  #messages = new Map(); // key -> message, oldest first
  #signs = new Map(); // room or thread -> until when the bot is seen typing, in ms
  #unread = new Map(); // room -> count
  #fresh = true; // the next news is the history, not something new
  #timers = {};

  constructor(number, { title, platform, users, rooms, bot, threads, quotes, suggestions }) {
    Object.assign(this, { number, title, users, declared: rooms, bot, threads, quotes, suggestions });
    this.element = clone("pane").firstElementChild;
    this.element.id = `pane-${number}`;
    this.element.classList.add(platform);
    this.element.dataset.platform = platform;
    this.element.setAttribute("aria-label", title);
    this.find = (selector) => this.element.querySelector(selector);
    this.find("h2").textContent = title;
    this.find(".who").setAttribute("aria-label", `Who you are in ${title}`);
    this.find(".rooms").setAttribute("aria-label", `Rooms of ${title}`);
    this.wire = new Wire(this.find(".wire"), title);
    this.talk = new Talk(this.find(".talk.room"), {
      onSend: (text, quoted) => this.#say(text, null, quoted?.id ?? null),
    });
    this.side = new Talk(this.find(".talk.thread"), { onSend: (text) => this.#say(text, this.thread, null) });
    this.find(".close").addEventListener("click", () => this.#close());
    this.find(".side").addEventListener("keydown", ({ key }) => key === "Escape" && this.#close());
    this.thread = null;
    this.user = users[0];
    this.room = this.#rooms()[0];
    this.#render();
    this.talk.reset();
  }

  /** Before a new stream tells everything again. */
  forget() {
    this.#messages.clear();
    this.#signs.clear();
    this.wire.forget();
    this.#fresh = true;
    this.#render();
  }

  take({ messages = [], gone = [], typing, wire = [] }) {
    for (const [room, id] of gone) this.#messages.delete(`${room}\n${id}`);
    for (const message of messages) {
      message.key = `${message.room}\n${message.id}`;
      const isNew = !this.#messages.has(message.key);
      this.#messages.set(message.key, message);
      if (isNew && !this.#fresh) this.#arrived(message);
    }
    if (typing) this.#signs = new Map(Object.entries(typing).map(([where, left]) => [where, performance.now() + left * 1000]));
    if (wire.length) this.wire.take(wire);
    this.#fresh = false;
    this.#render();
  }

  #arrived(message) {
    if (message.author === this.user.id || !this.#isSeen(message)) return;
    if (message.room !== this.room.id) {
      this.#unread.set(message.room, (this.#unread.get(message.room) ?? 0) + 1);
      return;
    }
    const root = this.#root(message);
    if (root?.author === this.user.id && !this.thread) this.#open(root.id, false);
    clearTimeout(this.#timers.spoken); // a streamed answer is read out once, when it rests
    this.#timers.spoken = setTimeout(() => {
      const now = this.#messages.get(message.key);
      if (now) this.find(".spoken").textContent = `${now.name || now.author}: ${snippet(now, 300)}`;
    }, 800);
  }

  #isSeen(message) {
    return !message.only_for || message.only_for === this.user.id;
  }

  /** The message under which `message` stands in a thread of its own, if that is how this place shows it. */
  #root(message) {
    if (!this.threads || !message.thread || message.thread === message.id) return null;
    return this.#messages.get(`${message.room}\n${message.thread}`) ?? null;
  }

  #rooms() {
    const mine = this.declared.filter((room) => !room.only || room.only === this.user.id);
    const known = new Set(this.declared.map((room) => room.id));
    for (const message of this.#messages.values()) {
      if (known.has(message.room) || !this.#isSeen(message)) continue;
      known.add(message.room); // opened by the hub, not by us
      mine.push({ id: message.room, label: message.room, group: true, only: "" });
    }
    return mine;
  }

  #render() {
    this.#renderUsers();
    this.#renderRooms();
    this.#renderEmpty();
    const here = [...this.#messages.values()].filter((message) => message.room === this.room.id && this.#isSeen(message));
    const [top, threads] = [[], new Map()];
    for (const message of here) {
      const root = this.#root(message)?.id;
      if (root === undefined) top.push(message);
      else threads.set(root, [...(threads.get(root) ?? []), message]);
    }
    this.talk.show(top, (message) => this.#view(message, threads.get(message.id)));
    const root = this.thread && this.#messages.get(`${this.room.id}\n${this.thread}`);
    this.find(".side").hidden = !root;
    this.element.classList.toggle("threaded", Boolean(root));
    this.element.classList.toggle("direct", !this.room.group);
    if (root) this.side.show([root, ...(threads.get(root.id) ?? [])], (message) => this.#view(message, null, true));
    this.#renderTyping();
    const place = this.room.group ? this.room.label : this.bot;
    this.talk.label(this.room.group ? `Message ${place} (@${this.bot} to ask)` : `Message ${place}`);
    this.side.label("Reply…");
  }

  #view(message, replies, inThread = false) {
    const reply = this.quotes ? "Reply" : this.threads ? "Reply in thread" : null;
    const quoted = message.reply_to && message.reply_to !== (inThread ? this.thread : null);
    return {
      mine: message.author === this.user.id,
      quoted: quoted ? this.#messages.get(`${message.room}\n${message.reply_to}`) : null,
      replies,
      reply: inThread || message.only_for ? null : reply,
      onReply: () => (this.quotes ? this.talk.quote(message) : this.#open(message.id)),
      onThread: () => this.#open(message.id),
      onPress: (pressed, value) => this.#post("press", { room: pressed.room, message: pressed.id, value }),
    };
  }

  #renderUsers() {
    if (this.find(".who").dataset.now === this.user.id) return;
    this.find(".who").dataset.now = this.user.id;
    const focused = this.find(".who").contains(document.activeElement);
    const buttons = this.users.map((user) => {
      const button = make(
        "button",
        { type: "button", title: `Be ${user.name}`, "aria-label": `Be ${user.name}`, "aria-pressed": String(user === this.user) },
        avatar(user.id, user.name, false),
        make("span", {}, user.name),
      );
      button.addEventListener("click", () => this.#be(user));
      return button;
    });
    this.find(".who").replaceChildren(this.find(".you"), ...buttons);
    if (focused) buttons[this.users.indexOf(this.user)].focus();
  }

  #renderRooms() {
    const rooms = this.#rooms();
    const now = JSON.stringify([rooms, this.room.id, [...this.#unread]]);
    const nav = this.find(".rooms");
    if (nav.dataset.now === now) return;
    nav.dataset.now = now;
    const focused = nav.contains(document.activeElement);
    const buttons = rooms.map((room) => {
      const unread = this.#unread.get(room.id);
      const button = make(
        "button",
        { type: "button", "aria-current": String(room.id === this.room.id) },
        room.label,
        unread ? make("span.unread", { "aria-label": `${unread} unread` }, String(unread)) : null,
      );
      button.addEventListener("click", () => this.#enter(room));
      return button;
    });
    nav.replaceChildren(...buttons);
    if (focused) buttons.find((button) => button.getAttribute("aria-current") === "true")?.focus();
  }

  #renderEmpty() {
    const empty = this.talk.empty;
    const now = `${this.room.id}\n${this.user.id}`;
    if (empty.dataset.now === now) return;
    empty.dataset.now = now;
    const prefix = this.room.group ? `@${this.bot} ` : "";
    const buttons = this.suggestions.map((words) => {
      const button = make("button", { type: "button" }, `${prefix}${words}`);
      button.addEventListener("click", () => this.talk.draft(`${prefix}${words}`));
      return button;
    });
    empty.replaceChildren(
      make("p", {}, make("b", {}, this.room.group ? this.room.label : `${this.user.name} and ${this.bot}`)),
      make("p", {}, this.room.group ? `A room for all. Name @${this.bot} and it answers.` : "A direct chat: every message is answered."),
      make("p.try", {}, "Type, for example"),
      ...buttons,
    );
  }

  #renderTyping() {
    const now = performance.now();
    for (const [where, until] of this.#signs) if (until <= now) this.#signs.delete(where);
    const inThread = this.thread !== null && this.#signs.has(this.thread);
    const inRoom = [...this.#signs.keys()].some(
      (where) => where === this.room.id || this.#messages.has(`${this.room.id}\n${where}`),
    );
    this.talk.signs(inRoom && !inThread ? this.bot : null);
    this.side.signs(inThread ? this.bot : null);
    clearTimeout(this.#timers.typing);
    if (!this.#signs.size) return;
    this.#timers.typing = setTimeout(() => this.#renderTyping(), Math.min(...this.#signs.values()) - now + 10);
  }

  #be(user) {
    const wasDirect = Boolean(this.room.only);
    this.user = user;
    const rooms = this.#rooms();
    const stays = rooms.find((room) => room.id === this.room.id);
    this.#enter(stays ?? rooms.find((room) => wasDirect === Boolean(room.only)) ?? rooms[0]);
  }

  #enter(room) {
    if (room.id !== this.room.id) this.thread = null;
    this.room = room;
    this.#unread.delete(room.id);
    this.talk.reset();
    this.#render();
  }

  #open(id, focus = true) {
    this.thread = id;
    this.side.reset();
    this.#render();
    if (focus) this.side.input.focus();
  }

  #close() {
    const key = `${this.room.id}\n${this.thread}`;
    this.thread = null;
    this.#render();
    this.talk.focusOn(key);
  }

  #say(text, thread, quoted) {
    return this.#post("say", { room: this.room.id, text, thread, quoted });
  }

  /** Whether it was taken; if not, the pane says why. */
  async #post(what, data) {
    const fault = this.find(".fault");
    fault.hidden = true;
    try {
      const answer = await fetch(`/playground/${what}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ pane: this.number, user: this.user.id, ...data }),
      });
      if (answer.ok) return true;
      fault.textContent = (await answer.text()) || answer.statusText;
    } catch {
      fault.textContent = "The hub cannot be reached. Is it still running?";
    }
    fault.hidden = false;
    return false;
  }
}
