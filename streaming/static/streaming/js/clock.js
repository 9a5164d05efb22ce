/** Time as the modules need it; tests pass one of their own. */
export const browserClock = Object.freeze({
  now: () => performance.now(),

  /** Calls `action` once after `ms`; returns the function that cancels it. */
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
});

export function nothingToCancel() {}
