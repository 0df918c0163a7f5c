// What kinds of events are called by people. The kinds stand in docs/api.md.

const KINDS = {
  "state.write": "State written",
  "state.write_rejected": "Write rejected and kept",
  "state.delete": "State deleted",
  "state.restore": "State restored",
  "state.rollback": "State rolled back",
  "state.move": "State moved",
  "state.import": "Version imported",
  "state.purge": "Content purged",
  "state.reveal": "Secrets shown in clear",
  "state.prune": "Versions pruned",
  "state.read": "State read",
  "state.freeze": "State frozen",
  "state.unfreeze": "Freeze lifted",
  "version.hold": "Version held",
  "version.release": "Version released",
  "version.damaged": "Version damaged",
  "row.damaged": "Row damaged",
  "row_key.renew": "Row key renewed",
  "loss.accepted": "Started although writes are missing",
  "transfer.begin": "Transfer begun",
  "transfer.finish": "Transfer finished",
  "transfer.abandon": "Transfer abandoned",
  "retention.run": "Pruning ran",
  "retention.set": "Policy set",
  "retention.unset": "Policy removed",
  "quota.set": "Quota set",
  "quota.clear": "Quota removed",
  "clock.trust": "Clock confirmed",
  "event.acknowledge": "Event acknowledged",
  "lock.acquire": "Locked",
  "lock.release": "Lock released",
  "lock.break": "Lock broken by force",
  "lock.died": "Lock died, and went to another",
  "lock.plan": "Plan held the lock",
  login: "Token made",
  "token.extend": "Token extended",
  "token.end": "Token ended",
  "key.create": "Key created",
  "key.rotate": "Key rotated",
  "key.revoke": "Key revoked",
  "approval.ask": "Approval asked for",
  "approval.give": "Act approved",
  "approval.refuse": "Act refused",
  "approval.use": "Approved act done",
  "trust.create": "Trust created",
  "trust.remove": "Trust removed",
  "hook.create": "Webhook created",
  "hook.enable": "Webhook enabled",
  "hook.delete": "Webhook deleted",
  "hook.fail": "Webhook fails",
  "backup.make": "Backup taken",
  "backup.fail": "Backup failed",
  "backup.restore": "Restored from a backup",
  "credentials.refused": "Credentials refused",
  "access.refused": "Access refused",
  "request.redirected": "Came through a redirect",
};

/** The families that the log can be filtered by, each with its name. */
export const FAMILIES = [
  ["state.*", "States"],
  ["lock.*", "Locks"],
  ["version.*", "Versions"],
  ["transfer.*", "Transfers"],
  ["key.*", "Keys"],
  ["trust.*", "Trusts"],
  ["hook.*", "Webhooks"],
  ["approval.*", "Approvals"],
  ["login", "Logins"],
  ["token.*", "Tokens"],
  ["access.*", "Access refused"],
  ["credentials.*", "Credentials refused"],
  ["retention.*", "Retention"],
  ["quota.*", "Quotas"],
  ["backup.*", "Backups"],
  ["state.read", "Reads of states"],
];

/** The name of a kind; a kind that this page does not know stands for itself. */
export function kindName(event) {
  if (event.kind === "state.write" && event.attention) {
    return event.detail?.unchanged ? "Unlocked write of what another key wrote" : "Unlocked write dropped resources";
  }
  return KINDS[event.kind] ?? String(event.kind);
}

/** The members of an event's detail in one line of text. */
export function detailText(detail) {
  const plain = (value) => {
    if (Array.isArray(value)) return value.map(plain).join(", ");
    if (value !== null && typeof value === "object") return String(value.name ?? JSON.stringify(value));
    return String(value).replace(/^OperationType/, "");
  };
  return Object.entries(detail ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")}: ${plain(value)}`).join(" · ");
}
