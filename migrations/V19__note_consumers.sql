-- Who read a state: by key and day.

-- One row for each state, reader and day. The readers of a day beyond the 100th are one row together, with the reader `~`.
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
