/**
 * A client for streams of answers, without any framework (README.md shows it at work):
 *
 *     const client = createClient();
 *     client.connection.watch(({ name }) => ...);
 *     client.connect();
 *     const answer = client.subscribe(generationId);
 *     answer.state.watch(({ text, status, end }, change) => ...);
 *     await client.send("message.send", { conversation, client_message_id, text });
 *     await client.stop(generationId);
 */
import { Backoff } from "streaming/backoff.js";
import { browserClock } from "streaming/clock.js";
import { CommandError, Commands } from "streaming/commands.js";
import { Heartbeats } from "streaming/heartbeats.js";
import { Receipts } from "streaming/receipts.js";
import { Socket } from "streaming/socket.js";
import { Subscriptions } from "streaming/subscriptions.js";
import { listenForWakeups } from "streaming/wakeups.js";

export { CommandError };

export function socketUrl(location = globalThis.location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/v1/`;
}

function browserSurroundings() {
  return {
    url: socketUrl(),
    open: (url, protocol) => new WebSocket(url, protocol),
    clock: browserClock,
    backoff: new Backoff(),
    random: Math.random,
    isOnline: () => navigator.onLine,
  };
}

/** The client of this page; it also reconnects when the page is looked at again or the network comes back. */
export function createClient(options = {}) {
  const client = new Client({ ...browserSurroundings(), ...options });
  listenForWakeups(client, { window, document });
  return client;
}

export class Client {
  #socket;
  #commands;
  #receipts;
  #subscriptions;
  #heartbeats;
  #listeners = new Map();

  constructor(surroundings) {
    const send = (frame) => this.#socket.send(frame);
    this.#commands = new Commands(send, surroundings.clock, () => this.hello.limits.frame_bytes);
    this.#receipts = new Receipts(send, surroundings.clock);
    const request = (type, fields, options) => this.send(type, fields, options);
    const makeBackoff = () => new Backoff({ baseMs: 250, random: surroundings.random });
    this.#subscriptions = new Subscriptions(request, surroundings.clock, makeBackoff);
    this.#heartbeats = new Heartbeats(surroundings.clock);
    this.#socket = new Socket({
      ...surroundings,
      beatMs: () => this.#heartbeats.periodMs(this.hello, this.#subscriptions.areAnyLive),
      onEnvelope: (envelope, units) => this.#receive(envelope, units),
      onLive: () => this.#opened(),
      onLost: () => this.#lost(),
    });
  }

  /** The connection as an Observable: see Socket. */
  get connection() {
    return this.#socket.state;
  }

  /** What the server said about itself and us: `{user, limits, heartbeat_s}`; null before the first connection. */
  get hello() {
    return this.#socket.hello;
  }

  get counters() {
    return this.#subscriptions.counters;
  }

  connect() {
    this.#socket.connect();
  }

  pause() {
    this.#socket.pause();
  }

  wake() {
    this.#socket.wake();
  }

  reconnect() {
    this.#socket.reconnect();
  }

  /** Sends a command; resolves with the fields of its `ok` or rejects with a CommandError. */
  send(type, fields, options) {
    return this.#commands.request(type, fields, options);
  }

  /** Sends a command that nobody waits for, if there is a connection. */
  mention(type, fields) {
    if (this.connection.value.name === "live") this.send(type, fields).catch(() => {});
  }

  /** The stream of a generation, until `unsubscribe`; all callers share one subscription. */
  subscribe(generation, known) {
    return this.#subscriptions.open(generation, known);
  }

  unsubscribe(generation) {
    this.#subscriptions.close(generation);
  }

  /**
   * Calls `watcher(state, change)` at each change of a stream; returns the function that ends it. When the last follower
   * has left, the stream is let go, unless somebody subscribed to it.
   */
  follow(generation, watcher) {
    return this.#subscriptions.follow(generation, watcher);
  }

  /** The present state of a stream that is subscribed or followed, else null. */
  answer(generation) {
    return this.#subscriptions.state(generation);
  }

  /** The final state of a generation that was learned from a row. */
  settle(generation, end) {
    this.#subscriptions.settle(generation, end);
  }

  stop(generation) {
    return this.send("generation.stop", { generation }, { safe: true });
  }

  /** Calls `listener(frame)` for each frame of `type`; returns the function that ends it. */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  #opened() {
    this.#commands.connectionOpened();
    this.#subscriptions.connectionOpened();
    this.#emit({ type: "connection.opened" });
  }

  #lost() {
    this.#receipts.reset();
    this.#heartbeats.reset();
    this.#subscriptions.connectionLost();
    this.#commands.connectionLost();
  }

  #receive({ n, frames }, units) {
    for (const frame of frames) this.#dispatch(frame);
    // A missing envelope cannot be asked for; a new connection subscribes to everything again.
    if (!this.#receipts.add(n, units)) this.#socket.reconnect();
  }

  #dispatch(frame) {
    if (frame.type === "ok" || frame.type === "error") this.#commands.answer(frame);
    else if (frame.type === "heartbeat") this.#heartbeat(frame);
    else if (frame.type === "reconnect") this.#socket.expectRestart(frame.after_ms);
    else if (frame.type.startsWith("stream.")) this.#subscriptions.apply(frame);
    this.#emit(frame);
  }

  #heartbeat(frame) {
    this.#socket.send({ type: "pong" });
    this.#heartbeats.came(frame);
    this.#subscriptions.compareHeads(frame.streams);
  }

  #emit(frame) {
    for (const listener of this.#listeners.get(frame.type) ?? []) {
      try {
        listener(frame);
      } catch (error) {
        reportError(error); // one listener's defect is not the connection's
      }
    }
  }
}
