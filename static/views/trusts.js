// The trusts: which ID tokens of which issuer stand for which scope. They are listed, shown and
// removed here. The command line makes them, since it needs a key and no token for that.

import { html, useState } from "../vendor/preact-htm.js";
import { get, pages, send } from "../api.js";
import { useData } from "../data.js";
import { plural } from "../format.js";
import { go, href, path } from "../router.js";
import { may } from "../session.js";
import { Confirm } from "../components/dialog.js";
import { Asked, Damaged, FactCard, Missing, Notice, Permissions, Status, Table, Time, View, scope } from "../components/basics.js";

const PAGE = 200;

async function all(signal) {
  const [trusts, damaged] = [[], []];
  const each = (page) => {
    trusts.push(...page.trusts);
    damaged.push(...(page.damaged ?? []));
  };
  await pages("api/trusts", { limit: PAGE }, each, signal);
  return { trusts, damaged };
}

function Remove({ trust, onDone }) {
  const [open, setOpen] = useState(false);
  const act = async () => {
    await send("DELETE", `api/trusts/${encodeURIComponent(trust.id)}`);
    onDone();
  };
  return html`<button type="button" class="danger" aria-label=${`Remove ${trust.name}`} onClick=${() => setOpen(true)}>Remove…</button>
    ${open && html`<${Confirm} title=${`Remove ${trust.name}?`} action="Remove" typed=${trust.name} act=${act} onClose=${() => setOpen(false)}>
      <p>Its ID tokens are refused from then on, and the tokens that it let in end at once. Pipelines that use it fail. A trust is never changed or brought back: another one has to be made.</p>
    <//>`}`;
}

function Row({ trust, onDone }) {
  return html`<tr class=${trust.status === "active" ? "" : "quiet"}>
    <th scope="row"><a href=${href(path("trusts", trust.id))}>${trust.name}</a></th>
    <td data-name="Issuer" class="any">${trust.issuer}</td>
    <td data-name="Scope" class="any">${scope(trust)}</td>
    <td data-name="Permissions"><${Permissions} names=${trust.permissions} /></td>
    <td data-name="Status"><${Status} status=${trust.status} /></td>
    <td data-name="Last used"><${Time} at=${trust.last_used_at} relative /></td>
    <td class="act">${may("ADM_APIKEY_DELETE") && html`<${Remove} trust=${trust} onDone=${onDone} />`}</td>
  </tr>`;
}

function Make() {
  return html`<details class="card part"><summary>How a trust is made</summary>
    <p>On the command line, with a key that has <code>ADM_APIKEY_SAVE</code>:</p>
    <div class="snippet"><pre tabindex="0" role="region" aria-label="command">${`statekeep trust create gitlab --issuer URL --audience statekeep \\
    --jwks-url URL_OF_ITS_KEYS --claim 'project_path=infra/*' \\
    --workspace infra --role writer`}</pre></div>
    <p class="hint"><code>statekeep trust create --help</code> has the rest.</p>
  </details>`;
}

const HEADS = ["Name", "Issuer", "Scope", "Permissions", "Status", "Last used"];

function List({ found, onDone }) {
  const { trusts, damaged } = found;
  return html`<${Damaged} rows=${damaged} what="listed" />
    ${trusts.length === 0
      ? html`<${Notice}>There is no trust. With one, pipelines need no secret: their CI system signs a token for each job.<//>`
      : html`<${Table} caption=${plural(trusts.length, "trust")} heads=${HEADS} more="Actions">
        ${trusts.map((trust) => html`<${Row} key=${trust.id} trust=${trust} onDone=${onDone} />`)}<//>`}`;
}

export function Trusts() {
  const answer = useData(all, []);
  return html`<${View} title="Trusts">
    ${!may("ADM_APIKEY_DELETE") && html`<${Missing} permission="ADM_APIKEY_DELETE" to="remove trusts" />`}
    <${Asked} answer=${answer} what="Loading the trusts">${(found) => html`<${List} found=${found} onDone=${answer.reload} />`}<//>
    <${Make} />
  <//>`;
}

function Facts({ trust }) {
  const facts = [
    ["Status", html`<${Status} status=${trust.status} />`],
    ["Issuer", html`<code>${trust.issuer}</code>`],
    ["Audience", html`<code>${trust.audience}</code>`],
    ["Keys from", html`<code>${trust.jwks_file ?? trust.jwks_url}</code>`],
    ["Scope", html`<code>${scope(trust)}</code>`],
    ["Permissions", html`<span class="mono">${trust.permissions.join(" ")}</span>`],
    ["Each token", trust.once ? "is taken once" : "is taken until it ends"],
    ["Made", html`<${Time} at=${trust.created_at} /> by ${trust.created_by.name}`],
    ["Last used", html`<${Time} at=${trust.last_used_at} relative />`],
    ["Ends", html`<${Time} at=${trust.expires_at} />`],
  ];
  return html`<${FactCard} facts=${facts} />`;
}

function Claims({ claims }) {
  return html`<${Table} caption="All of these claims have to fit" heads=${["Claim", "Pattern"]}>
    ${Object.entries(claims).map(([name, pattern]) => html`<tr key=${name}>
      <th scope="row"><code>${name}</code></th><td data-name="Pattern" class="any"><code>${pattern}</code></td></tr>`)}<//>`;
}

export function Trust({ id }) {
  const ask = (signal) => get(`api/trusts/${encodeURIComponent(id)}`, {}, { signal });
  const answer = useData(ask, []);
  const { data } = answer;
  return html`<${View} title=${data?.name ?? "A trust"} crumbs=${[["Trusts", href("/trusts")]]}
    actions=${data && may("ADM_APIKEY_DELETE") && html`<${Remove} trust=${data} onDone=${() => go("/trusts")} />`}>
    ${!may("ADM_APIKEY_DELETE") && html`<${Missing} permission="ADM_APIKEY_DELETE" to="remove trusts" />`}
    <${Asked} answer=${answer}>${(trust) => html`<${Facts} trust=${trust} /><${Claims} claims=${trust.claims} />`}<//>
  <//>`;
}
