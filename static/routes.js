// Which view stands at which path.

import { Home } from "./views/home.js";
import { Find } from "./views/find.js";
import { States } from "./views/states.js";
import { Inventory } from "./views/inventory.js";
import { Keys } from "./views/keys.js";
import { Trust, Trusts } from "./views/trusts.js";
import { Hook, Hooks } from "./views/hooks.js";
import { Events } from "./views/events.js";
import { State } from "./views/state.js";
import { Compare } from "./state/compare.js";
import { Consumers } from "./state/consumers.js";
import { Outputs } from "./state/outputs.js";
import { Resource } from "./state/resource.js";
import { Resources } from "./state/resources.js";
import { Rollback } from "./state/rollback.js";
import { Use } from "./state/use.js";

/** What the navigation offers. */
export const SECTIONS = [
  { path: "/", name: "Home" },
  { path: "/states", name: "States" },
  { path: "/find", name: "Find" },
  { path: "/inventory", name: "Inventory" },
  { path: "/keys", name: "Keys" },
  { path: "/trusts", name: "Trusts" },
  { path: "/hooks", name: "Webhooks" },
  { path: "/events", name: "Events" },
];

/** What of a state needs more than its outputs. */
const HISTORY = { needs: "TFSTATE_INSPECT", to: "see the history of states" };

/** The first pattern that fits counts. `needs` is a permission, `to` what is not possible without it. */
export const ROUTES = [
  { pattern: "/", view: Home },
  { pattern: "/find", view: Find, needs: "TFSTATE_INSPECT", to: "search" },
  { pattern: "/inventory", view: Inventory, needs: "TFSTATE_INSPECT", to: "see the inventory" },
  { pattern: "/states", view: States, needs: "TFSTATE_INSPECT", to: "list states" },
  { pattern: "/states/:workspace/:buildingBlock", view: State },
  { pattern: "/states/:workspace/:buildingBlock/outputs", view: Outputs, needs: "TFSTATE_OUTPUTS", to: "see outputs" },
  { pattern: "/states/:workspace/:buildingBlock/consumers", view: Consumers, needs: "EVENTLOG_LIST", to: "see who reads states" },
  { pattern: "/states/:workspace/:buildingBlock/resources", view: Resources, ...HISTORY },
  { pattern: "/states/:workspace/:buildingBlock/resources/:version/:address", view: Resource, ...HISTORY },
  { pattern: "/states/:workspace/:buildingBlock/use", view: Use },
  { pattern: "/states/:workspace/:buildingBlock/compare/:to", view: Compare, ...HISTORY },
  { pattern: "/states/:workspace/:buildingBlock/compare/:to/:from", view: Compare, ...HISTORY },
  { pattern: "/states/:workspace/:buildingBlock/rollback/:to", view: Rollback, needs: "TFSTATE_LIST", to: "see what a rollback would do" },
  { pattern: "/keys", view: Keys, needs: "ADM_APIKEY_LIST", to: "list keys" },
  { pattern: "/trusts", view: Trusts, needs: "ADM_APIKEY_LIST", to: "list trusts" },
  { pattern: "/trusts/:id", view: Trust, needs: "ADM_APIKEY_LIST", to: "show trusts" },
  { pattern: "/hooks", view: Hooks, needs: "ADM_OPERATE", to: "see webhooks" },
  { pattern: "/hooks/:id", view: Hook, needs: "ADM_OPERATE", to: "see webhooks" },
  { pattern: "/events", view: Events, needs: "EVENTLOG_LIST", to: "read the event log" },
];
