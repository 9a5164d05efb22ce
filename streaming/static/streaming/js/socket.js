import { nothingToCancel } from "streaming/clock.js";
import { Observable } from "streaming/observable.js";
import {
  CLOSED_OTHER_VERSION,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  mayReconnect,
  minimumDelay,
} from "streaming/protocol.js";

/** From opening until `hello`. */
const HANDSHAKE_MS = 10000;
/** Beyond two heartbeats of silence a connection counts as dead, plus this for slow networks. */
const SLACK_MS = 5000;
/** A connection that held this long was a good one: the next retry may be quick again. */
const STEADY_MS = 10000;

/**
 * One WebSocket that comes back by itself. `state` is one of
 * `{name: "idle"}`, `{name: "connecting", again}`, `{name: "live"}`, `{name: "reconnecting", retryAt}`,
 * `{name: "offline", retryAt}` (the machine says that it has no network) and `{name: "closed", code}`, which is final.
 */
export class Socket {
  state = new Observable({ name: "idle" });
  hello = null;

  #options;
  #webSocket = null;
  #cancelTimer = nothingToCancel; // of the handshake, the watchdog or the retry: only one can run
  #cancelSteady = nothingToCancel;
  #heardAt = 0;
  #hintMs = null; // the server named it for its own restart

  /**
   * @param options `url`, `open(url, protocol)` makes a WebSocket, `clock`, `backoff`, `isOnline()`, `beatMs()` is the
   *   present period of heartbeats, `onEnvelope({n, frames}, units)`, `onLive(hello)`, `onLost()`
   */
  constructor(options) {
    this.#options = options;
  }

  connect() {
    if (this.#webSocket !== null || this.state.value.name === "closed") return;
    this.#cancelTimer();
    this.state.set({ name: "connecting", again: this.hello !== null || this.#options.backoff.attempts > 0 });
    const webSocket = this.#options.open(this.#options.url, SUBPROTOCOL);
    this.#webSocket = webSocket;
    webSocket.onmessage = (event) => this.#webSocket === webSocket && this.#received(event.data);
    webSocket.onclose = (event) => this.#webSocket === webSocket && this.#lost(event.code);
    this.#cancelTimer = this.#options.clock.after(HANDSHAKE_MS, () => this.#abandon());
  }

  /** Connects now if it would have waited; a live connection that should have been heard of is replaced. */
  wake() {
    const { name } = this.state.value;
    if (name === "reconnecting" || name === "offline") this.connect();
    else if (name === "live" && this.#silentMs() > this.#patienceMs()) this.reconnect();
  }

  /** Gives the present connection up and opens another one at once. */
  reconnect() {
    if (this.state.value.name !== "live") return;
    this.#drop(1000);
    this.#options.onLost();
    this.connect();
  }

  /** The server is about to close: come back this long after it did. */
  expectRestart(afterMs) {
    this.#hintMs = afterMs;
  }

  /** Closes until `connect` is called again (a page that is put away keeps no socket open). */
  pause() {
    if (this.state.value.name === "closed") return;
    const wasLive = this.state.value.name === "live";
    this.#drop(1000);
    this.state.set({ name: "idle" });
    if (wasLive) this.#options.onLost();
  }

  /** False if there is no open connection; then nothing was sent. */
  send(frame) {
    if (this.state.value.name !== "live") return false;
    this.#webSocket.send(JSON.stringify(frame));
    return true;
  }

  #received(data) {
    this.#heardAt = this.#options.clock.now();
    const envelope = JSON.parse(data);
    if (this.state.value.name === "live") {
      this.#options.onEnvelope(envelope, data.length);
      if (this.state.value.name === "live") this.#watch();
      return;
    }
    const [hello] = envelope.frames;
    if (hello?.type === "hello") this.#welcomed(hello, envelope, data.length);
  }

  #welcomed(hello, envelope, units) {
    if (hello.protocol !== PROTOCOL_VERSION) {
      this.#drop(1000);
      this.state.set({ name: "closed", code: CLOSED_OTHER_VERSION });
      return;
    }
    this.hello = hello;
    this.#watch();
    this.#cancelSteady = this.#options.clock.after(STEADY_MS, () => this.#options.backoff.reset());
    this.state.set({ name: "live" });
    this.#options.onEnvelope(envelope, units);
    if (this.#webSocket !== null) this.#options.onLive(hello); // unless a listener did not like the hello
  }

  #watch() {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(this.#patienceMs(), () => this.#abandon());
  }

  #patienceMs() {
    return 2 * this.#options.beatMs() + SLACK_MS;
  }

  #silentMs() {
    return this.#options.clock.now() - this.#heardAt;
  }

  #abandon() {
    this.#drop(1000);
    this.#lost(1006);
  }

  /** Lets go of the WebSocket; a dead one may take minutes to say so itself. */
  #drop(code) {
    this.#cancelTimer();
    this.#cancelSteady();
    const webSocket = this.#webSocket;
    this.#webSocket = null;
    this.#hintMs = null;
    webSocket?.close(code);
  }

  #lost(code) {
    const wasLive = this.state.value.name === "live";
    const hintMs = this.#hintMs;
    this.#drop(1000);
    if (mayReconnect(code)) this.#retryLater(code, hintMs);
    else this.state.set({ name: "closed", code });
    if (wasLive) this.#options.onLost();
  }

  #retryLater(code, hintMs) {
    const { backoff, clock, isOnline } = this.#options;
    const delayMs = hintMs ?? backoff.next(minimumDelay(code));
    // Without a network this machine may still be its own server: keep trying, only say it differently.
    const name = isOnline() ? "reconnecting" : "offline";
    this.#cancelTimer = clock.after(delayMs, () => this.connect());
    this.state.set({ name, retryAt: clock.now() + delayMs });
  }
}
