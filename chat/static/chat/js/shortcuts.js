/**
 * Keys that work anywhere on a page, and the sheet that lists them all. Keys that are one character alone work outside of
 * text fields only, and can be turned off there (WCAG 2.1.4): some people dictate, and their words arrive as keys.
 */
const SINGLE_KEYS_OFF = "chat.singleKeysOff";
const WRITES = "input, textarea, select, [contenteditable]";

const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");

/** The name of what a key event asks for; null if nothing of ours. */
export function wish({ key, ctrlKey, metaKey, altKey, shiftKey, target, isComposing }, areSingleKeysOn) {
  if (isComposing || altKey) return null;
  const mainKey = isMac ? metaKey : ctrlKey;
  if (mainKey && !shiftKey && key.toLowerCase() === "k") return "search";
  if (mainKey && shiftKey && key.toLowerCase() === "o") return "new";
  const isAlone = !ctrlKey && !metaKey;
  if (isAlone && key === "?" && areSingleKeysOn && !target?.closest?.(WRITES)) return "sheet";
  return null;
}

/** @param more actions by their names, see `wish` */
export function setUpShortcuts(document, more = {}, storage = globalThis.localStorage) {
  const sheet = document.getElementById("shortcuts");
  const singleKeys = document.getElementById("single-keys");
  singleKeys.checked = read(storage) !== "1";
  singleKeys.addEventListener("change", () => write(storage, singleKeys.checked ? "" : "1"));
  const actions = {
    new: () => document.getElementById("new-conversation").requestSubmit(),
    sheet: () => sheet.showModal(),
    ...more,
  };
  document.addEventListener("keydown", (event) => {
    const wanted = wish(event, singleKeys.checked);
    if (wanted === null || document.querySelector("dialog[open]") !== null) return;
    event.preventDefault();
    actions[wanted]();
  });
  for (const opener of document.querySelectorAll("[data-opens-shortcuts]")) {
    opener.addEventListener("click", () => sheet.showModal());
  }
  for (const name of document.querySelectorAll("[data-main-key]")) name.textContent = isMac ? "⌘" : name.textContent;
}

function read(storage) {
  try {
    return storage.getItem(SINGLE_KEYS_OFF);
  } catch {
    return null; // no storage in this browser: they are on
  }
}

function write(storage, value) {
  try {
    storage.setItem(SINGLE_KEYS_OFF, value);
  } catch {
    // Full or forbidden: it holds for this page only.
  }
}
