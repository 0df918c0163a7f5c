// Which view stands at which path.

import { Home } from "./views/home.js";
import { States } from "./views/states.js";
import { Keys } from "./views/keys.js";
import { Events } from "./views/events.js";

/** What the navigation offers. */
export const SECTIONS = [
  { path: "/", name: "Home" },
  { path: "/states", name: "States" },
  { path: "/keys", name: "Keys" },
  { path: "/events", name: "Events" },
];

/** The first pattern that fits counts. `needs` is a permission, `to` what is not possible without it. */
export const ROUTES = [
  { pattern: "/", view: Home },
  { pattern: "/states", view: States, needs: "TFSTATE_LIST", to: "list states" },
  { pattern: "/keys", view: Keys, needs: "ADM_APIKEY_LIST", to: "list keys" },
  { pattern: "/events", view: Events, needs: "EVENTLOG_LIST", to: "read the event log" },
];
