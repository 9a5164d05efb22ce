/**
 * What was written here and not yet accepted by the server: drafts and messages on their way, per conversation. Both
 * survive a reload of this tab, and a message keeps the id that makes sending it twice the same as sending it once.
 */
export class Outbox {
  #storage;
  #draftKey;
  #unsentKey;

  /** @param user whose it is: somebody else may log in within the same tab */
  constructor(user, conversation, storage) {
    this.#storage = storage;
    this.#draftKey = `chat.draft.${user}.${conversation}`;
    this.#unsentKey = `chat.unsent.${user}.${conversation}`;
  }

  get draft() {
    return this.#read(this.#draftKey) ?? "";
  }

  set draft(text) {
    this.#write(this.#draftKey, text === "" ? null : text);
  }

  /** `{client_message_id, text, model, at}`, oldest first. */
  get unsent() {
    const list = this.#read(this.#unsentKey);
    return Array.isArray(list) ? list : [];
  }

  add(entry) {
    this.#write(this.#unsentKey, [...this.unsent, entry]);
  }

  remove(clientMessageId) {
    const rest = this.unsent.filter((entry) => entry.client_message_id !== clientMessageId);
    this.#write(this.#unsentKey, rest.length === 0 ? null : rest);
  }

  #read(key) {
    try {
      return JSON.parse(this.#storage.getItem(key));
    } catch {
      return null; // no storage in this browser, or somebody else's content
    }
  }

  #write(key, value) {
    try {
      if (value === null) this.#storage.removeItem(key);
      else this.#storage.setItem(key, JSON.stringify(value));
    } catch {
      // Full or forbidden: the page works, only a reload forgets.
    }
  }
}
