-- States that nothing may change for a while.

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
