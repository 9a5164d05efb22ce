/** The page of one conversation: finds its parts and connects them. */
import { AgainMenu } from "chat/again_menu.js";
import { Announcer } from "chat/announcer.js";
import { setUpCopying } from "chat/code_blocks.js";
import { DebugPanel } from "chat/debug_panel.js";
import { Composer } from "chat/composer.js";
import { ConnectionLine } from "chat/connection_line.js";
import { ConversationPage } from "chat/conversation_page.js";
import { ConversationState } from "chat/conversation_state.js";
import { Costs } from "chat/costs.js";
import { Editing } from "chat/editing.js";
import { MessageList } from "chat/message_list.js";
import { ModelPicker } from "chat/model_picker.js";
import { Outbox } from "chat/outbox.js";
import { PeopleDialog } from "chat/people_list.js";
import { Ratings } from "chat/ratings.js";
import { ReadAloud } from "chat/read_aloud.js";
import { showAlert } from "chat/forms.js";
import { Follower } from "chat/scroll.js";
import { Sending, refusal, sendOnce } from "chat/sending.js";
import { setUpShell } from "chat/shell.js";
import { Told } from "chat/told.js";
import { TypingLine } from "chat/typing.js";
import { WaitMemory } from "chat/wait_memory.js";
import { refusalSentence } from "chat/wait_words.js";
import { errorWords, gettext, interpolate, titleWords } from "chat/words.js";
import { browserClock } from "streaming/clock.js";
import { createClient } from "streaming/index.js";
import { CLOSED_SESSION_ENDED } from "streaming/protocol.js";

const RELOAD_EVERY_MS = 30000;

const element = (id) => document.getElementById(id);
const initial = JSON.parse(element("initial-state").textContent);
const state = new ConversationState(initial);
const client = createClient();
const outbox = new Outbox(initial.user, state.id, sessionStorage);

const tabTitle = setUpShell(client, () => state.revision);
const people = new PeopleDialog(initial.user);
new ConnectionLine(element("connection"), client);
const announcer = new Announcer(element("announcer"), browserClock);
setUpCopying(element("messages"), announcer);
new DebugPanel(client, globalThis);
const follower = new Follower(element("transcript"), element("messages"), element("jump"));
/** Of the epoch, and it only goes forwards while this page lives. */
const epochMs = () => performance.timeOrigin + performance.now();
const composer = initial.role === "viewer" ? null : setUpComposer();
const editing = composer === null ? null : setUpEditing();
const told = setUpTold();
const page = new ConversationPage(
  client,
  state,
  {
    element: element("messages"),
    editing,
    menu: composer === null ? null : new AgainMenu(element("again-menu"), element("model")),
    ratings: new Ratings(initial.ratings),
    costs: initial.sees_cost ? new Costs(fetchCosts, browserClock) : null,
    fetchText,
    list: new MessageList(element("messages"), element("message-template")),
    typing: new TypingLine(element("typing"), browserClock),
    empty: element("empty"),
    waits: { memory: new WaitMemory(sessionStorage, epochMs), now: epochMs },
    readAloud: setUpReadAloud(),
    follower,
    announcer,
    composer,
    showHeading,
    goneAway: () => isDeleted || farewell(gettext("You no longer take part in this conversation.")),
  },
  initial,
);
const sending = new Sending(client, state.id, outbox, {
  onShown: (entry) => page.showUnsent(entry, isConnected()),
  onLate: (entry) => page.showUnsent(entry, false),
  onAccepted: (entry, answer) => page.accepted(entry, answer),
  onRefused(entry, error) {
    page.dropUnsent(entry);
    composer.giveBack(entry.text, refusalSentence(error));
  },
});
let isDeleted = false;
client.on("conversation.deleted", deleted);
client.on("presence.changed", (frame) => frame.conversation === state.id && people.showPresence(frame.people));
client.on("list.changed", cameBack);
page.listen();
showTarget();
setUpOlder();
client.connection.watch(connectionChanged);
client.on("hello", checkUser);
if (composer !== null) sending.resume(new Set(state.messages.map((message) => message.client_message_id)));
client.connect();

function isConnected() {
  return client.connection.value.name === "live";
}

function connectionChanged({ name, code }, _, before = connectionChanged.before) {
  connectionChanged.before = name;
  if (name === "closed" && code === CLOSED_SESSION_ENDED) askServer();
  for (const entry of outbox.unsent) page.showUnsent(entry, name === "live");
  if (name === "reconnecting" && before === "live") announcer.say(gettext("Connection lost. Reconnecting."));
  if (name === "live" && before !== undefined && before !== "connecting") announcer.say(gettext("Connected again"));
}

/** Somebody else logged in within this browser: nothing of this page may be sent in their name. */
function checkUser({ user }) {
  if (user.id === initial.user) return;
  client.pause();
  askServer();
}

