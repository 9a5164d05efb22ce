/**
 * One line of Markdown that is still being written, as DOM nodes made of text alone: nothing is parsed as HTML, and a
 * link leads nowhere before the server has checked it.
 */
const TOKEN = /\\([!-/:-@[-`{-~])|(`+)|(\*\*|__|~~|\*|_)|!?\[([^[\]]*)\]\(\s*<?([^()\s<>]*)>?[^()]*(\)|$)|(https?:\/\/[^\s<>]+)/g;
const ELEMENTS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "s" };
const WORD = /[\p{L}\p{N}_]/u;

/** Appends the nodes of `text` to `parent`. `isOpen`: more of this line may come, so what is unclosed counts as open. */
export function appendInline(parent, text, isOpen) {
  const open = [{ node: parent, mark: "" }];
  let at = 0;
  const add = (end) => end > at && open.at(-1).node.append(text.slice(at, end));
  for (const match of text.matchAll(TOKEN)) {
    if (match.index < at) continue; // within code
    const [all, escaped, ticks, mark, label, address, closing, bare] = match;
    const next = match.index + all.length;
    if (closing === "" && !isOpen) continue; // half a link, and nothing more comes
    if (mark !== undefined && !flanks(text, match.index, next, mark, open)) continue;
    const code = ticks && closingTicks(text, next, ticks, isOpen);
    if (ticks && code === null) continue;
    add(match.index);
    at = next;
    const { node } = open.at(-1);
    if (escaped !== undefined) node.append(escaped);
    else if (ticks) at = appendCode(node, text.slice(next, code.from), code.end);
    else if (mark !== undefined) turn(open, mark);
    else appendLink(node, bare ?? label, bare ?? address);
  }
  add(text.length);
  if (!isOpen) while (open.length > 1) undo(open.pop());
}

/** Whether a mark here opens or closes something; between blanks it is a star. */
function flanks(text, from, to, mark, open) {
  const [before, after] = [text[from - 1] ?? " ", text[to] ?? " "];
  const isOpen = open.some((one) => one.mark === mark);
  if (isOpen) return before !== " ";
  if (mark.startsWith("_") && WORD.test(before)) return false;
  return to === text.length ? false : after !== " ";
}

/** Closes what `mark` opened (what was opened within it was nothing), or opens it. */
function turn(open, mark) {
  if (open.some((one) => one.mark === mark)) {
    while (open.at(-1).mark !== mark) undo(open.pop());
    open.pop();
    return;
  }
  const node = document.createElement(ELEMENTS[mark]);
  open.at(-1).node.append(node);
  open.push({ node, mark });
}

/** It was no mark: its characters come back. */
function undo({ node, mark }) {
  node.replaceWith(mark, ...node.childNodes);
}

function closingTicks(text, from, ticks, isOpen) {
  for (let at = text.indexOf(ticks, from); at >= 0; at = text.indexOf(ticks, at)) {
    let end = at;
    while (text[end] === "`") end += 1;
    if (end - at === ticks.length) return { from: at, end };
    at = end;
  }
  return isOpen ? { from: text.length, end: text.length } : null;
}

function appendCode(node, content, end) {
  const code = document.createElement("code");
  code.textContent = /^ .* $/.test(content) && content.trim() !== "" ? content.slice(1, -1) : content;
  node.append(code);
  return end;
}

function appendLink(node, label, address) {
  const link = document.createElement("span");
  link.className = "link-preview";
  link.append(label || address);
  const host = hostOf(address);
  if (host !== "" && label !== "" && ![address, host].includes(label)) {
    const shown = document.createElement("span");
    shown.className = "link-host";
    shown.textContent = host;
    link.append(" ", shown);
  }
  node.append(link);
}

function hostOf(address) {
  try {
    return new URL(address).hostname;
  } catch {
    return "";
  }
}
