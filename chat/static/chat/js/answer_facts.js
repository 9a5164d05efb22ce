import { gettext, interpolate, language } from "chat/words.js";

const whole = new Intl.NumberFormat(language);
const oneDigit = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const dollars = new Intl.NumberFormat(language, { style: "currency", currency: "USD", maximumFractionDigits: 4 });
/** Shorter waits and faster answers than these say nothing. */
const WAITED_MIN_MS = 100;
const WROTE_MIN_MS = 100;

/**
 * What is known of an ended answer, as short phrases; what nobody knows is left out. The fields are those of its terminal
 * event and of its row alike, and `cost` in millionths of a US dollar for those who may see it.
 */
export function answerFacts({ model, input_tokens: read, output_tokens: wrote, cached_tokens: cached, ...times }) {
  const facts = [model];
  if (isKnown(read)) facts.push(cached ? cachedPhrase(read, cached) : phrase(gettext("%(count)s tokens in"), read));
  if (isKnown(wrote)) facts.push(phrase(gettext("%(count)s out"), wrote));
  const price = isKnown(times.cost) ? [dollars.format(times.cost / 1e6)] : [];
  return [...facts, ...timePhrases(times), ...speedPhrase(wrote, times), ...price].filter(Boolean);
}

function timePhrases({ waited_ms: waited, first_text_ms: first, duration_ms: duration }) {
  const phrases = [];
  if (isKnown(waited) && waited >= WAITED_MIN_MS) phrases.push(after(gettext("waited %(seconds)s s"), waited));
  if (isKnown(first)) phrases.push(after(gettext("first word after %(seconds)s s"), first));
  if (isKnown(duration)) phrases.push(after(gettext("%(seconds)s s in all"), duration));
  return phrases;
}

function speedPhrase(wrote, { first_text_ms: first, duration_ms: duration }) {
  if (!wrote || !isKnown(first) || !isKnown(duration) || duration - first < WROTE_MIN_MS) return [];
  const speed = (wrote * 1000) / (duration - first);
  const count = speed < 10 ? oneDigit.format(speed) : whole.format(Math.round(speed));
  return [interpolate(gettext("%(count)s tokens/s"), { count })];
}

function cachedPhrase(read, cached) {
  const counts = { count: whole.format(read), cached: whole.format(cached) };
  return interpolate(gettext("%(count)s tokens in (%(cached)s cached)"), counts);
}

function phrase(words, count) {
  return interpolate(words, { count: whole.format(count) });
}

function after(words, ms) {
  return interpolate(words, { seconds: oneDigit.format(ms / 1000) });
}

function isKnown(value) {
  return value !== null && value !== undefined;
}
