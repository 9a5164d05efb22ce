import { gettext, interpolate, language } from "chat/words.js";

/** How long to wait before a message that was not answered is sent again, under the same id. */
const AGAIN_MS = 3000;
/** A server that is alive answers sooner; then the person is told and it is tried again. */
const DEADLINE_MS = 20000;

/** Random and unique also on pages without TLS, where `crypto.randomUUID` does not exist. */
export function newClientMessageId(crypto = globalThis.crypto) {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Tries of a command whose answer did not come in time; then its sender is told. */
const TRIES = 3;

/**
 * Sends a command that makes something, under one name: lost connections and lost answers make it be sent again, and the
 * server makes it once.
 */
export async function sendOnce(client, type, fields) {
  const named = { ...fields, client_command_id: newClientMessageId() };
  for (let tries = 1; ; tries += 1) {
    try {
      return await client.send(type, named, { safe: true });
    } catch (error) {
      if (error.code !== "timeout" || tries === TRIES) throw error;
    }
  }
}

/** Why a text cannot be sent, as far as this page knows; empty if it can. The server counts code points as we do here. */
export function refusal(text, limits) {
  const allowed = limits?.message_chars ?? Infinity;
  if (text.length <= allowed) return "";
  const length = [...text].length;
  if (length <= allowed) return "";
  const format = new Intl.NumberFormat(language);
  const sentence = gettext("This message has %(length)s characters, and %(allowed)s can be sent at once.");
  return interpolate(sentence, { length: format.format(length), allowed: format.format(allowed) });
}

/**
 * Brings messages to the server exactly once. What is written is kept first and sent then; it is sent again, with the
 * same id, until the server has accepted or refused it, over reloads and lost connections.
 */
export class Sending {
  #client;
  #conversation;
  #outbox;
  #listener;

  /** @param listener `{onShown(entry), onAccepted(entry, answer), onRefused(entry, error), onLate(entry)}` */
  constructor(client, conversation, outbox, listener) {
    this.#client = client;
    this.#conversation = conversation;
    this.#outbox = outbox;
    this.#listener = listener;
  }

  /** Goes on with what an earlier page of this tab had not brought to its end; `accepted` are ids the server has. */
  resume(accepted) {
    for (const entry of this.#outbox.unsent) {
      if (accepted.has(entry.client_message_id)) this.#outbox.remove(entry.client_message_id);
      else this.#bring(entry);
    }
  }

  send(text, model) {
    const entry = { client_message_id: newClientMessageId(), text, model, at: new Date().toISOString() };
    this.#outbox.add(entry);
    this.#bring(entry);
  }

  #bring(entry) {
    this.#listener.onShown(entry);
    this.#transmit(entry);
  }

  async #transmit(entry) {
    const { client_message_id: id, text, model } = entry;
    const fields = { conversation: this.#conversation, client_message_id: id, text, ...(model && { model }) };
    try {
      const answer = await this.#client.send("message.send", fields, { safe: true, deadlineMs: DEADLINE_MS });
      this.#outbox.remove(id);
      this.#listener.onAccepted(entry, answer);
    } catch (error) {
      this.#failed(entry, error);
    }
  }

  #failed(entry, error) {
    if (error.code === "timeout") {
      this.#listener.onLate(entry);
      setTimeout(() => this.#transmit(entry), AGAIN_MS);
      return;
    }
    this.#outbox.remove(entry.client_message_id);
    this.#listener.onRefused(entry, error);
  }
}
