// The webhooks: which addresses are told of which events, and each delivery. One is made, tried,
// enabled after a restore and deleted here; none is ever changed.

import { html, useState } from "../vendor/preact-htm.js";
import { ApiError, get, send } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { go, href, path } from "../router.js";
import { may } from "../session.js";
import { kindName } from "../words.js";
import { Act, Asked, Damaged, FactCard, Missing, Notice, Secret, Status, Table, Time, View } from "../components/basics.js";
import { Confirm, Dialog } from "../components/dialog.js";

/** What the list needs beside `ADM_OPERATE`. */
const ALSO = "ADM_EVENTLOG_LIST";

const OUTCOMES = { delivered: "good", retrying: "warn", given_up: "bad" };

function Outcome({ delivery: { outcome, status, error } }) {
  return html`<span class=${`tag ${OUTCOMES[outcome] ?? ""}`}>${outcome.replace("_", " ")}</span>${
    outcome !== "delivered" && html` <span class="soft">${error ?? `HTTP ${status}`}</span>`}`;
}

const hookPath = ({ id }, more = "") => `api/hooks/${encodeURIComponent(id)}${more}`;

/** What of a form is filled in, as the API takes it. */
function wanted({ url, on, workspace, isPrivate }) {
  const body = { url: url.trim(), on: on.split(/[\s,]+/).filter(Boolean) };
  if (workspace.trim() !== "") body.workspace = workspace.trim();
  if (isPrivate) {
    if (!URL.canParse(body.url)) throw new ApiError("The address is no URL. Copy it from the receiver.");
    body.allow_private = new URL(body.url).hostname;
  }
  return body;
}

function Create({ onClose, onDone }) {
  const [form, setForm] = useState({ url: "", on: "attention", workspace: "", isPrivate: false });
  const change = (name, value) => setForm({ ...form, [name]: value });
  const act = async () => onDone(await send("POST", "api/hooks", { body: wanted(form) }));
  const text = (name, label, more = {}) => html`<label class="field"><span>${label}</span>
    <input value=${form[name]} autocomplete="off" spellcheck=${false} onInput=${(event) => change(name, event.target.value)} ...${more} /></label>`;
  return html`<${Confirm} title="Create a webhook" action="Create" danger=${false} act=${act} onClose=${onClose}>
    ${text("url", "Address that is told", { required: true, type: "url" })}
    ${text("on", "Events", { required: true, "aria-describedby": "on-hint" })}
    <p class="hint" id="on-hint"><code>attention</code> for what a person should look at, <code>all</code>, kinds such as <code>lock.break</code>, families such as <code>state.*</code></p>
    ${text("workspace", "Workspace (empty: all)")}
    <label class="check"><input type="checkbox" checked=${form.isPrivate} onChange=${(event) => change("isPrivate", event.target.checked)} /> Its host may have a private address, and may be reached without TLS</label>
  <//>`;
}

function Created({ answer, onClose }) {
  return html`<${Dialog} title="The webhook's secret" onClose=${onClose}>
    <p>It signs each delivery, so that the receiver knows who sent it.</p>
    <${Secret} secret=${answer.secret} onClose=${onClose} /><//>`;
}

function Row({ hook }) {
  return html`<tr>
    <th scope="row" class="any"><a href=${href(path("hooks", hook.id))}>${hook.url}</a></th>
    <td data-name="Events"><span class="mono">${hook.on.join(" ")}</span></td>
    <td data-name="Workspace">${hook.workspace ?? "all"}</td>
    <td data-name="Status"><${Status} status=${hook.status} /></td>
    <td data-name="Last delivery">${hook.last_delivery
      ? html`<${Outcome} delivery=${hook.last_delivery} /> <${Time} at=${hook.last_delivery.last_at} relative />` : "none yet"}</td>
  </tr>`;
}

function List({ found }) {
  const { hooks, damaged = [] } = found;
  return html`<${Damaged} rows=${damaged} what="listed" />
    ${hooks.length === 0
      ? html`<${Notice}>There is no webhook. With one, another program is told of events as they happen.<//>`
      : html`<${Table} caption=${plural(hooks.length, "webhook")} heads=${["Address", "Events", "Workspace", "Status", "Last delivery"]}>
        ${hooks.map((hook) => html`<${Row} key=${hook.id} hook=${hook} />`)}<//>`}`;
}

/** A view for those who may see webhooks. */
function ForHooks({ title, crumbs = [], actions = null, children }) {
  return html`<${View} title=${title} crumbs=${crumbs} actions=${may(ALSO) && actions}>
    ${may(ALSO) ? children : html`<${Missing} permission=${ALSO} to="see webhooks" />`}<//>`;
}

