// The page: opens the stream of events and hands each pane its news.

import { Pane } from "./pane.js";

const main = document.querySelector("main");
const link = document.querySelector(".link");
let panes = [];
let described = "";

function say(state, words) {
  link.dataset.state = state;
  link.textContent = words;
}

function build(descriptions) {
  panes = descriptions.map((description, number) => new Pane(number, description));
  main.replaceChildren(...panes.map((pane) => pane.element));
  document.querySelector(".jump").replaceChildren(
    ...panes.map((pane) => {
      const anchor = document.createElement("a");
      anchor.href = `#${pane.element.id}`;
      anchor.textContent = pane.title;
      return anchor;
    }),
  );
}

function listen() {
  const events = new EventSource("/playground/events");
  events.addEventListener("hello", ({ data }) => {
    say("live", "live");
    if (data === described) {
      for (const pane of panes) pane.forget(); // a new stream tells everything again
    } else {
      described = data;
      build(JSON.parse(data));
    }
  });
  events.addEventListener("news", ({ data }) => {
    const news = JSON.parse(data);
    panes[news.pane]?.take(news);
  });
  events.addEventListener("error", () => {
    say("lost", "reconnecting…");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1500);
  });
  addEventListener("pagehide", () => events.close(), { once: true });
}

addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
listen();
