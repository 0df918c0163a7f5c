-- States with their versions and blobs, locks, API keys and tokens, and the event log.
--
-- Ids and times are made by the program, not by the database. Times are milliseconds since 1970 in UTC.
-- Serials are unsigned 64-bit integers, kept in the signed integers of SQLite as their two's complement.
-- Columns of type ANY hold text; a UUID in its usual spelling as its 16 bytes, since there is one in several columns of each row of a long history.

CREATE TABLE states (
    id             INTEGER PRIMARY KEY,
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    current        INTEGER,          -- the current version's number; none before the first accepted write
    last_number    INTEGER NOT NULL, -- the highest number ever given to a version
    settled        INTEGER NOT NULL, -- up to this number, versions have their counts and the frames that they keep
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    deleted_at     INTEGER,          -- since when it is hidden, if it is
    UNIQUE (workspace, building_block)
) STRICT;

-- Addresses that a state has left. They answer 410 for ever, unless the state moves back.
CREATE TABLE moves (
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    state_id       INTEGER NOT NULL REFERENCES states (id),
    moved_at       INTEGER NOT NULL,
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;

CREATE INDEX moves_state ON moves (state_id);

-- States that are on their way to a storage elsewhere, and those that have left for one: these are hidden, and their addresses answer 410.
CREATE TABLE transfers (
    state_id      INTEGER PRIMARY KEY REFERENCES states (id),
    target        TEXT NOT NULL,    -- where to, in the words of whoever began
    lock_id       TEXT NOT NULL,    -- of the lock under which it is done
    begun_at      INTEGER NOT NULL,
    begun_by      ANY NOT NULL,     -- who went on with it last
    begun_by_name TEXT NOT NULL,
    done_at       INTEGER           -- since when the state has left, if it has
) STRICT;

-- Whatever brings a state back forgets where it went.
CREATE TRIGGER states_returned AFTER UPDATE OF deleted_at ON states WHEN OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL BEGIN
    DELETE FROM transfers WHERE state_id = NEW.id AND done_at IS NOT NULL;
END;

-- The bytes of versions. Ids count up, so that what refers to new blobs is written side by side; the digest is kept apart from the
-- version's SHA-256, so that it can become a keyed hash.
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

-- Its first bytes tell nearly all apart, and take a quarter of the room.
CREATE INDEX blobs_digest ON blobs (substr(digest, 1, 8));
CREATE INDEX blobs_base ON blobs (base) WHERE base IS NOT NULL;

-- Frames that are differences. They are small and many, and come in the order of their ids, so that they fill their pages.
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
    held_reason       TEXT,
    PRIMARY KEY (state_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_blob ON versions (blob_id);
CREATE INDEX versions_rejected ON versions (state_id, number) WHERE kind = 'rejected';

-- The highest serial of each lineage among versions whose rows were removed: a rollback's serial lies above all there ever were.
CREATE TABLE removed_serials (
    state_id INTEGER NOT NULL REFERENCES states (id),
    lineage  ANY NOT NULL,
    serial   INTEGER NOT NULL,
    PRIMARY KEY (state_id, lineage)
) STRICT, WITHOUT ROWID;

-- That the content of purged versions still has to leave the disk: one row, or none.
CREATE TABLE pending_erasure (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    asked_at  INTEGER NOT NULL,
    rewritten INTEGER NOT NULL -- whether only the write-ahead log still holds it
) STRICT;
-- What is kept of the history in a workspace, where that is not what the server's own policy says.
CREATE TABLE policies (
    workspace   TEXT PRIMARY KEY,
    policy      TEXT NOT NULL, -- JSON
    set_at      INTEGER NOT NULL,
    set_by      TEXT NOT NULL,
    set_by_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Times that outlive a start: until when the clock could be trusted, and when the server last pruned by itself.
CREATE TABLE moments (
    name TEXT PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A lock belongs to an address, because it is taken before the state's first write.
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
    refused_who     TEXT,
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;

-- The last lock of an address that was broken by force, until somebody locks or writes: its holder's result must not be lost.
CREATE TABLE broken_locks (
    workspace      TEXT NOT NULL,
    building_block TEXT NOT NULL,
    lock_id        TEXT NOT NULL,
    holder         TEXT NOT NULL,
    broken_at      INTEGER NOT NULL,
    PRIMARY KEY (workspace, building_block)
) STRICT, WITHOUT ROWID;

-- Who was refused by the stale-write guard and has not read the state since.
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
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    sha256         BLOB PRIMARY KEY,
    key_id         TEXT NOT NULL REFERENCES keys (id),
    workspace      TEXT,
    building_block TEXT,
    permissions    TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    renewable      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_key ON tokens (key_id, expires_at);
CREATE INDEX tokens_end ON tokens (expires_at);

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
) STRICT;

CREATE INDEX events_state ON events (workspace, building_block, seq);
CREATE INDEX events_actor ON events (actor, seq);
CREATE INDEX events_at ON events (at);
CREATE UNIQUE INDEX events_gather ON events (gather) WHERE gather IS NOT NULL;
CREATE INDEX events_attention ON events (seq) WHERE attention = 1;

-- Versions whose bytes cannot be read, since when that is known. A row goes when they can be read again, or when their version is gone.
CREATE TABLE damaged_versions (
    state_id INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    found_at INTEGER NOT NULL,
    PRIMARY KEY (state_id, number)
) STRICT, WITHOUT ROWID;

-- The background verification, in one row: how far its pass is, and what the last whole one came to.
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
