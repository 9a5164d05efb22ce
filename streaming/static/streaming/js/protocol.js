/** Names, positions and close codes of protocol v1 (streaming/PROTOCOL.md). */

export const PROTOCOL_VERSION = 1;
export const SUBPROTOCOL = "chat.v1";

/** The terminal events and the status in which each leaves its generation. */
export const ENDINGS = Object.freeze({
  "stream.completed": "completed",
  "stream.stopped": "stopped",
  "stream.interrupted": "interrupted",
  "stream.failed": "failed",
  "stream.expired": "expired",
});

const LIVE = new Set(["queued", "admitted", "streaming"]);

export function isLive(status) {
  return LIVE.has(status);
}

/** Before everything: the position of somebody who has seen nothing. */
export const START = Object.freeze({ attempt: 0, seq: 0 });

const POSITION = /^(\d{1,15})-(\d{1,15})$/;

/** The position written as `<attempt>-<seq>`; throws if `text` is not one. */
export function parsePosition(text) {
  const match = POSITION.exec(text);
  if (match === null) throw new Error(`not a position: ${String(text).slice(0, 40)}`);
  return { attempt: Number(match[1]), seq: Number(match[2]) };
}

export function formatPosition({ attempt, seq }) {
  return `${attempt}-${seq}`;
}

/** Negative, zero or positive, as `a` comes before, at or after `b`. */
export function comparePositions(a, b) {
  return a.attempt - b.attempt || a.seq - b.seq;
}

/** Whether `frame`, at `position`, comes right after `last`: by naming it, or as the next of the same attempt. */
export function comesRightAfter(frame, position, last) {
  if (frame.follows !== undefined) return comparePositions(parsePosition(frame.follows), last) === 0;
  return position.attempt === last.attempt && position.seq === last.seq + 1;
}

/** Codes from 4500 to 4999 say that connecting again would not help. */
export function mayReconnect(code) {
  return code < 4500 || code > 4999;
}

export const CLOSED_SESSION_ENDED = 4501;
/** Ours, never on the wire: the server speaks another version of the protocol; a reload brings the matching page. */
export const CLOSED_OTHER_VERSION = 4999;

const SLOW_DOWN = new Set([1013, 4429]);

/** After "try again later" and "too fast" the first retry waits at least this long. */
export function minimumDelay(code) {
  return SLOW_DOWN.has(code) ? 2000 : 0;
}
