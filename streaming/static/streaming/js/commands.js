/** A command that was refused, was not answered in time, or whose answer was lost with the connection. */
export class CommandError extends Error {
  /** @param sentences what a message that says values is made of, `{text, values}` each: for translation */
  constructor({ code, message, retryable = false, retry_after_s = null, sentences = null }) {
    super(message);
    this.name = "CommandError";
    this.code = code;
    this.retryable = retryable;
    this.retryAfterS = retry_after_s;
    this.sentences = sentences;
  }
}

const NOT_ANSWERED = { code: "timeout", message: "The server did not answer in time.", retryable: true };
const TOO_LARGE = { code: "too_large", message: "This is too long to be sent at once: 64 KB, which is about 20,000 Chinese or Japanese characters." };
const CONNECTION_LOST = {
  code: "connection_lost",
  message: "The connection broke before the server answered.",
  retryable: true,
};

/**
 * Commands and their answers, matched by id. A command that waits for a connection is sent when there is one. When a
 * connection breaks, an unanswered command is sent again only if doing it twice is the same as doing it once.
 */
export class Commands {
  #send;
  #clock;
  #maxBytes;
  #pending = new Map();
  #lastId = 0;
  #connected = false;

  /** @param maxBytes `() => number`: what the server takes in one frame; beyond it may hang up without a word */
  constructor(send, clock, maxBytes) {
    this.#send = send;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /**
   * Sends `{type, ...fields}`; resolves with the answer's fields or rejects with a CommandError.
   * @param {{safe?: boolean, deadlineMs?: number, onOk?: (answer: object) => void}} options
   *   `safe`: may be sent again after a lost connection; `onOk` is called before the frames that follow the answer are
   *   handled, which a promise cannot promise
   */
  request(type, fields = {}, { safe = false, deadlineMs = 15000, onOk = () => {} } = {}) {
    this.#lastId += 1;
    const id = this.#lastId;
    const command = { id, frame: { type, id, ...fields }, safe, deadlineMs, onOk, sent: false };
    return new Promise((resolve, reject) => {
      Object.assign(command, { resolve, reject });
      this.#pending.set(command.id, command);
      this.#startDeadline(command);
      if (this.#connected) this.#transmit(command);
    });
  }

  /** Takes an `ok` or `error` frame; false if no command of ours waits for it. */
  answer(frame) {
    const command = this.#pending.get(frame.id);
    if (command === undefined) return false;
    this.#forget(command);
    if (frame.type === "ok") {
      command.onOk(frame);
      command.resolve(frame);
    } else {
      command.reject(new CommandError(frame));
    }
    return true;
  }

  connectionOpened() {
    this.#connected = true;
    for (const command of [...this.#pending.values()]) this.#transmit(command);
  }

  connectionLost() {
    this.#connected = false;
    for (const command of [...this.#pending.values()]) {
      if (command.sent && !command.safe) this.#refuse(command, CONNECTION_LOST);
    }
  }

  #transmit(command) {
    if (sizeOf(command.frame) > this.#maxBytes()) {
      this.#refuse(command, TOO_LARGE);
      return;
    }
    this.#startDeadline(command); // waiting for a connection does not count
    command.sent = true;
    this.#send(command.frame);
  }

  #startDeadline(command) {
    command.cancel?.();
    command.cancel = this.#clock.after(command.deadlineMs, () => this.#refuse(command, NOT_ANSWERED));
  }

  #refuse(command, reason) {
    this.#forget(command);
    command.reject(new CommandError(reason));
  }

  #forget(command) {
    command.cancel();
    this.#pending.delete(command.id);
  }
}

function sizeOf(frame) {
  return new TextEncoder().encode(JSON.stringify(frame)).length;
}
