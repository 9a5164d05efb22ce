import { appendInline } from "chat/inline_preview.js";

/** A line that goes on beyond this is not formatted any more: a frame must cost the same wherever it comes. */
const LINE_MAX = 2000;
/** Text that is laid out as one; a longer block is laid out in several. */
const PIECE_MAX = 4000;
const DEPTH_MAX = 8;

const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+|$)(.*)$/;
const FENCE = /^( {0,3})(`{3,}|~{3,})[ \t]*([^`]*)$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const ITEM = /^([ \t]*)([-+*]|\d{1,9}[.)])(?:[ \t]+(.*))?$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
/** What may yet become a line of the kinds above: it is not shown before it is one. */
const UNDECIDED = /^[ \t]*(?:[-=:|*_~`#+>\t ]*|\d{1,9}[.)]?)$/;

const create = (tag) => document.createElement(tag);

/**
 * The open end of an answer, line by line, as the server's blocks will show it: headings, lists, quotes, code, tables,
 * inline marks. A finished line is drawn once and never touched again; only the last, unfinished one is drawn anew.
 */
export class TailPreview {
  #root;
  #depth;
  #unfinished = "";
  /** What the unfinished line added, to be taken back. */
  #added = [];
  /** Where the next line goes: `leaf` takes text, `kind` says which; `lists` from outside to inside. */
  #place = { leaf: null, kind: "", lists: [], fence: null, table: null, quote: null, size: 0 };
  #isBlank = true;
  /** A very long line goes on as bare text. */
  #flood = null;

  /** @param root where the nodes go: an element, at its end */
  constructor(root, depth = 0) {
    this.#root = root;
    this.#depth = depth;
  }

  append(text) {
    const lines = text.split("\n");
    for (const [number, part] of lines.entries()) {
      const isLast = number === lines.length - 1;
      if (this.#flood !== null) this.#flood.append(part);
      else this.#unfinished += part;
      if (!isLast) this.#finishLine();
    }
    this.#drawUnfinished();
  }

  #finishLine() {
    this.#takeBack();
    if (this.#flood === null && this.#unfinished.length > LINE_MAX) this.#startFlood();
    if (this.#flood === null) this.line(this.#unfinished);
    else if (this.#place.fence !== null) this.#endLongCode();
    this.#added = []; // for good
    this.#unfinished = "";
    this.#flood = null;
  }

  #drawUnfinished() {
    if (this.#flood !== null || this.#unfinished === "") return;
    this.#takeBack();
    if (this.#unfinished.length > LINE_MAX) {
      this.#startFlood();
    } else if (this.#place.fence !== null || !UNDECIDED.test(this.#unfinished)) {
      this.#drawOpen(this.#unfinished);
    }
  }

  /** The beginning of a long line says what it is; the rest comes however it comes, at once or word by word. */
  #startFlood() {
    const end = /[\ud800-\udbff]/.test(this.#unfinished[LINE_MAX - 1]) ? LINE_MAX - 1 : LINE_MAX;
    this.line(this.#unfinished.slice(0, end), this.#place.fence !== null);
    this.#added = []; // for good
    this.#flood = this.#place.fence?.code.lastElementChild ?? this.#place.leaf ?? this.#root;
    this.#flood.append(this.#unfinished.slice(end));
  }

  #endLongCode() {
    this.#flood.append("\n");
    this.#place.fence.size = PIECE_MAX + 1; // what follows is laid out on its own
  }

  /** Draws a line so that it can be taken back. */
  #drawOpen(line) {
    const before = { ...this.#place, lists: this.#place.lists.map((list) => ({ ...list })) };
    const isBlank = this.#isBlank;
    this.#added = [];
    this.line(line, true);
    this.#added.push(() => {
      this.#place = before;
      this.#isBlank = isBlank;
    });
  }

  #takeBack() {
    for (const undo of this.#added.reverse()) undo();
    this.#added = [];
  }

  #put(parent, node) {
    parent.append(node);
    this.#added.push(() => node.remove());
    return node;
  }

  /** One whole line. */
  line(line, isOpen = false) {
    if (!isOpen) this.#added = [];
    if (this.#place.fence !== null) this.#codeLine(line, isOpen);
    else if (line.trim() === "") this.#blankLine();
    else if (!this.#continues(line, isOpen)) this.#blockLine(line, isOpen);
  }

  #blankLine() {
    this.#isBlank = true;
    Object.assign(this.#place, { leaf: null, kind: "", table: null });
    this.#place.quote?.line("");
  }

  /** Lines that go on with, or change, what the line before began. */
  #continues(line, isOpen) {
    const place = this.#place;
    if (place.table !== null && line.includes("|")) return this.#row(place.table, line, "td", isOpen);
    if (isOpen || place.kind !== "p") return false;
    if (place.header?.includes("|") && DELIMITERS.test(line)) return this.#table(line);
    const underline = UNDERLINE.exec(line);
    if (underline === null || place.lists.length > 0) return false;
    const heading = this.#headingOf(underline[1].startsWith("=") ? 1 : 2);
    heading.append(...place.leaf.childNodes);
    place.leaf.replaceWith(heading);
    this.#close();
    return true;
  }

  #blockLine(line, isOpen) {
    const indent = widthOf(line);
    const item = ITEM.exec(line);
    const isRule = RULE.test(line);
    if (item !== null && !isRule && (indent < 4 || this.#place.lists.length > 0)) return this.#item(item, indent, isOpen);
    const inner = line.trimStart();
    const quote = this.#depth < DEPTH_MAX ? QUOTE.exec(inner) : null;
    const [heading, fence] = [HEADING.exec(inner), FENCE.exec(inner)];
    const parent = this.#parentAt(indent, Boolean(quote ?? heading ?? fence) || isRule);
    if (quote !== null) return this.#quote(parent, quote[1], isOpen);
    this.#place.quote = null;
    if (heading !== null) return this.#heading(parent, heading, isOpen);
    if (fence !== null) return this.#fence(parent, fence, indent);
    if (isRule) return this.#single(parent, create("hr"));
    if (indent >= 4 && this.#isBlank && this.#place.lists.length === 0) return this.#indented(parent, line, isOpen);
    return this.#paragraph(parent, inner, isOpen);
  }

  /** The innermost list item that a line of this indentation belongs to, or the root. */
  #parentAt(indent, isStart) {
    const { lists } = this.#place;
    if (this.#isBlank || isStart) while (lists.length > 0 && indent < lists.at(-1).content) lists.pop();
    return lists.at(-1)?.item ?? this.#root;
  }

  #single(parent, element) {
    this.#put(parent, element);
    this.#close();
  }

  #close() {
    Object.assign(this.#place, { leaf: null, kind: "", table: null, header: undefined });
    this.#isBlank = false;
  }

  #heading(parent, [, marks, text], isOpen) {
    const heading = this.#headingOf(marks.length);
    appendInline(heading, text.replace(/[ \t]+#+[ \t]*$/, ""), isOpen);
    this.#single(parent, heading);
  }

  /** As streaming/markdown_html.py does it: below the headings of the page, and no level is skipped. */
  #headingOf(level) {
    const answer = this.#root.closest(".message-text") ?? this.#root;
    let outline = [];
    for (const { dataset } of answer.querySelectorAll("[data-level]")) outline = under(outline, Number(dataset.level));
    const heading = create(`h${Math.min(under(outline, level).length + 2, 6)}`);
    heading.dataset.level = level;
    return heading;
  }

  #paragraph(parent, text, isOpen) {
    const place = this.#place;
    const goesOn = place.kind === "p" && !this.#isBlank && place.size < PIECE_MAX;
    if (goesOn) this.#put(place.leaf, create("br"));
    else Object.assign(place, { leaf: this.#paragraphIn(parent, place), kind: "p", size: 0, header: text });
    if (goesOn) place.header = undefined;
    this.#inline(place.leaf, text.trimEnd(), isOpen);
    place.size += text.length;
    this.#isBlank = false;
  }

  #paragraphIn(parent, { kind, lists }) {
    const isFirstOfItem = lists.length > 0 && parent.childNodes.length === 0;
    const paragraph = create(isFirstOfItem ? "span" : "p");
    if (kind === "p" && !this.#isBlank) paragraph.className = "goes-on";
    return this.#put(parent, paragraph);
  }

  #inline(leaf, text, isOpen) {
    const count = leaf.childNodes.length;
    if (isOpen) this.#added.push(() => [...leaf.childNodes].slice(count).forEach((node) => node.remove()));
    appendInline(leaf, text, isOpen);
  }

  #item([, , marker, text = ""], indent, isOpen) {
    const { lists } = this.#place;
    while (lists.length > 1 && indent < lists.at(-1).indent) lists.pop();
    const isNumber = /\d/.test(marker);
    const top = lists.at(-1);
    const isNested = top !== undefined && indent >= top.content && lists.length < DEPTH_MAX;
    const isSame = top !== undefined && !isNested && top.kind === marker.at(-1);
    if (!isSame && !isNested) lists.pop();
    if (!isSame) this.#list(isNumber, Number.parseInt(marker, 10), marker.at(-1));
    const list = lists.at(-1);
    Object.assign(list, { indent, content: indent + marker.length + 1, item: this.#put(list.element, create("li")) });
    Object.assign(this.#place, { leaf: null, kind: "", table: null, quote: null });
    this.#isBlank = false;
    if (text.trim() !== "") this.#blockLine(`${" ".repeat(list.content)}${text}`, isOpen);
  }

  #list(isNumber, start, kind) {
    const { lists } = this.#place;
    const element = create(isNumber ? "ol" : "ul");
    if (isNumber && start !== 1) element.start = start;
    this.#put(lists.at(-1)?.item ?? this.#root, element);
    lists.push({ element, kind, indent: 0, content: 0, item: null });
  }

  #quote(parent, text, isOpen) {
    const place = this.#place;
    if (place.quote === null) {
      const element = this.#put(parent, create("blockquote"));
      place.quote = new TailPreview(element, this.#depth + 1);
    }
    const { quote } = place;
    if (isOpen) {
      quote.#drawOpen(text);
      this.#added.push(() => quote.#takeBack());
    } else {
      quote.line(text);
    }
    Object.assign(place, { leaf: null, kind: "quote" });
    this.#isBlank = false;
  }

  #fence(parent, [, , marks, info], indent) {
    const pre = create("pre");
    const language = info.trim().split(/\s/)[0].toLowerCase();
    if (/^[a-z0-9+-]{1,20}$/.test(language)) pre.dataset.language = language;
    const code = create("code");
    pre.append(code);
    this.#put(parent, pre);
    this.#close();
    this.#place.fence = { code, marks, indent, size: 0 };
  }

  #codeLine(line, isOpen) {
    const { code, marks, indent } = this.#place.fence;
    const text = line.slice(0, indent).trimStart() + line.slice(indent);
    const closing = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(text);
    if (closing?.[1].startsWith(marks)) {
      this.#place.fence = null;
      this.#isBlank = false;
      return;
    }
    if (isOpen && marks.startsWith(text.trim())) return; // perhaps the closing line
    this.#code(this.#place.fence, isOpen ? text : `${text}\n`, isOpen);
  }

  /** Code in pieces that are laid out one by one. */
  #code(fence, text, isOpen) {
    const last = fence.code.lastElementChild;
    const isFull = last === null || fence.size > PIECE_MAX;
    const piece = isFull ? this.#put(fence.code, create("span")) : last;
    piece.className = "piece";
    this.#put(piece, document.createTextNode(text));
    if (!isOpen) fence.size = (isFull ? 0 : fence.size) + text.length;
  }

  #indented(parent, line, isOpen) {
    const code = create("code");
    const pre = create("pre");
    pre.append(code);
    this.#put(parent, pre);
    this.#close();
    this.#code({ code, size: 0 }, isOpen ? line.slice(4) : `${line.slice(4)}\n`, isOpen);
  }

  #table(line) {
    const place = this.#place;
    const box = create("div");
    box.className = "table";
    const table = create("table");
    const sides = cellsOf(line).map((cell) => sideOf(cell));
    box.append(table);
    const { header } = place;
    place.leaf.replaceWith(box);
    this.#close();
    place.table = { element: table, sides };
    return this.#row(place.table, header, "th", false);
  }

  #row({ element, sides }, line, tag, isOpen) {
    const cells = cellsOf(line);
    const row = create("tr");
    for (const [column, side] of sides.entries()) {
      const cell = create(tag);
      if (side !== "") cell.className = `align-${side}`;
      appendInline(cell, cells[column] ?? "", isOpen);
      row.append(cell);
    }
    this.#put(element, row);
    return true;
  }
}

/** The headings above one of this level, and itself. */
function under(outline, level) {
  return [...outline.filter((outer) => outer < level), level];
}

function widthOf(line) {
  return line.slice(0, line.length - line.trimStart().length).replaceAll("\t", "    ").length;
}

function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function sideOf(cell) {
  if (cell.endsWith(":")) return cell.startsWith(":") ? "center" : "right";
  return cell.startsWith(":") ? "left" : "";
}
