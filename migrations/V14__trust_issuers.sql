-- Trusts: which ID tokens of which issuers stand for which scope and permissions, and the tokens that are made from them.

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

-- The ID tokens that were exchanged under a trust whose `once` is set, until they end.
CREATE TABLE spent_id_tokens (
    jti_hash BLOB PRIMARY KEY, -- SHA-256 of the trust's id and the token's `jti`
    trust_id TEXT NOT NULL,
    ends_at  INTEGER NOT NULL, -- when the ID token ends
    mac      BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_id_tokens_trust ON spent_id_tokens (trust_id, ends_at);
CREATE INDEX spent_id_tokens_end ON spent_id_tokens (ends_at);

-- A token belongs to a key or to a trust. The hash of a row does not look at columns that are NULL, so each row keeps its hash.
CREATE TABLE tokens_of_either (
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

INSERT INTO tokens_of_either (sha256, key_id, workspace, building_block, permissions, created_at, expires_at, renewable, mac, generation)
SELECT sha256, key_id, workspace, building_block, permissions, created_at, expires_at, renewable, mac, generation FROM tokens;

DROP TABLE tokens;
ALTER TABLE tokens_of_either RENAME TO tokens;

CREATE INDEX tokens_key ON tokens (key_id, expires_at);
CREATE INDEX tokens_trust ON tokens (trust_id, expires_at);
CREATE INDEX tokens_end ON tokens (expires_at);
