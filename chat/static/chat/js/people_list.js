import { sendForm, showAlert } from "chat/forms.js";
import { gettext, interpolate, ngettext } from "chat/words.js";

const ROLES = { owner: gettext("owner"), member: gettext("member"), viewer: gettext("viewer") };
const TONES = 8;

/** Who takes part and who is here, in the dialog and on the button that opens it; and the dialog's forms. */
export class PeopleDialog {
  #dialog = document.getElementById("people");
  #list = document.getElementById("people-list");
  #template = document.getElementById("person-template");
  #alert = document.getElementById("people-alert");
  #told = document.getElementById("people-told");
  #me;
  #participants = [];
  #here = new Set();

  /** @param me the reader's id */
  constructor(me) {
    this.#me = me;
    const opener = document.getElementById("people-open");
    opener.addEventListener("click", () => this.#showSharing());
    if (!("commandForElement" in opener)) opener.addEventListener("click", () => this.#dialog.showModal());
    this.#dialog.addEventListener("submit", (event) => this.#submitted(event));
    this.#dialog.addEventListener("change", (event) => {
      if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
    });
    for (const button of this.#dialog.querySelectorAll("[data-copies]")) this.#setUpCopying(button);
    if (location.hash === "#people") this.#dialog.showModal();
  }

  showPeople(participants) {
    if (JSON.stringify(participants) === JSON.stringify(this.#participants)) return;
    this.#participants = participants;
    document.getElementById("people-count").textContent = String(participants.length);
    this.#list.replaceChildren(...participants.map((person) => this.#item(person)));
    this.#showHere();
    this.#showSharing();
  }

  /** @param ids of the people who look at this conversation now */
  showPresence(ids) {
    this.#here = new Set(ids);
    this.#showHere();
  }

  showPolicy(policy) {
    const select = document.getElementById("reply-policy");
    if (select !== null && select !== document.activeElement) select.value = policy;
  }

  showTitle(title) {
    const field = document.getElementById("own-title");
    if (field !== null && field !== document.activeElement) field.value = title;
  }

  /** What is true alone or among others only, as `people.html` says it: something may have happened since. */
  #showSharing() {
    const isShared = this.#participants.length > 1;
    const isPrivate = !isShared && document.querySelector("#messages > .message") !== null;
    const now = { shared: isShared, private: isPrivate, open: !isPrivate };
    for (const part of this.#dialog.querySelectorAll("[data-while]")) part.hidden = !now[part.dataset.while];
  }

  #showHere() {
    for (const item of this.#list.children) {
      item.querySelector(".people-here").hidden = !this.#here.has(Number(item.dataset.person));
    }
    const others = this.#participants.filter(({ id }) => id !== this.#me && this.#here.has(id)).length;
    const mark = document.getElementById("people-here");
    mark.hidden = others === 0;
    mark.textContent = interpolate(ngettext("%(count)s here", "%(count)s here", others), { count: others });
  }

  #item({ id, name, role }) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    const shown = id === this.#me ? interpolate(gettext("%(name)s (you)"), { name }) : name;
    item.dataset.person = id;
    item.querySelector(".avatar").classList.add(`tone-${id % TONES}`);
    item.querySelector(".avatar").textContent = [...name][0]?.toUpperCase() ?? "";
    item.querySelector(".people-name").textContent = shown;
    for (const form of item.querySelectorAll("form")) {
      // The attribute: a template's document has no address to which the property could be relative.
      form.setAttribute("action", form.getAttribute("action").replace("/people/0/", `/people/${id}/`));
    }
    const [select, label, remove] = ["select", ".people-role", '[data-part="remove"]'].map((part) =>
      item.querySelector(part),
    );
    if (label !== null) label.textContent = ROLES[role] ?? role;
    if (select !== null) {
      select.value = role;
      select.ariaLabel = interpolate(gettext("Role of %(name)s"), { name });
    }
    if (id === this.#me) remove?.remove();
    const opener = remove?.querySelector("summary, button");
    opener?.setAttribute("aria-label", interpolate(gettext("Remove %(name)s"), { name }));
    return item;
  }

  async #submitted(event) {
    const form = event.target;
    if (form.method === "dialog") return;
    event.preventDefault();
    showAlert(this.#alert, "");
    showAlert(this.#told, "");
    try {
      const { go, said = "", invite_url: link } = await sendForm(form);
      showAlert(this.#told, said);
      if (link) document.getElementById("invite-url")?.setAttribute("value", link);
      this.#goOn(form, new URL(go, location.href));
    } catch (error) {
      showAlert(this.#alert, error.message);
      this.#undo(form);
    }
  }

  /** Most changes come back as an event; some show on another page, or only on a fresh one. */
  #goOn(form, go) {
    const isHere = go.pathname === location.pathname;
    if (isHere && !("reloads" in form.dataset)) return form.querySelector("[name=username]") && form.reset();
    const isSamePage = isHere && go.search === location.search;
    location.assign(go);
    if (isSamePage) location.reload(); // an address that differs in its # alone loads nothing
  }

  #undo(form) {
    const role = this.#participants.find(({ id }) => form.action.includes(`/people/${id}/`))?.role;
    if (form.dataset.action === "role" && role !== undefined) form.elements.role.value = role;
  }

  #setUpCopying(button) {
    const field = document.getElementById(button.dataset.copies);
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      field.select();
      await navigator.clipboard.writeText(field.value).then(
        () => (button.textContent = gettext("Copied")),
        () => {}, // not allowed: it is selected
      );
    });
  }
}
