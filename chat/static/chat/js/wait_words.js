import { errorWords, gettext, interpolate, language, ngettext } from "chat/words.js";

/**
 * A wait in the words that people read and hear. Numbers are round, because an estimate is: steps of 5 s below a
 * minute, of 15 s below five minutes, then minutes.
 */
const MINUTE_S = 60;
const HOUR_S = 3600;
/** Below it an answer is as good as there. */
const STARTING_S = 5;
/** Beyond it a place is an estimate too. */
const EXACT_AHEAD = 10;
const NO_BREAK = "\u00a0";

const number = new Intl.NumberFormat(language);
const unit = (name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" });
const spokenUnits = { hour: unit("hour"), minute: unit("minute"), second: unit("second") };

function stepOf(seconds) {
  if (seconds < MINUTE_S) return 5;
  return seconds < 5 * MINUTE_S ? 15 : MINUTE_S;
}

export function rounded(seconds, round = Math.round) {
  const step = stepOf(seconds);
  return Math.max(step, step * round(seconds / step));
}

function split(seconds) {
  const hour = Math.floor(seconds / HOUR_S);
  const minute = Math.floor((seconds % HOUR_S) / MINUTE_S);
  return { hour, minute, second: hour > 0 ? 0 : seconds % MINUTE_S };
}

/** "40 s", "1 min 15", "12 min", "2 h 5 min"; no line breaks within it. */
export function duration(seconds) {
  const { hour, minute, second } = split(seconds);
  const parts = [hour && `${hour} h`, minute && `${minute} min`, second && (minute ? second : `${second} s`)];
  return parts.filter(Boolean).join(" ").replaceAll(" ", NO_BREAK);
}

/** "1 minute 15 seconds" */
export function spokenDuration(seconds) {
  const parts = Object.entries(split(seconds)).filter(([, count]) => count > 0);
  return parts.map(([name, count]) => spokenUnits[name].format(count)).join(" ");
}

/** "about 40 s, usually under 1 min 15"; empty if nobody can tell. */
export function timeWords({ leftS, underS }, say = duration) {
  if (leftS === null) return "";
  if (leftS === 0) return gettext("any moment");
  if (leftS < STARTING_S) return gettext("starting");
  const about = rounded(leftS);
  const under = rounded(underS ?? 0, Math.ceil);
  if (under <= about) return interpolate(gettext("about %(time)s"), { time: say(about) });
  return interpolate(gettext("about %(time)s, usually under %(limit)s"), { time: say(about), limit: say(under) });
}

function aheadWords(ahead, isOwn) {
  if (ahead === null) return gettext("Waiting for its turn");
  if (ahead === 0) return isOwn ? gettext("You are next") : gettext("Next in line");
  return interpolate(aheadSentence(ahead, isOwn), { count: number.format(ahead) });
}

function aheadSentence(ahead, isOwn) {
  if (ahead < EXACT_AHEAD && isOwn) return ngettext("%(count)s ahead of you", "%(count)s ahead of you", ahead);
  if (ahead < EXACT_AHEAD) return ngettext("%(count)s ahead", "%(count)s ahead", ahead);
  return isOwn ? gettext("About %(count)s ahead of you") : gettext("About %(count)s ahead");
}

/** Where it stands and how long it takes: "2 ahead of you · about 40 s, usually under 1 min 15". */
export function waitLine(wait, isOwn, say = duration) {
  if (wait.why === "blocked" || wait.why === "held") {
    const sentence = gettext(wait.message) || gettext("This model does not answer just now.");
    return [sentence, wait.why === "held" && timeWords(wait, say)].filter(Boolean).join(" · ");
  }
  const behindOwn = gettext("Waits for another answer of yours to end");
  const place = wait.why === "own" ? behindOwn : aheadWords(wait.ahead, isOwn);
  return [place, timeWords(wait, say)].filter(Boolean).join(" · ");
}

/** Why it takes that long, or longer than it said before; empty if there is nothing to explain. */
export function waitReason({ why, resumeS }, say = duration) {
  const resume = resumeS ? say(rounded(resumeS)) : "";
  switch (why) {
    case "paused":
      return resume
        ? interpolate(gettext("The provider asked us to wait %(time)s"), { time: resume })
        : gettext("The provider asked us to wait");
    case "overloaded":
      return resume
        ? interpolate(gettext("The provider is overloaded; it is asked again in %(time)s"), { time: resume })
        : gettext("The provider is overloaded");
    case "probing":
      return gettext("The provider was overloaded; one question finds out whether it is back");
    case "blocked":
      return gettext("Your question keeps its place for a while");
    case "overtaken":
      return gettext("Others who have used less go first");
    case "slower":
      return gettext("It takes longer than foreseen");
    default:
      return "";
  }
}

/** The same for people who listen. */
export function spokenWait(wait, isOwn) {
  const words = [waitLine(wait, isOwn, spokenDuration).replace(" · ", ", "), waitReason(wait, spokenDuration)];
  return words.filter(Boolean).map((sentence) => sentence.replace(/([^.])$/, "$1.")).join(" ");
}

/** Whether a model's wait is told by the server, in a whole sentence. */
export function isSentence(wait) {
  return Boolean(wait?.message) && (wait.why === "blocked" || wait.why === "held");
}

/** A model's present wait, as the picker shows it beside its name; empty if it is free. */
export function modelWait({ p50_s: p50S, why, message }) {
  const isLong = p50S !== null && p50S >= STARTING_S;
  const about = isLong ? interpolate(gettext("about %(time)s"), { time: duration(rounded(p50S)) }) : "";
  if (why === "blocked" || why === "held") return gettext(message) || gettext("not available now");
  const busy = gettext("overloaded");
  const reason = { paused: gettext("its provider asks to wait"), overloaded: busy, probing: busy }[why];
  return [reason, about].filter(Boolean).join(", ");
}

const REFUSED_BY_THE_LINE = new Set(["queue_full", "lane_full", "wait_too_long", "lane_blocked"]);

/** Why a question was not accepted, and when it may be. */
export function refusalSentence({ code, message, retryAfterS, sentences }) {
  const words = errorWords({ message, sentences });
  if (!REFUSED_BY_THE_LINE.has(code) || !retryAfterS) return words;
  const again = gettext("Try again in about %(time)s.");
  return `${words} ${interpolate(again, { time: duration(rounded(retryAfterS, Math.ceil)) })}`;
}
