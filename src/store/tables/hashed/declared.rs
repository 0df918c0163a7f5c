//! The tables whose rows carry a hash, each with its columns declared once. A test compares them
//! with the schema.

use crate::store::tables::presence::SecondList;

/// A table whose rows carry a hash.
pub(in crate::store) struct Hashed {
    /// Its name.
    pub(in crate::store) name: &'static str,
    /// The columns of its primary key.
    pub(in crate::store) key: &'static [&'static str],
    /// The columns by which its rows are listed a second time; none where they are not.
    pub(in crate::store) place: &'static [&'static str],
    /// All columns but the hash.
    pub(in crate::store) columns: &'static [&'static str],
    /// The same as the end of a list to select, from the table's alias, and the hash behind them.
    pub(in crate::store) proof: &'static str,
    /// The same without an alias and without the hash.
    pub(in crate::store) bare: &'static str,
    /// Whether what is remembered of keys and tokens is forgotten after a change.
    pub(super) of_credentials: bool,
    /// Where the second list has its rows.
    pub(super) kept: SecondList,
}

/// Declares a table: its name, alias, key, place and columns.
macro_rules! hashed {
    ($table:literal, $alias:literal, $of_credentials:literal,
     [$($key:literal),+], [$($place:literal),*], [$first:literal $(, $column:literal)* $(,)?]) => {
        Hashed {
            name: $table,
            key: &[$($key),+],
            place: &[$($place),*],
            columns: &[$first $(, $column)*],
            proof: concat!(
                ", ", $alias, ".", $first, $(", ", $alias, ".", $column,)* ", ", $alias, ".mac"
            ),
            bare: concat!($first $(, ", ", $column)*),
            of_credentials: $of_credentials,
            kept: SecondList::InTable,
        }
    };
}

/// Selected as `s`. A state is looked for by its name.
pub(in crate::store) const STATES: Hashed = hashed!(
    "states",
    "s",
    false,
    ["id"],
    ["workspace", "building_block"],
    [
        "id",
        "workspace",
        "building_block",
        "current",
        "last_number",
        "compacted_up_to",
        "created_at",
        "updated_at",
        "deleted_at",
        "imported_deleted",
    ]
);

/// Selected as `v`. Versions are not listed a second time: which of them there are is told by the
/// row of their state.
pub(in crate::store) const VERSIONS: Hashed = hashed!(
    "versions",
    "v",
    false,
    ["state_id", "number"],
    [],
    [
        "state_id",
        "number",
        "blob_id",
        "sha256",
        "size",
        "format",
        "serial",
        "lineage",
        "terraform_version",
        "resources",
        "added",
        "changed",
        "removed",
        "encrypted",
        "kind",
        "rejection",
        "intermediate",
        "from_version",
        "created_at",
        "created_by",
        "created_by_name",
        "address",
        "lock_id",
        "lock_operation",
        "lock_who",
        "held_at",
        "held_by",
        "held_by_name",
        "held_reason",
        "replaced",
    ]
);

/// Selected as `m`.
pub(in crate::store) const MOVES: Hashed = hashed!(
    "moves",
    "m",
    false,
    ["workspace", "building_block"],
    ["workspace", "building_block"],
    ["workspace", "building_block", "state_id", "moved_at"]
);

/// Selected as `t`.
pub(in crate::store) const TRANSFERS: Hashed = hashed!(
    "transfers",
    "t",
    false,
    ["state_id"],
    ["state_id"],
    [
        "state_id",
        "target",
        "lock_id",
        "begun_at",
        "begun_by",
        "begun_by_name",
        "done_at"
    ]
);

/// Selected as `l`.
pub(in crate::store) const LOCKS: Hashed = Hashed {
    kept: SecondList::BesideCommit,
    ..hashed!(
        "locks",
        "l",
        false,
        ["workspace", "building_block"],
        ["workspace", "building_block"],
        [
            "workspace",
            "building_block",
            "body",
            "holder",
            "holder_name",
            "address",
            "locked_at",
            "refused",
            "refused_at",
            "refused_key",
            "refused_name",
            "refused_address",
            "refused_lock_id",
            "refused_who",
            "permissions",
            "taken_with",
            "token",
            "good_until",
            "ended_at",
        ]
    )
};

/// Selected as `b`.
pub(in crate::store) const BROKEN_LOCKS: Hashed = hashed!(
    "broken_locks",
    "b",
    false,
    ["workspace", "building_block"],
    ["workspace", "building_block"],
    [
        "workspace",
        "building_block",
        "lock_id",
        "holder",
        "broken_at",
        "died"
    ]
);

/// Selected as `k`.
pub(in crate::store) const KEYS: Hashed = hashed!(
    "keys",
    "k",
    true,
    ["id"],
    ["id"],
    [
        "id",
        "place",
        "name",
        "workspace",
        "building_block",
        "permissions",
        "hash",
        "old_hash",
        "old_secret_until",
        "created_at",
        "created_by",
        "created_by_name",
        "expires_at",
        "revoked_at",
        "rotated_at",
        "last_used_at",
        "generation",
        "fingerprint",
        "old_fingerprint",
        "client_sans",
    ]
);

