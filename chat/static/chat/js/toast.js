/** A sentence with one thing to do about it, for a while; it waits for whoever points at it or has the focus there. */
export function showToast(region, { text, action, onAction, ms }) {
  const toast = document.createElement("div");
  const line = document.createElement("p");
  const button = document.createElement("button");
  toast.className = "toast";
  line.role = "status";
  button.type = "button";
  button.className = "button button-small";
  button.textContent = action;
  toast.append(line, button);
  region.append(toast);
  line.textContent = text; // afterwards: only what changes is announced
  const end = hideLater(toast, ms);
  button.addEventListener("click", () => {
    end();
    onAction();
  });
}

/** Removes an element after `ms`, but not from under somebody's hands; returns what removes it now. */
export function hideLater(element, ms) {
  const isInUse = () => element.matches(":hover, :focus-within");
  let timer = setTimeout(hide, ms);
  function hide() {
    if (isInUse()) timer = setTimeout(hide, ms / 4);
    else element.remove();
  }
  return () => {
    clearTimeout(timer);
    element.remove();
  };
}
