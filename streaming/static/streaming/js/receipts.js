import { nothingToCancel } from "streaming/clock.js";

const ACK_AFTER_MS = 1000;
/**
 * The server counts bytes, we UTF-16 units, of which each is at most three bytes of UTF-8: a third of 64 KiB is never
 * too late, and costs nothing but a few more acks.
 */
const ACK_AFTER_UNITS = Math.floor(65536 / 3);

/** Acknowledges what was received, so that the server's send window opens again. */
export class Receipts {
  #send;
  #clock;
  #received = 0;
  #acknowledged = 0;
  #units = 0;
  #cancel = nothingToCancel;

  constructor(send, clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Envelope `n` of `units` characters was applied. False if one is missing before it. */
  add(n, units) {
    if (n !== this.#received + 1) return false;
    this.#received = n;
    this.#units += units;
    if (this.#units >= ACK_AFTER_UNITS) this.#acknowledge();
    else if (this.#cancel === nothingToCancel) {
      this.#cancel = this.#clock.after(ACK_AFTER_MS, () => this.#acknowledge());
    }
    return true;
  }

  /** A new connection counts from 1 again. */
  reset() {
    this.#cancel();
    this.#cancel = nothingToCancel;
    this.#received = this.#acknowledged = this.#units = 0;
  }

  #acknowledge() {
    this.#cancel();
    this.#cancel = nothingToCancel;
    this.#units = 0;
    if (this.#received === this.#acknowledged) return;
    this.#acknowledged = this.#received;
    this.#send({ type: "ack", n: this.#received });
  }
}
