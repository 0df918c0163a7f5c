-- Webhooks: whom the server tells of events, how far it is, and what came of it.

CREATE TABLE hooks (
    id              TEXT PRIMARY KEY,
    place           INTEGER NOT NULL UNIQUE, -- 1, 2, 3, … in the order in which they were made
    url             TEXT NOT NULL,
    kinds           TEXT NOT NULL,           -- separated by spaces: kinds of events, families such as state.*, attention, all
    workspace       TEXT,                    -- only events of this workspace; NULL for all
    may_be_private  INTEGER NOT NULL,        -- whether the host may have a private address
    secret          TEXT NOT NULL,           -- with which deliveries are signed, so it has to be kept as it is
    enabled         INTEGER NOT NULL,        -- 0 after a restore, until a person enables it
    created_at      INTEGER NOT NULL,        -- milliseconds since 1970
    created_by      TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    mac             BLOB                     -- as in other tables
) STRICT, WITHOUT ROWID;

-- How far each hook is in the log of events, which is its queue. These rows change often and have no hash of their own.
CREATE TABLE hook_progress (
    hook    TEXT PRIMARY KEY, -- the hook's id
    place   INTEGER NOT NULL, -- the last event that is done: delivered, given up, missed, or none of the hook's
    missed  INTEGER NOT NULL, -- events that were gone before it was their turn, at most so many of them the hook's
    told_at INTEGER           -- when an event last said that the hook fails, in milliseconds since 1970; NULL if none did
) STRICT, WITHOUT ROWID;

-- What came of the last deliveries, at most 100 a hook. One behind the hook's place is being tried.
CREATE TABLE hook_deliveries (
    hook       TEXT NOT NULL,
    event      INTEGER NOT NULL, -- its place in the log
    kind       TEXT NOT NULL,
    outcome    TEXT NOT NULL,    -- retrying, delivered, given_up
    tries      INTEGER NOT NULL,
    refusals   INTEGER NOT NULL, -- tries that were answered, and not by 2xx, 408, 425, 429 or 5xx
    first_at   INTEGER NOT NULL, -- the first try, in milliseconds since 1970
    last_at    INTEGER NOT NULL, -- the last one
    status     INTEGER,          -- the status of the last answer; NULL if there was none
    error      TEXT,             -- why there was none
    PRIMARY KEY (hook, event)
) STRICT, WITHOUT ROWID;