/** Loads the page anew: the server shows the login, or that nothing is here. Not again at once if it did not help. */
function askServer() {
  const now = Date.now();
  const before = Number(sessionStorage.getItem("chat.reloaded") ?? 0);
  if (now - before < RELOAD_EVERY_MS) return;
  sessionStorage.setItem("chat.reloaded", String(now));
  location.reload();
}

function setUpComposer() {
  const form = element("composer");
  const own = { storage: sessionStorage, key: `chat.model.${initial.user}.${state.id}` };
  const picker = new ModelPicker(element("model"), element("model-wait"), localStorage, own);
  client.on("models.waits", ({ waits }) => picker.show(waits));
  client.connection.watch(({ name }) => name !== "live" && picker.show({})); // what nobody confirms is not shown
  const parts = { form, text: element("composer-text"), button: element("send"), alert: element("composer-alert") };
  return new Composer({ ...parts, model: element("model") }, outbox, {
    onSend(text, model) {
      const reason = refusal(text, client.hello?.limits);
      if (editing.isActive && reason === "") editing.finish(text, model);
      else if (editing.isActive) composer.showAlert(reason);
      else if (reason === "") sending.send(text, model);
      else composer.giveBack(text, reason);
    },
    onUp: () => page.editLast(),
    onEscape() {
      const wasActive = editing.isActive;
      editing.cancel();
      return wasActive;
    },
    onTyping: () => client.mention("typing.start", { conversation: state.id }),
    onStop: () => stop(),
  });
}

function setUpEditing() {
  return new Editing(composer, { element: element("editing"), cancel: element("editing-cancel") }, save);

  async function save(message, text, model) {
    try {
      await sendOnce(client, "message.edit", { message, text, ...(model && { model }) });
      follower.follow();
    } catch (error) {
      throw Object.assign(new Error(), { sentence: refusalSentence(error) });
    }
  }
}

function setUpTold() {
  const parts = {
    dialog: element("instructions"), opener: element("instructions-open"), form: element("instructions-form"),
    text: element("instructions-text"), alert: element("instructions-alert"), promptLine: element("told-prompt"),
    summaryLine: element("told-summary"), summaryText: element("told-summary-text"),
  };
  const conversation = state.id;
  return new Told(parts, (text) => client.send("conversation.instruct", { conversation, system_prompt: text }));
}

async function fetchCosts(ids) {
  const response = await fetch(`costs/?ids=${ids.join(",")}`);
  return response.ok ? (await response.json()).costs : {};
}

async function fetchText(id) {
  const response = await fetch(`messages/${id}/`);
  if (!response.ok) throw new Error(gettext("This is not possible right now. Try again soon."));
  return (await response.json()).text;
}

async function stop() {
  if (page.running === null) return;
  try {
    await client.stop(page.running);
  } catch (error) {
    composer.showAlert(errorWords(error));
  }
}

/** Whoever reads here is told; an answer that was being written has stopped. */
function deleted({ conversation, user }) {
  if (conversation !== state.id) return;
  isDeleted = true;
  farewell(interpolate(gettext("%(name)s deleted this conversation."), user));
}

/** There is nothing more to do here; what one has read stays until one goes. */
function farewell(sentence) {
  showAlert(element("farewell"), sentence);
  for (const dock of document.querySelectorAll(".dock")) dock.hidden = true;
}

/** It was taken back. */
function cameBack({ entries }) {
  if (isDeleted && entries.some(({ conversation }) => conversation === state.id)) location.reload();
}

/** A message that was searched for: the newest ones are not what is wanted. */
function showTarget() {
  if (location.hash.startsWith("#message-")) document.querySelector(":target")?.scrollIntoView({ block: "center" });
}

function showHeading({ title, participants, reply_policy: policy, told: nowTold }) {
  told.show(nowTold);
  const own = participants.find(({ id }) => id === initial.user);
  if (own !== undefined && own.role !== initial.role) location.reload(); // what one may do here has changed
  element("title").textContent = titleWords(title);
  tabTitle.rename(interpolate(gettext("%(title)s · Chat"), { title: titleWords(title) }));
  people.showPeople(participants);
  people.showTitle(title);
  people.showPolicy(policy);
  composer?.showPolicy(policy);
}

function setUpReadAloud() {
  element("read-aloud-choice").hidden = false;
  return new ReadAloud(element("read-aloud"), element("calm"), localStorage);
}

function setUpOlder() {
  const link = element("older");
  link?.addEventListener("click", async (event) => {
    event.preventDefault();
    const response = await fetch(`messages/?before=${state.beforeFirst}`);
    if (!response.ok) location.assign(link.href);
    page.showOlder(await response.json());
    link.hidden = !state.older;
  });
}
