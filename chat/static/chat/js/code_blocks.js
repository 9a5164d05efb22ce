import { copyText } from "chat/clipboard.js";
import { gettext, interpolate } from "chat/words.js";

const COPIED_MS = 2000;

/** Gives each piece of code under `root` a name, a place in the tab order and a button that copies it. Returns `root`. */
export function setUpCode(root) {
  for (const pre of root.querySelectorAll("pre")) if (!pre.parentNode?.classList?.contains("code")) setUpOne(pre);
  for (const box of root.querySelectorAll(".table")) name(box, gettext("Table"));
  return root;
}

function setUpOne(pre) {
  const { language } = pre.dataset;
  name(pre, language ? interpolate(gettext("Code: %(language)s"), { language }) : gettext("Code"));
  const box = document.createElement("div");
  const button = document.createElement("button");
  box.className = "code";
  button.className = "copy-code";
  button.type = "button";
  button.textContent = gettext("Copy code");
  pre.replaceWith(box);
  box.append(pre, button);
}

/** What scrolls by itself must be reachable by keyboard. */
function name(element, label) {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
}

/** One listener for all the code in `list`. */
export function setUpCopying(list, announcer) {
  list.addEventListener("click", async ({ target }) => {
    const button = target.closest?.(".copy-code");
    if (!button) return;
    const isCopied = await copyText(button.parentElement.querySelector("code").textContent);
    announcer.say(isCopied ? gettext("Copied") : gettext("Your browser does not let this page copy."));
    if (!isCopied) return;
    button.textContent = gettext("Copied");
    setTimeout(() => (button.textContent = gettext("Copy code")), COPIED_MS);
  });
}
