/** What explains a number that rose: the reader of a lower one may see the higher one only together with it. */
const EXPLAINED = new Set(["overtaken", "slower", "paused", "overloaded", "probing", "held", "blocked"]);
/** They are said once, but somebody must have the time to read them. */
const PASSING = new Set(["overtaken", "slower"]);
const READABLE_MS = 15000;
/** Less than this is no news: the number on the screen stands, and runs out a little early. */
const RISE_MIN_MS = 5000;
const RISE_SHARE = 0.25;

/**
 * The numbers of one wait between two announcements: they fall with the time and end at zero. They never rise
 * without a reason, whatever was shown before a reload and whichever server speaks now. Times are ms of the epoch.
 */
export class WaitCountdown {
  #state;

  /** @param state what an earlier page of this tab has kept, see `state` */
  constructor(state = null) {
    this.#state = state;
  }

  /** Plain data, fit for a storage. Null: nothing was told yet. */
  get state() {
    return this.#state;
  }

  /** An announcement has come. One without a place says only that it waits: what is known stands. */
  told({ ahead, p50S, p90S, why, resumeS, message }, now) {
    if (ahead === null && this.#state !== null) return;
    const after = (seconds) => (seconds === null ? null : now + seconds * 1000);
    const due = this.#due(after(p50S), EXPLAINED.has(why), now);
    this.#state = {
      ahead,
      message,
      saidAt: now,
      dueAt: due.at,
      underAt: due.isKept ? this.#state.underAt : after(p90S),
      resumeAt: after(resumeS),
      ...this.#reason(due.isSlower ? "slower" : why, now),
    };
  }

  /** What to show now: `{ahead, leftS, underS, why, resumeS, message}`. */
  at(now) {
    const { ahead, message, dueAt, underAt, resumeAt, why, passing, passingUntil } = this.#state;
    const left = (at) => (at === null ? null : Math.max(0, at - now) / 1000);
    const isExplained = passing !== null && now < passingUntil;
    return {
      ahead,
      message,
      leftS: left(dueAt),
      underS: left(underAt),
      resumeS: left(resumeAt) || null,
      why: isExplained && why === "open" ? passing : why,
    };
  }

  #due(at, isExplained, now) {
    const shown = this.#state?.dueAt ?? null;
    const rise = at === null || shown === null ? 0 : at - Math.max(shown, now);
    if (rise <= 0 || isExplained) return { at };
    if (rise > Math.max(RISE_MIN_MS, RISE_SHARE * (at - now))) return { at, isSlower: true };
    return { at: shown, isKept: true };
  }

  #reason(why, now) {
    if (PASSING.has(why)) return { why: "open", passing: why, passingUntil: now + READABLE_MS };
    const { passing = null, passingUntil = 0 } = this.#state ?? {};
    return { why, passing, passingUntil };
  }
}
