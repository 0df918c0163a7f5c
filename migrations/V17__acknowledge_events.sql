-- What a person has looked at.

-- Acknowledgements of events that a person should look at, one for an event at most. Where a row is lost, its event waits for a person again.
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
