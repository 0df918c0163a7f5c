-- Acts that wait for a second person, or that one has approved.

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
