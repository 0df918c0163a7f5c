// What a module says to keep its state here.

import { html } from "../vendor/preact-htm.js";
import { Copy } from "../components/basics.js";
import { Frame, stateOf } from "./frame.js";

function block(address) {
  return `terraform {
  backend "http" {
    address        = "${address}"
    lock_address   = "${address}"
    unlock_address = "${address}"
    lock_method    = "LOCK"
    unlock_method  = "UNLOCK"
    update_method  = "POST"
  }
}
`;
}

const CREDENTIALS = `export TF_HTTP_USERNAME=x
export TF_HTTP_PASSWORD=SECRET_OR_TOKEN
`;

function Block({ label, text }) {
  return html`<div class="snippet"><pre tabindex="0" role="region" aria-label=${label}>${text}</pre>
    <${Copy} text=${text} label=${`Copy the ${label}`} /></div>`;
}

export function Use(names) {
  const state = stateOf(names);
  const address = new URL(state.api, document.baseURI).href;
  const server = new URL(".", document.baseURI).href.replace(/[/]$/, "");
  const run = `export STATEKEEP_URL=${server}\nexport STATEKEEP_KEY=SECRET_OR_TOKEN\nstatekeep run ${state.name} -- terraform apply\n`;
  return html`<${Frame} state=${state} part="use" title=${`Use ${state.name}`}>
    <section class="card part">
      <p>Put this into a file of the root module, such as <code>backend.tf</code>. It holds nothing secret.</p>
      <${Block} label="backend block" text=${block(address)} />
      <p>Terraform and OpenTofu read the credentials from the environment.</p>
      <${Block} label="credentials" text=${CREDENTIALS} />
      <p>Or let the command line do both for one run, and remove them afterwards.</p>
      <${Block} label="command" text=${run} />
    </section>
  <//>`;
}
