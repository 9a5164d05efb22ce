import { post, sendForm, showAlert } from "chat/forms.js";
import { showToast } from "chat/toast.js";
import { gettext, interpolate } from "chat/words.js";

const UNDO_MS = 10000;
const GAP_PX = 4;

/** What can be done with a conversation of the list without opening it. */
export class EntryMenu {
  #view;
  #feed;
  #menu = document.getElementById("entry-menu");
  #dialog = document.getElementById("rename");
  #form = document.getElementById("rename-form");
  #conversation = "";

  constructor(list, view, feed) {
    this.#view = view;
    this.#feed = feed;
    list.addEventListener("click", (event) => {
      const button = event.target.closest(".entry-more");
      if (button !== null) this.#open(button);
    });
    document.getElementById("entry-rename").addEventListener("click", () => this.#rename());
    document.getElementById("entry-delete").addEventListener("click", () => this.#delete());
    this.#form.addEventListener("submit", (event) => this.#sendName(event));
    this.#menu.addEventListener("keydown", (event) => this.#keyPressed(event));
  }

  get #entry() {
    return this.#feed.list.get(this.#conversation);
  }

  #open(button) {
    this.#conversation = button.closest("[data-conversation]").dataset.conversation;
    const role = this.#entry?.role ?? "owner"; // the list has not come yet: the server decides
    document.getElementById("entry-rename").hidden = role === "viewer";
    document.getElementById("entry-delete").hidden = role !== "owner";
    if (role === "viewer") return this.#leave();
    this.#menu.showPopover({ source: button });
    place(this.#menu, button);
    this.#menu.querySelector("button:not([hidden])").focus();
  }

  /** A reader can only go; that is done in the conversation itself, where it is explained. */
  #leave() {
    location.assign(`${this.#view.address(this.#conversation)}#people`);
  }

  #rename() {
    this.#menu.hidePopover();
    this.#form.action = `${this.#view.address(this.#conversation)}rename/`;
    this.#form.elements.title.value = this.#title();
    showAlert(this.#form.querySelector("[role=alert]"), "");
    this.#dialog.showModal();
    this.#form.elements.title.select();
  }

  async #sendName(event) {
    event.preventDefault();
    try {
      await sendForm(this.#form);
      this.#dialog.close();
    } catch (error) {
      showAlert(this.#form.querySelector("[role=alert]"), error.message);
    }
  }

  async #delete() {
    this.#menu.hidePopover();
    const conversation = this.#conversation;
    try {
      const deleted = await post(`${this.#view.address(conversation)}delete/`);
      if (conversation === this.#view.current) location.assign(deleted.go); // where it can be taken back
      else this.#offerUndo(deleted);
    } catch (error) {
      this.#say(error.message);
    }
  }

  #offerUndo({ title, restore }) {
    showToast(document.getElementById("toasts"), {
      text: interpolate(gettext("“%(title)s” was deleted."), { title }),
      action: gettext("Undo"),
      onAction: () => post(restore).catch((error) => this.#say(error.message)),
      ms: UNDO_MS,
    });
  }

  #say(text) {
    showToast(document.getElementById("toasts"), { text, action: gettext("Close"), onAction: () => {}, ms: UNDO_MS });
  }

  #title() {
    return this.#view.item(this.#conversation)?.querySelector(".entry-title").textContent ?? "";
  }

  #keyPressed(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const buttons = [...this.#menu.querySelectorAll("button:not([hidden])")];
    const step = event.key === "ArrowDown" ? 1 : buttons.length - 1;
    buttons[(buttons.indexOf(document.activeElement) + step) % buttons.length].focus();
  }
}

/** Below the button, or above it where there is no room. */
function place(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetHeight: height, offsetWidth: width } = menu;
  const below = at.bottom + GAP_PX;
  const top = below + height > innerHeight ? at.top - height - GAP_PX : below;
  const isRightToLeft = getComputedStyle(button).direction === "rtl";
  const left = isRightToLeft ? at.left : at.right - width;
  menu.style.top = `${Math.max(GAP_PX, top)}px`;
  menu.style.left = `${Math.min(Math.max(GAP_PX, left), innerWidth - width - GAP_PX)}px`;
}
