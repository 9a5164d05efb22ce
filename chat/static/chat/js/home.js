import { setUpShortcuts } from "chat/shortcuts.js";
import { setUpSidebar } from "chat/sidebar.js";

setUpSidebar(document);
setUpShortcuts(document);
