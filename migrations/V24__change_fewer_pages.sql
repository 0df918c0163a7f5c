-- An act changes fewer pages.

-- An act changes the page of its event, and no page of these two indexes: an event goes into them together with those of its run of 128 places.

-- 1 while the event is in neither index, NULL after that. The chain leaves it out.
ALTER TABLE events ADD COLUMN fresh INTEGER;

DROP INDEX events_state;
DROP INDEX events_actor;
CREATE INDEX events_state ON events (workspace, building_block, seq) WHERE fresh IS NULL;
CREATE INDEX events_actor ON events (actor, seq) WHERE fresh IS NULL;

CREATE TRIGGER events_enter_indexes AFTER INSERT ON events WHEN NEW.seq % 128 = 0 BEGIN
    UPDATE events SET fresh = NULL WHERE seq >= NEW.seq - 128 AND seq < NEW.seq AND fresh = 1;
END;

-- Up to 128 places as in `presence`, 16 bytes each: those of locks, which come and go with single requests. Each commit changes this row anyway.
ALTER TABLE commits ADD COLUMN lock_places BLOB;
