const KEY = "chat.model";

/** The model chosen last is chosen again next time, if it can still be had. */
export function rememberModel(select, storage) {
  try {
    const wanted = storage.getItem(KEY);
    const option = [...select.options].find(({ value, disabled }) => value === wanted && !disabled);
    if (option !== undefined) select.value = wanted;
    select.addEventListener("change", () => storage.setItem(KEY, select.value));
  } catch {
    // No storage in this browser: the server's choice stands.
  }
}
