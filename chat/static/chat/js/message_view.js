import { AnswerText } from "chat/answer_text.js";
import { MessageText } from "chat/message_text.js";
import { gettext, interpolate, language, said } from "chat/words.js";

const COPIED_MS = 2000;
const NO_BREAK = "\u00a0";
const roomy = globalThis.matchMedia?.("(min-width: 50.01rem)");

const NOTES = {
  sending: gettext("Sending…"),
  unsent: gettext("Not sent yet. It goes out as soon as there is a connection."),
  waiting: gettext("Waits until the running answer has ended."),
  stopped: gettext("Stopped."),
  interrupted: gettext("This answer broke off."),
  failed: gettext("This could not be answered."),
};
const CUT_SHORT = {
  length: gettext("The answer was cut at its maximum length."),
  content_filter: gettext("The model's provider cut this answer."),
};
const EMPTY = gettext("The model had nothing to say.");

const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** One message in the page: an element of the server's template, which it fills and never rebuilds. */
export class MessageView {
  #parts;
  #text = null;

  /** @param element rendered by the server, or a copy of its template */
  constructor(element) {
    const part = (name) => element.querySelector(`.${name}`);
    this.element = element;
    this.#parts = {
      avatar: part("avatar"),
      author: part("message-author"),
      time: part("message-time"),
      edited: part("message-edited"),
      note: part("message-note"),
      retry: part("message-retry"),
      wait: part("message-wait"),
      waitLine: part("wait-line"),
      waitReason: part("wait-reason"),
      cancel: part("wait-cancel"),
      versions: part("message-versions"),
      versionNumber: part("version-number"),
      facts: part("message-facts"),
      factsText: part("message-facts")?.querySelector("p"),
      buttons: new Map([...element.querySelectorAll("button[data-do]")].map((button) => [button.dataset.do, button])),
    };
    this.#parts.text = part("message-text");
  }

  /** What people write is shown as they wrote it, answers as Markdown. Known once it is known who wrote it. */
  get text() {
    const isAnswer = this.element.dataset.role === "assistant";
    this.#text ??= isAnswer ? new AnswerText(this.#parts.text) : new MessageText(this.#parts.text);
    return this.#text;
  }

  /** Calls `action` when "Try again" is pressed. */
  onRetry(action) {
    this.#parts.retry.addEventListener("click", action);
  }

  /** Calls `action` when somebody no longer wants to wait. */
  onCancel(action) {
    this.#parts.cancel.hidden = false;
    this.#parts.cancel.addEventListener("click", action);
  }

  /** Where it stands in the line. Called every second: only what differs is touched. */
  showWait(line, reason, why) {
    const { wait, waitLine, waitReason } = this.#parts;
    wait.dataset.why = why;
    this.element.toggleAttribute("data-in-line", true);
    wait.hidden = false;
    if (waitLine.textContent !== line) waitLine.textContent = line;
    if (waitReason.textContent !== reason) waitReason.textContent = reason;
  }

  hideWait() {
    this.element.removeAttribute("data-in-line");
    this.#parts.wait.hidden = true;
  }

  get state() {
    return this.element.dataset.state;
  }

  /** Who wrote it and when. `author` null is a model, or a person who is no longer known. */
  describe({ role, author, model, created_at: createdAt, edited_at: editedAt }, isOwn) {
    const name = role === "assistant" ? model : (author?.name ?? gettext("Somebody who left"));
    this.element.dataset.role = role;
    this.element.toggleAttribute("data-own", isOwn);
    this.#parts.author.textContent = name;
    if (role === "user") this.#showAvatar(name, author?.id ?? 0);
    this.showTime(createdAt);
    this.#parts.edited.hidden = !editedAt;
  }

  /** In the reader's own time zone. */
  showTime(createdAt = this.#parts.time.dateTime) {
    const at = new Date(createdAt);
    const isToday = at.toDateString() === new Date().toDateString();
    this.#parts.time.dateTime = createdAt;
    this.#parts.time.textContent = (isToday ? clock : calendar).format(at);
    this.#parts.time.title = calendar.format(at);
  }

  /** What it is doing: sending, unsent, waiting, answering, done, stopped, interrupted, failed. */
  showState(state, note = "") {
    this.element.dataset.state = state;
    const sentence = note || NOTES[state] || "";
    if (this.#parts.note.textContent !== sentence) this.#parts.note.textContent = sentence;
  }

  /** How an answer ended; `end` has status, reason, code and message. */
  showEnd(state, { reason = "", message = "" }) {
    const empty = state === "done" && this.text.isEmpty ? EMPTY : "";
    this.showState(state, said(message) || CUT_SHORT[reason] || empty);
  }

  /** @param offers by name whether it can be done: copy, edit, again, good, bad, retry, withdraw */
  offer({ retry, ...offers }) {
    this.#parts.retry.hidden = !retry;
    for (const [name, isOffered] of Object.entries(offers)) this.#parts.buttons.get(name).hidden = !isOffered;
  }

  /** @param rating of the reader: good, bad or nothing */
  showRating(rating) {
    for (const name of ["good", "bad"]) this.#parts.buttons.get(name).ariaPressed = String(name === rating);
  }

  /** That it is the version `number` of `count`; nothing if it is the only one. */
  showVersions(number, count) {
    const { versions, versionNumber, buttons } = this.#parts;
    versions.hidden = count < 2;
    if (count < 2) return;
    versions.ariaLabel = interpolate(gettext("Version %(number)s of %(count)s"), { number, count });
    versionNumber.textContent = `${number}/${count}`;
    buttons.get("before").ariaDisabled = String(number === 1);
    buttons.get("after").ariaDisabled = String(number === count);
  }

  /** After a switch by `step`: where the next press would be. */
  focusVersions(step) {
    const { buttons } = this.#parts;
    buttons.get(step < 0 ? "before" : "after").focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** A line may break between two of them, not within one. */
  showFacts(phrases) {
    const { facts, factsText } = this.#parts;
    const sentence = phrases.map((phrase) => phrase.replaceAll(" ", NO_BREAK)).join(`${NO_BREAK}· `);
    if (factsText.textContent === sentence) return;
    factsText.textContent = sentence;
    facts.hidden = sentence === "";
    facts.open = roomy?.matches ?? true;
  }

  /** For a moment the button says that it was done. */
  showCopied(button, isCopied) {
    if (!isCopied) return;
    const use = button.querySelector("use");
    const icon = use.getAttribute("href");
    if (icon.endsWith("#done")) return;
    use.setAttribute("href", icon.replace(/#.*/, "#done"));
    setTimeout(() => use.setAttribute("href", icon), COPIED_MS);
  }

  #showAvatar(name, authorId) {
    this.#parts.avatar.textContent = [...name][0]?.toUpperCase() ?? "";
    this.#parts.avatar.className = `avatar tone-${authorId % 8}`;
  }
}
