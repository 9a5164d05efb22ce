import { isLive } from "streaming/protocol.js";

/** What a message is doing; the page's first rendering (page_data.py) uses the same words. */
export function messageState({ state, generation, ended }) {
  if (generation === null) return state === "pending" ? "waiting" : ended || "done";
  if (isLive(generation.status)) return "answering";
  return { completed: "done", stopped: "stopped", interrupted: "interrupted" }[generation.status] ?? "failed";
}

/** Answers stand below their questions, also if other questions came in between. */
export function inReadingOrder(a, b) {
  return turn(a) - turn(b) || a.id - b.id;
}

/** The question that it is or answers. */
function turn({ id, role, parent }) {
  return role === "assistant" ? (parent ?? id) : id;
}

const NOTHING_TOLD = Object.freeze({ system_prompt: "", summary: null });

/**
 * One conversation as this page knows it: a fold over `conversation.changed`, message by message. `revision` is the
 * newest one up to which nothing is missing.
 */
export class ConversationState {
  #messages = new Map();

  constructor({ conversation, revision, title, reply_policy, participants, messages, older, told = NOTHING_TOLD }) {
    Object.assign(this, { id: conversation, revision, title, reply_policy, participants, older, told });
    for (const message of messages) this.#messages.set(message.id, message);
  }

  /** Of a conversation of which nothing but its id is known: the first answer of its feed brings all. */
  static unknown(conversation) {
    return new ConversationState({ conversation, revision: null, title: "", participants: [], messages: [], older: false });
  }

  /** In reading order. */
  get messages() {
    return [...this.#messages.values()].sort(inReadingOrder);
  }

  message(id) {
    return this.#messages.get(id);
  }

  /** The answer that is being written or waited for; at most one is at a time. */
  get running() {
    for (const message of this.#messages.values()) {
      if (message.generation !== null && isLive(message.generation.status)) return message;
    }
    return null;
  }

  /** What to ask for to get the messages before those that are known. */
  get beforeFirst() {
    const [first] = this.messages;
    return Math.max(first.id, (first.parent ?? 0) + 1); // a question that had to wait is older than what it follows
  }

  /**
   * Applies a change. `isAnswer`: it holds everything since our revision, because we asked for that.
   * Returns what is new: `{hole, messages, removed}`; `hole` says that something between is missing.
   */
  fold(frame, { isAnswer = false } = {}) {
    const known = this.#messages;
    // What is late tells of a state that was replaced since: messages may have gone from it.
    if (!isAnswer && !frame.complete && frame.revision <= this.revision) return { hole: false, messages: [], removed: [] };
    if (frame.complete) this.#messages = new Map();
    const hole = !frame.complete && !isAnswer && frame.revision > this.revision + 1;
    const messages = frame.messages.filter((message) => this.#accept(message, known));
    const removed = frame.complete ? [...known.keys()].filter((id) => !this.#messages.has(id)) : frame.removed;
    for (const id of removed) this.#messages.delete(id);
    if (frame.complete) this.older = frame.older ?? false;
    if (frame.revision >= this.revision) Object.assign(this, newest(frame));
    if (frame.told !== undefined && frame.revision >= this.revision) this.told = frame.told;
    if (!hole) this.revision = frame.complete ? frame.revision : Math.max(this.revision, frame.revision);
    return { hole, messages, removed };
  }

  /** Older messages that were loaded on demand. */
  addOlder(messages, older) {
    const added = messages.filter((message) => !this.#messages.has(message.id));
    for (const message of added) this.#messages.set(message.id, message);
    this.older = older;
    return added;
  }

  #accept(message, known) {
    const before = known.get(message.id);
    const isNew = before === undefined || before.revision <= message.revision;
    this.#messages.set(message.id, isNew ? message : before);
    return isNew;
  }
}

function newest({ title, reply_policy, participants }) {
  return { title, reply_policy, participants };
}
