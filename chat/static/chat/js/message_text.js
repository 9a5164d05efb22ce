import { gettext } from "chat/words.js";

/** A block of text is closed at the next line's end after this many characters: only the open one is laid out anew. */
const BLOCK_CHARS = 4000;

const SEAM = gettext("Continued by another server");

/**
 * The text of a message in the page, plain and with its line breaks. It grows by appending to the last Text node, so
 * that a long answer costs no more to extend than a short one; `element.textContent` is always the whole text.
 */
export class MessageText {
  #element;
  #tail = null;

  constructor(element) {
    this.#element = element;
  }

  get isEmpty() {
    return this.#element.textContent === "";
  }

  get whole() {
    return this.#element.textContent;
  }

  append(text) {
    if (this.#tail === null) this.#openBlock();
    const lineEnd = this.#tail.length + text.length > BLOCK_CHARS ? text.indexOf("\n") + 1 : 0;
    if (lineEnd === 0) {
      this.#tail.appendData(text);
      return;
    }
    this.#tail.appendData(text.slice(0, lineEnd));
    this.#tail = null;
    if (lineEnd < text.length) this.append(text.slice(lineEnd));
  }

  /** What comes next was written by another server. The mark is empty: it is no part of the text, copied or not. */
  markSeam() {
    if (this.#tail === null) this.#openBlock();
    const seam = document.createElement("span");
    seam.className = "seam";
    seam.title = SEAM;
    seam.setAttribute("role", "img");
    seam.setAttribute("aria-label", SEAM);
    this.#tail.after(seam);
    this.#tail = document.createTextNode("");
    seam.after(this.#tail);
  }

  replace(text) {
    this.#element.replaceChildren();
    this.#tail = null;
    if (text !== "") this.append(text);
  }

  #openBlock() {
    const block = document.createElement("div");
    this.#tail = document.createTextNode("");
    block.append(this.#tail);
    this.#element.append(block);
  }
}
