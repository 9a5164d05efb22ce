import { gettext, language } from "chat/words.js";

/** A larger number says no more, and what stands behind it would not be seen any more. */
const COUNTED_MAX = 99;

/** The title of the page's tab: its name, and before that what one would come back for. */
export class PageTitle {
  #document;
  #name;
  #count = 0;
  #isFinished = false;

  constructor(page = document) {
    this.#document = page;
    this.#name = page.title;
  }

  rename(name) {
    this.#name = name;
    this.#show();
  }

  /** @param count of the conversations with something new @param isFinished an answer has ended meanwhile */
  mark(count, isFinished) {
    this.#count = count;
    this.#isFinished = isFinished;
    this.#show();
  }

  #show() {
    const finished = this.#isFinished ? `${gettext("Answer finished")} · ` : "";
    const title = `${counted(this.#count)}${finished}${this.#name}`;
    if (this.#document.title !== title) this.#document.title = title;
  }
}

function counted(count) {
  if (count === 0) return "";
  const shown = new Intl.NumberFormat(language).format(Math.min(count, COUNTED_MAX));
  return `(${shown}${count > COUNTED_MAX ? "+" : ""}) `;
}
