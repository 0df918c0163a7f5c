CREATE TABLE states (
    id             INTEGER PRIMARY KEY,
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    current        INTEGER,          -- the current version's number; none before the first accepted write
    last_number    INTEGER NOT NULL, -- the highest number ever given to a version
    compacted_up_to        INTEGER NOT NULL, -- up to this number, versions have their counts and the frames that they keep
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    deleted_at     INTEGER, imported_deleted INTEGER, mac BLOB, versions INTEGER NOT NULL DEFAULT 0, stored INTEGER NOT NULL DEFAULT 0,          -- since when it is hidden, if it is
    UNIQUE (workspace, building_block)
) STRICT;
CREATE TABLE moves (
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    state_id       INTEGER NOT NULL REFERENCES states (id),
    moved_at       INTEGER NOT NULL, mac BLOB,
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;
CREATE INDEX moves_state ON moves (state_id);
CREATE TABLE transfers (
    state_id      INTEGER PRIMARY KEY REFERENCES states (id),
    target        TEXT NOT NULL,    -- where to, in the words of whoever began
    lock_id       TEXT NOT NULL,    -- of the lock under which it is done
    begun_at      INTEGER NOT NULL,
    begun_by      ANY NOT NULL,     -- who went on with it last
    begun_by_name TEXT NOT NULL,
    done_at       INTEGER           -- since when the state has left, if it has
, mac BLOB) STRICT;
CREATE TABLE blobs (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                 -- of the exact bytes, which finds bytes that are kept already; no two are equal
    format     INTEGER NOT NULL,              -- how the frame is to be read
    base       INTEGER REFERENCES blobs (id), -- the blob that the frame is a difference to; none when it stands alone
    size       INTEGER NOT NULL,              -- of the exact bytes
    stored     INTEGER NOT NULL,              -- the frame's length
    difference INTEGER,                       -- the frame, where it is a difference
    frame      BLOB                           -- the frame, where it stands alone
) STRICT;
CREATE INDEX blobs_digest ON blobs (substr(digest, 1, 8));
CREATE INDEX blobs_base ON blobs (base) WHERE base IS NOT NULL;
CREATE TABLE differences (
    id    INTEGER PRIMARY KEY,
    frame BLOB NOT NULL
) STRICT;
CREATE TRIGGER blobs_replaced AFTER UPDATE OF difference ON blobs WHEN OLD.difference IS NOT NEW.difference BEGIN
    DELETE FROM differences WHERE id = OLD.difference;
END;
CREATE TRIGGER blobs_removed AFTER DELETE ON blobs WHEN OLD.difference IS NOT NULL BEGIN
    DELETE FROM differences WHERE id = OLD.difference;
END;
CREATE TABLE versions (
    state_id          INTEGER NOT NULL REFERENCES states (id),
    number            INTEGER NOT NULL,
    blob_id           INTEGER REFERENCES blobs (id), -- none when the content was removed
    sha256            BLOB NOT NULL,              -- of the exact bytes
    size              INTEGER NOT NULL,           -- of the exact bytes
    format            INTEGER,                    -- of the state; none when encrypted
    serial            INTEGER NOT NULL,
    lineage           ANY NOT NULL,
    terraform_version TEXT,
    resources         INTEGER,
    added             INTEGER,                    -- resource instances, against the version before; none before that is counted
    changed           INTEGER,
    removed           INTEGER,
    encrypted         INTEGER NOT NULL,
    kind              TEXT NOT NULL,
    rejection         TEXT,                       -- why it was rejected, if it was
    intermediate      INTEGER NOT NULL,
    from_version      INTEGER,
    created_at        INTEGER NOT NULL,
    created_by        ANY NOT NULL,
    created_by_name   TEXT NOT NULL,
    address           TEXT NOT NULL,
    lock_id           ANY,                        -- none for a write without a lock
    lock_operation    TEXT,
    lock_who          TEXT,
    held_at           INTEGER,                    -- since when it may not be pruned or purged, if it may not
    held_by           TEXT,
    held_by_name      TEXT,
    held_reason       TEXT, replaced INTEGER, mac BLOB,
    PRIMARY KEY (state_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_blob ON versions (blob_id);
CREATE INDEX versions_rejected ON versions (state_id, number) WHERE kind = 'rejected';
CREATE TABLE removed_serials (
    state_id INTEGER NOT NULL REFERENCES states (id),
    lineage  ANY NOT NULL,
    serial   INTEGER NOT NULL,
    PRIMARY KEY (state_id, lineage)
) STRICT, WITHOUT ROWID;
CREATE TABLE pending_erasure (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    asked_at  INTEGER NOT NULL,
    rewritten INTEGER NOT NULL -- whether only the write-ahead log still holds it
) STRICT;
CREATE TABLE policies (
    workspace   TEXT PRIMARY KEY,
    policy      TEXT NOT NULL, -- JSON
    set_at      INTEGER NOT NULL,
    set_by      TEXT NOT NULL,
    set_by_name TEXT NOT NULL
, mac BLOB) STRICT, WITHOUT ROWID;
CREATE TABLE moments (
    name TEXT PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE locks (
    workspace       TEXT NOT NULL,
    building_block  TEXT NOT NULL,
    body            TEXT NOT NULL, -- exactly as its holder sent it
    holder          TEXT NOT NULL,
    holder_name     TEXT NOT NULL,
    address         TEXT NOT NULL,
    locked_at       INTEGER NOT NULL,
    refused         INTEGER NOT NULL,
    refused_at      INTEGER,
    refused_key     TEXT,
    refused_name    TEXT,
    refused_address TEXT,
    refused_lock_id TEXT,
    refused_who     TEXT, mac BLOB, permissions TEXT, taken_with TEXT, token BLOB, good_until INTEGER, ended_at INTEGER,
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;
CREATE TABLE broken_locks (
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    lock_id        TEXT NOT NULL,
    holder         TEXT NOT NULL,
    broken_at      INTEGER NOT NULL, mac BLOB, died INTEGER,
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;
CREATE TABLE stale_writers (
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    key_id         TEXT NOT NULL,
    address        TEXT NOT NULL,
    refused_at     INTEGER NOT NULL,
    PRIMARY KEY (workspace, building_block, key_id, address)
) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
    id               TEXT PRIMARY KEY,
    place            INTEGER NOT NULL UNIQUE, -- 1, 2, 3, … in the order in which they were made
    name             TEXT NOT NULL,
    workspace        TEXT,
    building_block   TEXT,
    permissions      TEXT NOT NULL,           -- separated by spaces
    hash             TEXT NOT NULL,           -- argon2id
    old_hash         TEXT,
    old_secret_until INTEGER,
    created_at       INTEGER NOT NULL,
    created_by       TEXT NOT NULL,
    created_by_name  TEXT NOT NULL,
    expires_at       INTEGER,
    revoked_at       INTEGER,
    rotated_at       INTEGER,
    last_used_at     INTEGER
, mac BLOB, generation INTEGER, fingerprint BLOB, old_fingerprint BLOB, client_sans TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,
    at             INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    actor          ANY,
    actor_name     TEXT,
    address        TEXT NOT NULL,
    request_id     ANY,
    workspace      TEXT,
    building_block TEXT,
    version        INTEGER,
    lock_id        ANY,
    count          INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    attention      INTEGER NOT NULL,
    detail         TEXT,
    gather         TEXT -- what makes gathered events one row; none for acts
, lasting INTEGER, chain BLOB, grown BLOB, fresh INTEGER) STRICT;
CREATE INDEX events_attention ON events (seq) WHERE attention = 1;
CREATE TABLE damaged_versions (
    state_id INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    found_at INTEGER NOT NULL,
    PRIMARY KEY (state_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE scrub (
    id               INTEGER PRIMARY KEY,
    started_at       INTEGER, -- of the pass under way; none between two passes
    state_id         INTEGER, -- the state and
    number           INTEGER, -- the version that it has come to
    so_far           TEXT,    -- what it has found, as JSON
    last_started_at  INTEGER, -- of the last whole pass, like the two below
    last_finished_at INTEGER,
    last_came_to     TEXT     -- JSON
) STRICT;
CREATE TABLE instance (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  BLOB NOT NULL -- a UUID
) STRICT;
CREATE TABLE commits (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL, -- raised when a person accepts that commits are missing
    number     INTEGER NOT NULL, -- counts up by one with each commit
    at         INTEGER NOT NULL, -- when that commit was made
    head       BLOB NOT NULL     -- SHA-256 of the head before, the number and the time; both as 8 bytes, the highest first
, events_number INTEGER, events_chain BLOB, events_begun INTEGER, events_mac BLOB, lock_places BLOB) STRICT;
CREATE TABLE presence (
    place BLOB PRIMARY KEY -- a keyed hash of the table's name and of the columns by which its rows are found
) STRICT, WITHOUT ROWID;
CREATE TABLE row_key (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    proof   BLOB NOT NULL,    -- a hash of nothing under the key, by which the key is known
    made_at INTEGER NOT NULL,
    rows    INTEGER NOT NULL, -- how many rows were hashed when it was made
    changed INTEGER,          -- how many of those did not fit the key before it; none where there was no key to look with
    mended  INTEGER NOT NULL, -- how many states got another current version, and how many locks that could not be read were removed
    told    INTEGER NOT NULL  -- whether there is an event of it, where a person asked for the key
) STRICT;
CREATE INDEX keys_creator ON keys (created_by);
CREATE TABLE pending_separation (
    one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;
CREATE INDEX events_lasting ON events (workspace, building_block, seq, lasting) WHERE lasting = 1;
CREATE INDEX events_lasting_at ON events (at) WHERE lasting = 1;
CREATE TABLE quotas (
    workspace   TEXT PRIMARY KEY,
    bytes       INTEGER,          -- of the frames that its versions have on the disk
    states      INTEGER,          -- that are not deleted
    versions    INTEGER,          -- of all its states, rejected and purged ones too
    rate        INTEGER,          -- versions a minute
    set_at      INTEGER NOT NULL, -- milliseconds since 1970
    set_by      TEXT NOT NULL,
    set_by_name TEXT NOT NULL,
    mac         BLOB              -- as in other tables
) STRICT, WITHOUT ROWID;
CREATE TABLE workspace_use (
    workspace TEXT PRIMARY KEY,
    bytes     INTEGER NOT NULL,
    states    INTEGER NOT NULL,
    versions  INTEGER NOT NULL,
    minute    INTEGER NOT NULL DEFAULT 0, -- since 1970, in which the workspace last got a version while it had a rate
    writes    INTEGER NOT NULL DEFAULT 0  -- how many it got in that minute
) STRICT, WITHOUT ROWID;
CREATE TRIGGER use_of_a_new_state AFTER INSERT ON states BEGIN
    INSERT OR IGNORE INTO workspace_use (workspace, bytes, states, versions) VALUES (NEW.workspace, 0, 0, 0);
    UPDATE workspace_use SET states = states + 1
    WHERE workspace = NEW.workspace AND NEW.current IS NOT NULL AND NEW.deleted_at IS NULL;
END;
CREATE TRIGGER use_of_a_shown_state AFTER UPDATE OF current, deleted_at ON states
WHEN (OLD.current IS NOT NULL AND OLD.deleted_at IS NULL) <> (NEW.current IS NOT NULL AND NEW.deleted_at IS NULL) BEGIN
    UPDATE workspace_use SET states = states + iif(NEW.current IS NOT NULL AND NEW.deleted_at IS NULL, 1, -1)
    WHERE workspace = OLD.workspace;
END;
CREATE TRIGGER use_of_a_moved_state AFTER UPDATE OF workspace ON states WHEN OLD.workspace <> NEW.workspace BEGIN
    INSERT OR IGNORE INTO workspace_use (workspace, bytes, states, versions) VALUES (NEW.workspace, 0, 0, 0);
    UPDATE workspace_use SET
        states = states + iif(workspace = NEW.workspace, 1, -1) * (NEW.current IS NOT NULL AND NEW.deleted_at IS NULL),
        versions = versions + iif(workspace = NEW.workspace, 1, -1) * (SELECT count(*) FROM versions v WHERE v.state_id = NEW.id),
        bytes = bytes + iif(workspace = NEW.workspace, 1, -1)
            * (SELECT coalesce(sum(b.stored), 0) FROM versions v JOIN blobs b ON b.id = v.blob_id WHERE v.state_id = NEW.id)
    WHERE workspace IN (OLD.workspace, NEW.workspace);
END;
CREATE TRIGGER use_of_a_new_version AFTER INSERT ON versions BEGIN
    UPDATE workspace_use SET
        versions = versions + 1,
        bytes = bytes + coalesce((SELECT stored FROM blobs WHERE id = NEW.blob_id), 0)
    WHERE workspace = (SELECT workspace FROM states WHERE id = NEW.state_id);
END;
CREATE TRIGGER use_of_a_removed_version AFTER DELETE ON versions BEGIN
    UPDATE workspace_use SET
        versions = versions - 1,
        bytes = bytes - coalesce((SELECT stored FROM blobs WHERE id = OLD.blob_id), 0)
    WHERE workspace = (SELECT workspace FROM states WHERE id = OLD.state_id);
END;
CREATE TRIGGER use_of_other_content AFTER UPDATE OF blob_id ON versions WHEN OLD.blob_id IS NOT NEW.blob_id BEGIN
    UPDATE workspace_use SET
        bytes = bytes + coalesce((SELECT stored FROM blobs WHERE id = NEW.blob_id), 0)
            - coalesce((SELECT stored FROM blobs WHERE id = OLD.blob_id), 0)
    WHERE workspace = (SELECT workspace FROM states WHERE id = NEW.state_id);
END;
CREATE TRIGGER use_of_a_replaced_frame AFTER UPDATE OF stored ON blobs WHEN OLD.stored <> NEW.stored BEGIN
    UPDATE workspace_use SET
        bytes = bytes + (NEW.stored - OLD.stored)
            * (SELECT count(*) FROM versions v JOIN states s ON s.id = v.state_id WHERE v.blob_id = NEW.id AND s.workspace = workspace_use.workspace)
    WHERE workspace IN (SELECT s.workspace FROM versions v JOIN states s ON s.id = v.state_id WHERE v.blob_id = NEW.id);
END;
CREATE TABLE event_blocks (
    block    INTEGER PRIMARY KEY,        -- the places divided by 1,024
    first_at INTEGER NOT NULL,           -- no `at` of its events is earlier
    last_at  INTEGER NOT NULL,           -- no `last_at` of its events is later
    swept    INTEGER NOT NULL DEFAULT 0  -- 1 once the sweep has left none in it but lasting events
) STRICT;
CREATE TRIGGER events_fill_a_block AFTER INSERT ON events WHEN NEW.seq % 1024 = 0 BEGIN
    INSERT OR REPLACE INTO event_blocks (block, first_at, last_at)
    SELECT NEW.seq / 1024 - 1, min(at), max(last_at) FROM events NOT INDEXED
    WHERE seq >= NEW.seq - 1024 AND seq < NEW.seq
    HAVING count(*) > 0;
END;
CREATE TRIGGER events_go_on AFTER UPDATE OF last_at ON events WHEN NEW.last_at > OLD.last_at BEGIN
    UPDATE event_blocks SET last_at = NEW.last_at WHERE block = NEW.seq / 1024 AND last_at < NEW.last_at;
END;
CREATE INDEX states_block ON states (building_block, workspace);
CREATE TRIGGER history_of_a_new_version AFTER INSERT ON versions BEGIN
    UPDATE states SET
        versions = versions + 1,
        stored = stored + coalesce((SELECT b.stored FROM blobs b WHERE b.id = NEW.blob_id AND NOT EXISTS (
            SELECT 1 FROM versions v WHERE v.blob_id = NEW.blob_id AND v.state_id = NEW.state_id AND v.number <> NEW.number)), 0)
    WHERE id = NEW.state_id;
END;
CREATE TRIGGER history_of_a_removed_version AFTER DELETE ON versions BEGIN
    UPDATE states SET
        versions = versions - 1,
        stored = stored - coalesce((SELECT b.stored FROM blobs b WHERE b.id = OLD.blob_id AND NOT EXISTS (
            SELECT 1 FROM versions v WHERE v.blob_id = OLD.blob_id AND v.state_id = OLD.state_id)), 0)
    WHERE id = OLD.state_id;
END;
CREATE TRIGGER history_of_other_content AFTER UPDATE OF blob_id ON versions WHEN OLD.blob_id IS NOT NEW.blob_id BEGIN
    UPDATE states SET
        stored = stored
            + coalesce((SELECT b.stored FROM blobs b WHERE b.id = NEW.blob_id AND NOT EXISTS (
                SELECT 1 FROM versions v WHERE v.blob_id = NEW.blob_id AND v.state_id = NEW.state_id AND v.number <> NEW.number)), 0)
            - coalesce((SELECT b.stored FROM blobs b WHERE b.id = OLD.blob_id AND NOT EXISTS (
                SELECT 1 FROM versions v WHERE v.blob_id = OLD.blob_id AND v.state_id = NEW.state_id)), 0)
    WHERE id = NEW.state_id;
END;
CREATE TRIGGER history_of_a_replaced_frame AFTER UPDATE OF stored ON blobs WHEN OLD.stored <> NEW.stored BEGIN
    UPDATE states SET stored = stored + NEW.stored - OLD.stored
    WHERE id IN (SELECT v.state_id FROM versions v WHERE v.blob_id = NEW.id);
END;
CREATE TABLE found_states (
    state_id  INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,    -- under which the words of the state stand
    version   INTEGER           -- NULL while not all of it is in the index
) STRICT;
CREATE TABLE found_entries (
    state_id INTEGER NOT NULL,
    kind     INTEGER NOT NULL,  -- 0 the state, 1 a resource instance, 2 an output
    address  TEXT NOT NULL,
    type     TEXT,              -- of a resource
    provider TEXT,              -- its source, such as registry.terraform.io/hashicorp/aws
    texts    TEXT NOT NULL, sealed BLOB,     -- lines of a path, the character U+001F and a value; nothing that is masked
    PRIMARY KEY (state_id, kind, address)
) STRICT, WITHOUT ROWID;
CREATE TABLE found_words (
    workspace TEXT NOT NULL,
    word      TEXT NOT NULL,
    state_id  INTEGER NOT NULL,
    PRIMARY KEY (workspace, word, state_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE pending_words (
    workspace TEXT NOT NULL,
    state_id  INTEGER NOT NULL,
    stamp     INTEGER NOT NULL, -- one more for each change
    PRIMARY KEY (workspace, state_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER words_of_a_changed_state AFTER UPDATE OF current, deleted_at, workspace, building_block ON states
WHEN OLD.current IS NOT NEW.current OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.workspace <> NEW.workspace OR OLD.building_block <> NEW.building_block BEGIN
    INSERT INTO pending_words (workspace, state_id, stamp) VALUES (NEW.workspace, NEW.id, 1)
    ON CONFLICT (workspace, state_id) DO UPDATE SET stamp = stamp + 1;
END;
CREATE TABLE event_gaps (
    first INTEGER PRIMARY KEY, -- the first place in the log that has no event of the chain
    last  INTEGER NOT NULL,    -- the last one
    chain BLOB NOT NULL,       -- the hash that the event at the last place had
    mac   BLOB                 -- a keyed hash of the row
) STRICT;
CREATE TABLE trusts (
    id              TEXT PRIMARY KEY,
    place           INTEGER NOT NULL UNIQUE, -- 1, 2, 3, … in the order in which they were made
    name            TEXT NOT NULL UNIQUE,
    issuer          TEXT NOT NULL,           -- what `iss` has to be
    audience        TEXT NOT NULL,           -- what `aud` has to be, or to have in it
    jwks_file       TEXT,                    -- the file with the issuer's keys; NULL if they come from an address
    jwks_url        TEXT,                    -- the address; NULL if they come from a file
    claims          TEXT NOT NULL,           -- a JSON object: the name of a claim and its pattern
    workspace       TEXT,                    -- a name with {claims} in it; NULL for all workspaces
    building_block  TEXT,                    -- the same; NULL for all of the workspace
    permissions     TEXT NOT NULL,           -- separated by spaces
    once            INTEGER NOT NULL,        -- whether an ID token is exchanged at most once
    created_at      INTEGER NOT NULL,
    created_by      TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    expires_at      INTEGER,
    last_used_at    INTEGER,
    mac             BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX trusts_issuer ON trusts (issuer, place);
CREATE INDEX trusts_creator ON trusts (created_by, place);
CREATE TABLE spent_id_tokens (
    jti_hash BLOB PRIMARY KEY, -- SHA-256 of the trust's id and the token's `jti`
    trust_id TEXT NOT NULL,
    ends_at  INTEGER NOT NULL, -- when the ID token ends
    mac      BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_id_tokens_trust ON spent_id_tokens (trust_id, ends_at);
CREATE INDEX spent_id_tokens_end ON spent_id_tokens (ends_at);
CREATE TABLE "tokens" (
    sha256         BLOB PRIMARY KEY,
    key_id         TEXT REFERENCES keys (id), -- NULL if it was made from an ID token
    workspace      TEXT,
    building_block TEXT,
    permissions    TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    renewable      INTEGER NOT NULL,
    mac            BLOB,
    generation     INTEGER,
    trust_id       TEXT                       -- NULL if it was made from a key
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_key ON tokens (key_id, expires_at);
CREATE INDEX tokens_trust ON tokens (trust_id, expires_at);
CREATE INDEX tokens_end ON tokens (expires_at);
CREATE TABLE approvals (
    id               INTEGER PRIMARY KEY, -- made by chance, six digits
    act              TEXT NOT NULL,       -- purge, prune, admin-key or policy
    digest           BLOB NOT NULL,       -- SHA-256 of the act and all that it says
    what             TEXT NOT NULL,       -- the same as JSON, for people
    asked_by         TEXT NOT NULL,
    asked_by_name    TEXT NOT NULL,
    asked_at         INTEGER NOT NULL,    -- milliseconds since 1970
    ends_at          INTEGER NOT NULL,
    approved_by      TEXT,                -- NULL until then
    approved_by_name TEXT,
    approved_at      INTEGER,
    mac              BLOB                 -- as in other tables
) STRICT;
CREATE TABLE freezes (
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    until          INTEGER,          -- milliseconds since 1970; NULL until it is lifted
    reason         TEXT NOT NULL,
    frozen_at      INTEGER NOT NULL, -- milliseconds since 1970
    frozen_by      TEXT NOT NULL,
    frozen_by_name TEXT NOT NULL,
    mac            BLOB,             -- as in other tables
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;
CREATE TABLE acknowledgements (
    event                INTEGER PRIMARY KEY, -- its place in the log
    seen                 INTEGER NOT NULL,    -- the event's `count` at that time: what happens later is not acknowledged by it
    acknowledged_at      INTEGER NOT NULL,    -- milliseconds since 1970
    acknowledged_by      TEXT NOT NULL,
    acknowledged_by_name TEXT NOT NULL,
    word                 TEXT,
    mac                  BLOB                 -- as in other tables
) STRICT;
CREATE TRIGGER events_take_acknowledgements_along AFTER DELETE ON events WHEN OLD.attention = 1 BEGIN
    DELETE FROM acknowledgements WHERE event = OLD.seq;
END;
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
CREATE TABLE hook_progress (
    hook    TEXT PRIMARY KEY, -- the hook's id
    place   INTEGER NOT NULL, -- the last event that is done: delivered, given up, missed, or none of the hook's
    missed  INTEGER NOT NULL, -- events that were gone before it was their turn, at most so many of them the hook's
    told_at INTEGER           -- when an event last said that the hook fails, in milliseconds since 1970; NULL if none did
) STRICT, WITHOUT ROWID;
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
CREATE TABLE consumers (
    state_id    INTEGER NOT NULL,
    reader      TEXT NOT NULL,    -- the id of the key, trust or operator; `~` for all others together
    day         INTEGER NOT NULL, -- days since 1970 in UTC
    reader_name TEXT NOT NULL,    -- its name at the last read
    first_at    INTEGER NOT NULL, -- milliseconds since 1970
    last_at     INTEGER NOT NULL, -- milliseconds since 1970
    whole       INTEGER NOT NULL, -- how many reads of the whole state
    outputs     INTEGER NOT NULL, -- how many reads of its outputs only
    version     INTEGER NOT NULL, -- the version that was read last
    looked_at   INTEGER NOT NULL, -- 0: the outputs of that version wait to be looked at
    mark        BLOB,             -- a keyed hash of the state's id and of these outputs; NULL if they are not known
    mac         BLOB,             -- as in other tables
    PRIMARY KEY (state_id, reader, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX consumers_day ON consumers (day, state_id);
CREATE INDEX consumers_waiting ON consumers (state_id, version) WHERE looked_at = 0;
CREATE TABLE data_keys (
    number      INTEGER PRIMARY KEY,
    storage_key BLOB NOT NULL,    -- the mark of the storage key that sealed this one: 8 bytes
    sealed      BLOB NOT NULL,    -- the data key
    made_at     INTEGER NOT NULL
) STRICT;
CREATE TABLE pending_seal (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    asked_at INTEGER NOT NULL,
    after    INTEGER NOT NULL -- up to this blob it is done
) STRICT;
CREATE INDEX keys_end ON keys (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX events_state ON events (workspace, building_block, seq) WHERE fresh IS NULL;
CREATE INDEX events_actor ON events (actor, seq) WHERE fresh IS NULL;
CREATE TRIGGER events_enter_indexes AFTER INSERT ON events WHEN NEW.seq % 128 = 0 BEGIN
    UPDATE events SET fresh = NULL WHERE seq >= NEW.seq - 128 AND seq < NEW.seq AND fresh = 1;
END;
