import { gettext, interpolate, language, titleWords } from "chat/words.js";

const DAY_MS = 86400000;
const month = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });

/** The heading under which a conversation stands, as page_data.py has it. */
export function dayLabel(changedAt, now) {
  const [day, today] = [changedAt, now].map((at) => new Date(at).setHours(0, 0, 0, 0));
  const days = Math.round((today - day) / DAY_MS);
  if (days <= 0) return gettext("Today");
  if (days === 1) return gettext("Yesterday");
  return days < 7 ? gettext("Last seven days") : month.format(new Date(changedAt));
}

/** Draws the list: elements are kept, moved and changed, so that neither focus nor place is lost. */
export class ListView {
  #element;
  #template;
  #items = new Map();

  constructor(element, template) {
    this.#element = element;
    this.#template = template;
    for (const item of element.querySelectorAll("[data-conversation]")) this.#items.set(item.dataset.conversation, item);
  }

  get current() {
    return this.#element.dataset.current;
  }

  address(conversation) {
    return this.#element.dataset.address.replace(/[0-9a-f-]{36}/, conversation);
  }

  item(conversation) {
    return this.#items.get(conversation);
  }

  show(entries, now = Date.now()) {
    const focused = document.activeElement;
    const groups = new Map();
    for (const entry of entries) {
      const label = dayLabel(entry.changed_at, now);
      groups.set(label, [...(groups.get(label) ?? []), this.#itemOf(entry)]);
    }
    this.#forget(new Set(entries.map(({ conversation }) => conversation)));
    const nodes = [...groups].flatMap(([label, items]) => group(label, items));
    this.#element.replaceChildren(...(nodes.length > 0 ? nodes : [nothing()]));
    if (focused !== document.activeElement && this.#element.contains(focused)) focused.focus({ preventScroll: true });
  }

  #forget(present) {
    for (const conversation of this.#items.keys()) if (!present.has(conversation)) this.#items.delete(conversation);
  }

  #itemOf(entry) {
    const item = this.#items.get(entry.conversation) ?? this.#make(entry);
    const [link, more] = [item.querySelector("a"), item.querySelector("button")];
    const isRead = entry.conversation === this.current && document.visibilityState === "visible";
    const isUnread = entry.unread && !isRead;
    item.toggleAttribute("data-unread", isUnread);
    item.toggleAttribute("data-answering", entry.answering);
    setText(link.querySelector(".entry-title"), titleWords(entry.title));
    const mark = entry.answering ? gettext("answering") : isUnread ? gettext("unread") : "";
    setText(link.querySelector(".entry-marks"), mark);
    more.ariaLabel = interpolate(gettext("More about %(title)s"), { title: titleWords(entry.title) });
    return item;
  }

  #make({ conversation }) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    item.dataset.conversation = conversation;
    const link = item.querySelector("a");
    link.href = this.address(conversation);
    if (conversation === this.current) link.ariaCurrent = "page";
    this.#items.set(conversation, item);
    return item;
  }
}

function group(label, items) {
  const heading = document.createElement("h2");
  heading.className = "sidebar-day";
  heading.textContent = label;
  const list = document.createElement("ul");
  list.append(...items);
  return [heading, list];
}

function nothing() {
  const line = document.createElement("p");
  line.className = "sidebar-empty";
  line.textContent = gettext("Your conversations will be listed here.");
  return line;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