export function Hooks() {
  const answer = useData(async (signal) => may(ALSO) && get("api/hooks", {}, { signal }), []);
  const [dialog, setDialog] = useState(null);
  const made = (created) => {
    answer.reload();
    setDialog(created);
  };
  // The form closes itself when it is done, and the secret stays.
  const close = () => setDialog((shown) => (shown === "create" ? null : shown));
  return html`<${ForHooks} title="Webhooks" actions=${html`<button type="button" class="primary" onClick=${() => setDialog("create")}>Create a webhook</button>`}>
    <${Asked} answer=${answer} what="Loading the webhooks">${(found) => html`<${List} found=${found} />`}<//>
    ${dialog === "create" && html`<${Create} onClose=${close} onDone=${made} />`}
    ${dialog?.secret && html`<${Created} answer=${dialog} onClose=${() => setDialog(null)} />`}
  <//>`;
}

function Facts({ hook }) {
  const facts = [
    ["Status", html`<${Status} status=${hook.status} />${hook.failing_since && html` since <${Time} at=${hook.failing_since} relative />`}`],
    ["Events", html`<code>${hook.on.join(" ")}</code>`],
    ["Workspace", hook.workspace ?? "all"],
    ["Private address", hook.allow_private ? "is allowed" : "is refused"],
    ["Missed", hook.missed === 0 ? "nothing" : `${plural(hook.missed, "event")} at most, which were gone before their turn`],
    ["Made", html`<${Time} at=${hook.created_at} /> by ${hook.created_by.name}`],
  ];
  return html`<${FactCard} facts=${facts} />`;
}

function Delivery({ delivery }) {
  return html`<tr>
    <th scope="row">${kindName(delivery)} <span class="soft">${delivery.event}</span></th>
    <td data-name="Outcome" class="any"><${Outcome} delivery=${delivery} /></td>
    <td data-name="Tries">${delivery.tries}</td>
    <td data-name="First"><${Time} at=${delivery.first_at} relative /></td>
    <td data-name="Last"><${Time} at=${delivery.last_at} relative /></td>
  </tr>`;
}

function Deliveries({ rows }) {
  if (rows.length === 0) return html`<p class="soft">Nothing was sent yet.</p>`;
  return html`<${Table} caption="The last deliveries, newest first" heads=${["Event", "Outcome", "Tries", "First", "Last"]}>
    ${rows.map((row) => html`<${Delivery} key=${row.event} delivery=${row} />`)}<//>`;
}

function Remove({ hook }) {
  const [open, setOpen] = useState(false);
  const act = async () => {
    await send("DELETE", hookPath(hook));
    go("/hooks");
  };
  return html`<button type="button" class="danger" onClick=${() => setOpen(true)}>Delete…</button>
    ${open && html`<${Confirm} title="Delete the webhook?" action="Delete" act=${act} onClose=${() => setOpen(false)}>
      <p><code>${hook.url}</code> is told of nothing from then on, and its deliveries are forgotten. One that is on its way may still arrive.</p>
    <//>`}`;
}

function Whole({ hook, deliveries, reload }) {
  const [said, say] = useState(null);
  const tried = async () => {
    say(null);
    say(await send("POST", hookPath(hook, "/test")));
  };
  const enable = async () => {
    await send("POST", hookPath(hook, "/enable"));
    reload();
  };
  return html`${said && html`<${Notice} kind=${said.delivered ? "good" : "bad"}>${said.delivered
      ? `The receiver took it: HTTP ${said.status}.` : `It was not delivered: ${said.error ?? `HTTP ${said.status}`}.`}<//>`}
    <${Facts} hook=${hook} />
    <div class="buttons"><${Act} label="Send a test" act=${tried} />
      ${hook.status === "disabled" && html`<${Act} label="Enable" act=${enable} />`}<${Remove} hook=${hook} /></div>
    <${Deliveries} rows=${deliveries} />`;
}

export function Hook({ id }) {
  const ask = async (signal) => may(ALSO) && Promise.all([
    get(hookPath({ id }), {}, { signal }), get(hookPath({ id }, "/deliveries"), {}, { signal }),
  ]).then(([hook, { deliveries }]) => ({ hook, deliveries }));
  const answer = useData(ask, []);
  return html`<${ForHooks} title=${answer.data?.hook?.url ?? "A webhook"} crumbs=${[["Webhooks", href("/hooks")]]}
    actions=${html`<button type="button" onClick=${answer.reload}>Load again</button>`}>
    <${Asked} answer=${answer}>${(found) => html`<${Whole} ...${found} reload=${answer.reload} />`}<//>
  <//>`;
}
