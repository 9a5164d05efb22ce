import { setUpSidebar } from "chat/sidebar.js";

setUpSidebar(document);