/// Selected as `t`.
pub(in crate::store) const TOKENS: Hashed = hashed!(
    "tokens",
    "t",
    true,
    ["sha256"],
    ["sha256"],
    [
        "sha256",
        "key_id",
        "workspace",
        "building_block",
        "permissions",
        "created_at",
        "expires_at",
        "renewable",
        "generation",
        "trust_id",
    ]
);

/// Selected as `p`.
pub(in crate::store) const POLICIES: Hashed = hashed!(
    "policies",
    "p",
    false,
    ["workspace"],
    ["workspace"],
    ["workspace", "policy", "set_at", "set_by", "set_by_name"]
);

/// Selected as `q`.
pub(in crate::store) const QUOTAS: Hashed = hashed!(
    "quotas",
    "q",
    false,
    ["workspace"],
    ["workspace"],
    [
        "workspace",
        "bytes",
        "states",
        "versions",
        "rate",
        "set_at",
        "set_by",
        "set_by_name",
    ]
);

/// Selected as `a`.
pub(in crate::store) const APPROVALS: Hashed = hashed!(
    "approvals",
    "a",
    false,
    ["id"],
    ["id"],
    [
        "id",
        "act",
        "digest",
        "what",
        "asked_by",
        "asked_by_name",
        "asked_at",
        "ends_at",
        "approved_by",
        "approved_by_name",
        "approved_at",
    ]
);

/// Selected as `f`.
pub(in crate::store) const FREEZES: Hashed = hashed!(
    "freezes",
    "f",
    false,
    ["workspace", "building_block"],
    ["workspace", "building_block"],
    [
        "workspace",
        "building_block",
        "until",
        "reason",
        "frozen_at",
        "frozen_by",
        "frozen_by_name",
    ]
);

/// Selected as `g`. Gaps are not listed a second time: the chain of events says where one has to
/// be.
pub(in crate::store) const EVENT_GAPS: Hashed = hashed!(
    "event_gaps",
    "g",
    false,
    ["first"],
    [],
    ["first", "last", "chain"]
);

/// Selected as `r`.
pub(in crate::store) const TRUSTS: Hashed = hashed!(
    "trusts",
    "r",
    true,
    ["id"],
    ["id"],
    [
        "id",
        "place",
        "name",
        "issuer",
        "audience",
        "jwks_file",
        "jwks_url",
        "claims",
        "workspace",
        "building_block",
        "permissions",
        "once",
        "created_at",
        "created_by",
        "created_by_name",
        "expires_at",
        "last_used_at",
    ]
);

/// Selected as `s`.
pub(in crate::store) const SPENT_ID_TOKENS: Hashed = hashed!(
    "spent_id_tokens",
    "s",
    false,
    ["jti_hash"],
    ["jti_hash"],
    ["jti_hash", "trust_id", "ends_at"]
);

/// Selected as `a`. Acknowledgements are not listed a second time: an event without one waits for a
/// person.
pub(in crate::store) const ACKNOWLEDGEMENTS: Hashed = hashed!(
    "acknowledgements",
    "a",
    false,
    ["event"],
    [],
    [
        "event",
        "seen",
        "acknowledged_at",
        "acknowledged_by",
        "acknowledged_by_name",
        "word",
    ]
);

/// Selected as `h`.
pub(in crate::store) const HOOKS: Hashed = hashed!(
    "hooks",
    "h",
    false,
    ["id"],
    ["id"],
    [
        "id",
        "place",
        "url",
        "kinds",
        "workspace",
        "may_be_private",
        "secret",
        "enabled",
        "created_at",
        "created_by",
        "created_by_name",
    ]
);

/// Selected as `c`. Readers are not listed a second time: one whose row is lost is seen again with
/// the next read.
pub(in crate::store) const CONSUMERS: Hashed = hashed!(
    "consumers",
    "c",
    false,
    ["state_id", "reader", "day"],
    [],
    [
        "state_id",
        "reader",
        "day",
        "reader_name",
        "first_at",
        "last_at",
        "whole",
        "outputs",
        "version",
        "looked_at",
        "mark",
    ]
);

/// Each of them.
pub(in crate::store) const ALL: [&Hashed; 18] = [
    &STATES,
    &VERSIONS,
    &MOVES,
    &TRANSFERS,
    &LOCKS,
    &BROKEN_LOCKS,
    &KEYS,
    &TOKENS,
    &POLICIES,
    &QUOTAS,
    &APPROVALS,
    &FREEZES,
    &EVENT_GAPS,
    &TRUSTS,
    &SPENT_ID_TOKENS,
    &ACKNOWLEDGEMENTS,
    &HOOKS,
    &CONSUMERS,
];
