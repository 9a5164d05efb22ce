import { gettext } from "chat/words.js";

const ON = "on";

/**
 * Notices outside of the page, for whoever wants them: the browser is asked for the permission only when somebody
 * ticks the box. They name the conversation and quote nothing: they show on locked screens too.
 */
export class DesktopNotices {
  #parts;
  #storage;
  #key;
  #Notice;

  /**
   * @param parts `choice` (hidden where there are none), `box`, `refusal`
   * @param user of whom this browser keeps the choice
   */
  constructor(parts, user, storage, Notice = globalThis.isSecureContext ? globalThis.Notification : undefined) {
    this.#parts = parts;
    this.#storage = storage;
    this.#key = `chat.notices.${user}`;
    this.#Notice = Notice;
    if (Notice === undefined) return;
    parts.choice.hidden = false;
    parts.box.checked = this.#read() === ON && Notice.permission === "granted";
    parts.box.addEventListener("change", () => this.#chosen());
  }

  /** @param address where the answer is read */
  finished({ conversation, title }, address) {
    if (!this.#parts.box.checked || this.#Notice.permission !== "granted") return;
    // One per conversation, also if several tabs notice the same.
    const notice = this.#make(title, { body: gettext("Answer finished"), tag: conversation });
    if (notice === null) return;
    notice.onclick = () => {
      notice.close();
      globalThis.focus();
      if (new URL(address, location.href).pathname !== location.pathname) location.assign(address);
    };
  }

  async #chosen() {
    const { box, refusal } = this.#parts;
    refusal.hidden = true;
    if (!box.checked) return this.#keep("");
    const permission = await this.#Notice.requestPermission();
    // The first one shows what was chosen, and whether this browser can: on Android, Chrome refuses pages to make any.
    const options = { body: gettext("From now on you are told so when an answer has finished."), tag: "chat.notices" };
    const isPossible = permission === "granted" && this.#make(gettext("Notifications are on"), options) !== null;
    box.checked = isPossible;
    refusal.hidden = isPossible;
    this.#keep(isPossible ? ON : "");
  }

  #make(title, options) {
    try {
      return new this.#Notice(title, options);
    } catch {
      return null;
    }
  }

  #read() {
    try {
      return this.#storage.getItem(this.#key);
    } catch {
      return null; // no storage in this browser
    }
  }

  #keep(choice) {
    try {
      this.#storage.setItem(this.#key, choice);
    } catch {
      // Full or forbidden: it holds for this page only.
    }
  }
}
