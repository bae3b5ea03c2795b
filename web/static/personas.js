// The page of personalities: asks for the previews anew whenever something on it is changed.

import { clone, make } from "./dom.js";

const SAMPLES = {
  en: "Hey there! I dunno why it broke, but you're gonna love this 🎉 It can't fail any more!! Run `can't --stop!` and you'll see.",
  de: "Hey! Ich hab's nochmal geprüft, und jetzt geht's 🎉 Das wird super!! Tipp einfach `hab's --los!` ein.",
};
const PAUSE = 200; // milliseconds without another key

const form = document.querySelector(".asked");
const main = document.querySelector("main");
const fields = form.elements;
const fault = form.querySelector(".fault");
const hidden = new Set();
let found = [];
let asking = null;
let waiting = 0;

function tell(words) {
  fault.textContent = words;
  fault.hidden = !words;
}

async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const asked = {
    language: fields.language.value || "en",
    kind: fields.kind.value,
    first_contact: fields.first_contact.checked,
    chosen: fields.chosen.checked,
    sample: fields.sample.value,
  };
  try {
    const response = await fetch("/playground/personas/preview", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
      signal: mine.signal,
    });
    if (!response.ok) throw new Error(await response.text());
    const { personas, languages } = await response.json();
    tell("");
    offer(languages);
    found = personas;
    show();
  } catch (error) {
    if (!mine.signal.aborted) tell(`The hub did not answer: ${error.message}`);
  }
}

function offer(languages) {
  if (!fields.language.options.length)
    fields.language.append(
      ...languages.map(({ tag, name, own }) => make("option", { value: tag }, own === name ? name : `${name} · ${own}`)),
    );
  const { is_toned: isToned } = languages.find(({ tag }) => tag === fields.language.value);
  form.querySelector(".note").hidden = isToned;
}

function show() {
  form.querySelector(".shown").replaceChildren(
    make("legend", {}, "Personalities"),
    ...found.map(({ key, name }) => {
      const button = make("button", { type: "button", "aria-pressed": String(!hidden.has(key)) }, name);
      button.addEventListener("click", () => {
        if (!hidden.delete(key)) hidden.add(key);
        show();
        form.querySelectorAll(".shown button")[found.findIndex((other) => other.key === key)].focus();
      });
      return button;
    }),
  );
  const cards = found.filter(({ key }) => !hidden.has(key)).map(card);
  const nobody = found.length ? "All personalities are hidden." : "The configuration has no personalities.";
  main.replaceChildren(...(cards.length ? cards : [make("p.empty", {}, nobody)]));
}

function card(persona) {
  const element = clone("persona").firstElementChild;
  const put = (where, ...children) => element.querySelector(where).replaceChildren(...children);
  element.dataset.tone = persona.tone;
  element.setAttribute("aria-label", persona.name);
  put("h2", persona.name);
  element.querySelector("h2").after(make("span.key", { title: `personality: ${persona.key}` }, persona.key));
  put(".tone", persona.tone);
  put(".role", persona.role);
  put(".traits", ...persona.traits.map((trait) => make("li", {}, trait)));
  put(".toned", ...persona.sample.map(run));
  if (!persona.sample.length) put(".toned", make("span.nothing", {}, "nothing to try"));
  put(".findings", ...findings(persona));
  put(".tokens", `about ${persona.tokens} tokens`);
  put(".prompt", persona.prompt);
  return element;
}

function run({ text, kind }) {
  if (kind === "same") return text;
  return make(kind === "new" ? "ins" : "del", {}, text);
}

function findings({ findings: all, repairs, sample }) {
  if (!sample.length) return [];
  if (!all.length) return [make("li.fine", {}, "keeps to its rules")];
  const hints = all.map(({ name, hint }) => make("li", { title: hint }, name));
  return repairs ? [...hints, make("li.repair", {}, "asked for once more")] : hints;
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", ({ target }) => {
  if (target.name === "language" && Object.values(SAMPLES).includes(fields.sample.value))
    fields.sample.value = SAMPLES[target.value] ?? SAMPLES.en;
  clearTimeout(waiting);
  waiting = setTimeout(ask, target.name === "sample" ? PAUSE : 0);
});
fields.sample.value ||= SAMPLES.en;
ask();
