-- A question costs about as much as its answer, and a commit changes fewer pages.

-- The program knows by itself in which row this minute's reads and refusals are counted: `gather` is NULL in new rows.
DROP INDEX events_gather;

-- Places in the event log are in the order of times, but for a clock that was set back. So a time is turned into places by one row for each 1,024 of them. The
-- last places, up to 1,024, have no row yet.
CREATE TABLE event_blocks (
    block    INTEGER PRIMARY KEY,        -- the places divided by 1,024
    first_at INTEGER NOT NULL,           -- no `at` of its events is earlier
    last_at  INTEGER NOT NULL,           -- no `last_at` of its events is later
    swept    INTEGER NOT NULL DEFAULT 0  -- 1 once the sweep has left none in it but lasting events
) STRICT;

WITH RECURSIVE full_blocks (block) AS (
    SELECT min(seq) / 1024 FROM events HAVING min(seq) / 1024 < max(seq) / 1024
    UNION ALL
    SELECT block + 1 FROM full_blocks WHERE block + 1 < (SELECT max(seq) / 1024 FROM events)
)
INSERT INTO event_blocks (block, first_at, last_at)
SELECT
    b.block,
    (SELECT min(at) FROM events NOT INDEXED WHERE seq >= b.block * 1024 AND seq < (b.block + 1) * 1024),
    (SELECT max(last_at) FROM events NOT INDEXED WHERE seq >= b.block * 1024 AND seq < (b.block + 1) * 1024)
FROM full_blocks b
WHERE EXISTS (SELECT 1 FROM events WHERE seq >= b.block * 1024 AND seq < (b.block + 1) * 1024);

CREATE TRIGGER events_fill_a_block AFTER INSERT ON events WHEN NEW.seq % 1024 = 0 BEGIN
    INSERT OR REPLACE INTO event_blocks (block, first_at, last_at)
    SELECT NEW.seq / 1024 - 1, min(at), max(last_at) FROM events NOT INDEXED
    WHERE seq >= NEW.seq - 1024 AND seq < NEW.seq
    HAVING count(*) > 0;
END;

CREATE TRIGGER events_go_on AFTER UPDATE OF last_at ON events WHEN NEW.last_at > OLD.last_at BEGIN
    UPDATE event_blocks SET last_at = NEW.last_at WHERE block = NEW.seq / 1024 AND last_at < NEW.last_at;
END;

-- The blocks serve it.
DROP INDEX events_at;

-- States of one building block in all workspaces.
CREATE INDEX states_block ON states (building_block, workspace);

-- What a state's history takes, kept by the triggers below, so that a list of states does not count versions. Neither column is in the row's hash.
ALTER TABLE states ADD COLUMN versions INTEGER NOT NULL DEFAULT 0; -- how many there are
ALTER TABLE states ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;   -- the frames of their blobs together, each blob once

UPDATE states SET
    versions = (SELECT count(*) FROM versions v WHERE v.state_id = states.id),
    stored = (SELECT coalesce(sum(b.stored), 0) FROM blobs b WHERE b.id IN (SELECT v.blob_id FROM versions v WHERE v.state_id = states.id));

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
