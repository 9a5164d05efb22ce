import { setUpCode } from "chat/code_blocks.js";
import { safeFragment } from "chat/safe_html.js";
import { TailPreview } from "chat/tail_preview.js";
import { gettext } from "chat/words.js";

const SEAM = gettext("Continued by another server");
/** The cursor stands at the end of the last of these. */
const HOLDS_BLOCKS = new Set(["UL", "OL", "LI", "BLOCKQUOTE", "PRE", "CODE", "DIV", "TABLE", "TBODY", "TR"]);

/**
 * The text of an answer in the page: finished blocks as the server rendered them, each inserted once, and below them a
 * preview of the rest. A block takes the place of its lines when these are drawn, never before.
 */
export class AnswerText {
  #element;
  #tail;
  #preview;
  /** What is drawn; null for what the server has put into the page. */
  #text = null;
  /** Where the tail begins in it. */
  #cut = 0;
  #wanted = [];
  /** `{block, nodes, cut}` of the blocks in the page. */
  #placed = [];
  #seams = [];
  #cursor = null;
  #isOver = false;

  constructor(element) {
    this.#element = element;
  }

  get isEmpty() {
    return (this.#text ?? this.#element.textContent) === "";
  }

  /** What is shown, as it was written; null if only the server knows. */
  get whole() {
    return this.#text;
  }

  /** More text. */
  append(text) {
    if (this.#text === null) this.#begin("");
    this.#text += text;
    this.#preview.append(text);
    this.#place();
  }

  /** Other text, with the blocks that are known of it. */
  replace(text, blocks = []) {
    this.#begin(text);
    this.#wanted = blocks;
    this.#preview.append(text);
    this.#place();
  }

  /** A finished answer, as the server has rendered it, if it has. */
  show(text, html) {
    this.#begin(text);
    this.#isOver = true;
    if (html) {
      this.#cut = text.length;
      this.#tail.before(setUpCode(safeFragment(html)));
    } else {
      this.#preview.append(text.endsWith("\n") ? text : `${text}\n`);
      setUpCode(this.#tail);
    }
  }

  /** The finished blocks by now; those from number `from` on may be others than before. */
  commit(blocks, from = 0) {
    this.#wanted = blocks;
    if (this.#text === null) return;
    const changed = this.#placed.findIndex(({ block }, index) => index >= from && block !== blocks[index]);
    if (changed >= 0) this.#change(changed);
    this.#place();
  }

  /** No more text: a last line without its end is whole. Returns whether all of it is blocks now. */
  finish() {
    this.#isOver = true;
    if (this.#text !== null) this.#place();
    this.#cursor?.removeAttribute("data-cursor");
    return this.#text === null || this.#text.slice(this.#cut).trim() === "";
  }

  /** What comes next was written by another server. */
  markSeam() {
    this.#seams.push({ at: this.#text?.length ?? 0, mark: seam() });
    this.#placeSeams();
  }

  #begin(text) {
    this.#tail = document.createElement("div");
    this.#tail.className = "tail";
    this.#element.replaceChildren(this.#tail);
    this.#element.dataset.rich = "";
    this.#text = text;
    this.#cut = 0;
    this.#placed = [];
    this.#seams = [];
    this.#isOver = false;
    this.#preview = new TailPreview(this.#tail);
  }

  /** A block that is known again: in its place if it is as long, else everything from there on is drawn anew. */
  #change(index) {
    const { block, nodes, cut } = this.#placed[index];
    const wanted = this.#wanted[index];
    if (wanted !== undefined && wanted.lines === block.lines) {
      const made = this.#nodesOf(wanted, this.#text.slice(cut, this.#placed[index + 1]?.cut ?? this.#cut));
      (nodes[0] ?? this.#placed[index + 1]?.nodes[0] ?? this.#tail).before(...made);
      for (const node of nodes) node.remove();
      this.#placed[index] = { block: wanted, nodes: made, cut };
      return;
    }
    for (const old of this.#placed.splice(index)) for (const node of old.nodes) node.remove();
    this.#cut = cut;
    this.#drawTail();
  }

  /** Puts in place every block whose lines are drawn. */
  #place() {
    const count = this.#placed.length;
    while (this.#placed.length < this.#wanted.length) {
      const block = this.#wanted[this.#placed.length];
      const end = this.#endOf(block.lines);
      if (end === null) break;
      const nodes = this.#nodesOf(block, this.#text.slice(this.#cut, end));
      this.#tail.before(...nodes);
      this.#placed.push({ block, nodes, cut: this.#cut });
      this.#cut = end;
    }
    if (this.#placed.length > count) this.#drawTail();
    this.#moveCursor();
  }

  /** Where so many lines of the tail end; null if they are not all there. */
  #endOf(lines) {
    let end = this.#cut;
    for (let line = 0; line < lines; line += 1) {
      const next = this.#text.indexOf("\n", end) + 1;
      if (next === 0) return this.#isOver && line === lines - 1 && end < this.#text.length ? this.#text.length : null;
      end = next;
    }
    return end;
  }

  #nodesOf({ html }, source) {
    if (html !== null) return [...setUpCode(safeFragment(html)).children];
    const holder = document.createElement("div"); // too much to be rendered: as the preview shows it
    const preview = new TailPreview(holder);
    preview.append(source.endsWith("\n") ? source : `${source}\n`);
    return [...setUpCode(holder).children];
  }

  #drawTail() {
    this.#tail.replaceChildren();
    this.#preview = new TailPreview(this.#tail);
    this.#preview.append(this.#text.slice(this.#cut));
    this.#placeSeams();
  }

  /** At the beginning of the block in which it is: text before and after it may share a line. */
  #placeSeams() {
    for (const { at, mark } of this.#seams) {
      const block = this.#placed.findLast(({ cut }, index) => cut <= at && at < (this.#placed[index + 1]?.cut ?? this.#cut));
      const home = block?.nodes[0] ?? this.#tail.firstElementChild ?? this.#tail;
      if (mark.parentNode !== home) home.prepend(mark);
    }
  }

  #moveCursor() {
    let place = this.#tail.lastElementChild ?? this.#tail.previousElementSibling;
    while (place !== null && HOLDS_BLOCKS.has(place.tagName) && place.lastElementChild !== null) {
      place = place.lastElementChild;
    }
    if (place === this.#cursor) return;
    this.#cursor?.removeAttribute("data-cursor");
    if (!this.#isOver) place?.setAttribute("data-cursor", "");
    this.#cursor = place;
  }
}

/** The mark is empty: it is no part of the text, copied or not. */
function seam() {
  const mark = document.createElement("span");
  mark.className = "seam";
  mark.title = SEAM;
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", SEAM);
  return mark;
}
