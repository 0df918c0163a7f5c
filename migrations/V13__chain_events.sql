-- What happened cannot be told differently later without being found out: each event holds a hash that is made of the hash of the event before.

-- The SHA-256 of the hash before and of what the row says. NULL in events from before this schema.
ALTER TABLE events ADD COLUMN chain BLOB;
-- A keyed hash of what may grow after the event was recorded, which the chain leaves out. NULL in events that stay as they are.
ALTER TABLE events ADD COLUMN grown BLOB;

-- The last event that was recorded: the program begins the chain when it first opens a file of an older schema.
ALTER TABLE commits ADD COLUMN events_number INTEGER;
ALTER TABLE commits ADD COLUMN events_chain BLOB;
ALTER TABLE commits ADD COLUMN events_begun INTEGER; -- the last event from before the chain
ALTER TABLE commits ADD COLUMN events_mac BLOB;      -- a keyed hash of the three

-- Which events were removed: no two of these touch each other. The first one begins at 0, where the chain begins.
CREATE TABLE event_gaps (
    first INTEGER PRIMARY KEY, -- the first place in the log that has no event of the chain
    last  INTEGER NOT NULL,    -- the last one
    chain BLOB NOT NULL,       -- the hash that the event at the last place had
    mac   BLOB                 -- a keyed hash of the row
) STRICT;
