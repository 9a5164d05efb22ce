import { ask } from "chat/forms.js";
import { gettext, interpolate, language, ngettext } from "chat/words.js";

/** After the last key: nobody needs results for half a word. */
const PAUSE_MS = 200;
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });

/** The search dialog: results while one writes, arrow keys through them. */
export class Search {
  #dialog = document.getElementById("search");
  #form = document.getElementById("search-form");
  #query = document.getElementById("search-query");
  #said = document.getElementById("search-said");
  #hits = document.getElementById("search-hits");
  #timer = null;
  #running = null;

  constructor() {
    document.getElementById("search-open").addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab shows the page
      event.preventDefault();
      this.open();
    });
    this.#query.addEventListener("input", () => this.#later());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#now();
    });
    this.#dialog.addEventListener("keydown", (event) => this.#keyPressed(event));
  }

  open() {
    this.#dialog.showModal();
    this.#query.select();
    this.#query.focus();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#now(), PAUSE_MS);
  }

  async #now() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    const query = this.#query.value.trim();
    if (query === "") return this.#show([], "");
    try {
      const address = `${this.#form.action}?${new URLSearchParams({ q: query })}`;
      const { hits } = await ask(address, { signal: running.signal });
      this.#show(hits, found(hits.length));
    } catch (error) {
      if (error.name !== "AbortError") this.#show([], error.message);
    }
  }

  #show(hits, sentence) {
    this.#said.textContent = sentence;
    this.#hits.replaceChildren(...hits.map(hitItem));
  }

  /** At once: some browsers would only empty the field. */
  #leave(event) {
    if (event.isComposing) return;
    event.preventDefault();
    this.#dialog.close();
  }

  #keyPressed(event) {
    if (event.key === "Escape") return this.#leave(event);
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [this.#query, ...this.#hits.querySelectorAll("a")];
    const to = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    if (to < 0 || to >= stops.length) return;
    event.preventDefault();
    stops[to].focus();
  }
}

function found(count) {
  if (count === 0) return gettext("Nothing was found.");
  return interpolate(ngettext("%(count)s result", "%(count)s results", count), { count });
}

function hitItem({ address, title, message, by, at, excerpt }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = address;
  link.append(part("hit-title", message === null ? excerpt : [{ text: title, is_hit: false }]));
  if (message !== null) {
    const when = day.format(new Date(at));
    link.append(part("hit-by", [{ text: by ? `${by} · ${when}` : when, is_hit: false }]), part("hit-excerpt", excerpt));
  }
  item.append(link);
  return item;
}

function part(name, pieces) {
  const element = document.createElement("span");
  element.className = name;
  element.dir = "auto";
  for (const { text, is_hit: isHit } of pieces) element.append(isHit ? marked(text) : text);
  return element;
}

function marked(text) {
  const mark = document.createElement("mark");
  mark.textContent = text;
  return mark;
}
