/** Puts text on the clipboard; false if this browser does not let us. */
export async function copyText(text, { navigator, document } = globalThis) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text, document); // a page without TLS has no clipboard of its own
  }
}

function copyBySelection(text, document) {
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return isCopied;
}
