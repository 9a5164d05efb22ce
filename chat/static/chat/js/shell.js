import { EntryMenu } from "chat/entry_menu.js";
import { ListFeed } from "chat/list_feed.js";
import { ListView } from "chat/list_view.js";
import { Search } from "chat/search.js";
import { setUpShortcuts } from "chat/shortcuts.js";
import { setUpSidebar } from "chat/sidebar.js";
import { hideLater } from "chat/toast.js";

const UNDO_MS = 10000;

/** What stands around every page: the list of conversations, its menus, search and keys. `seen`: see ListFeed. */
export function setUpShell(client, seen = () => null) {
  const list = document.getElementById("list");
  const view = new ListView(list, document.getElementById("entry-template"));
  const feed = new ListFeed(client, view, seen);
  new EntryMenu(list, view, feed);
  const search = new Search();
  setUpSidebar(document);
  setUpShortcuts(document, { search: () => search.open() });
  const undo = document.getElementById("undo");
  if (undo !== null) hideLater(undo, UNDO_MS);
}
