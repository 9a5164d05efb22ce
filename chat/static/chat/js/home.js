/** A page without a conversation, or with an old part of one: what stands around it lives. */
import { setUpShell } from "chat/shell.js";
import { createClient } from "streaming/index.js";
import { CLOSED_SESSION_ENDED } from "streaming/protocol.js";

const client = createClient();
const reader = Number(document.getElementById("sidebar").dataset.user);

setUpShell(client);
client.connection.watch(({ name, code }) => {
  if (name === "closed" && code === CLOSED_SESSION_ENDED) location.reload(); // the server shows the login
});
client.on("hello", ({ user }) => user.id !== reader && location.reload()); // somebody else logged in meanwhile
client.connect();
