-- Words of the current versions, so that a search looks through no state. All of it is made from what the other tables have, in the background.

-- Which version of a state the index has.
CREATE TABLE found_states (
    state_id  INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,    -- under which the words of the state stand
    version   INTEGER           -- NULL while not all of it is in the index
) STRICT;

-- What can be found of a state: the state itself, the instances of its resources, its outputs.
CREATE TABLE found_entries (
    state_id INTEGER NOT NULL,
    kind     INTEGER NOT NULL,  -- 0 the state, 1 a resource instance, 2 an output
    address  TEXT NOT NULL,
    type     TEXT,              -- of a resource
    provider TEXT,              -- its source, such as registry.terraform.io/hashicorp/aws
    texts    TEXT NOT NULL,     -- lines of a path, the character U+001F and a value; nothing that is masked
    PRIMARY KEY (state_id, kind, address)
) STRICT, WITHOUT ROWID;

-- The beginnings, at most 24 bytes, of what stands in these from each word on, in lower case. A workspace's words stand together: a question of one reads no other's.
CREATE TABLE found_words (
    workspace TEXT NOT NULL,
    word      TEXT NOT NULL,
    state_id  INTEGER NOT NULL,
    PRIMARY KEY (workspace, word, state_id)
) STRICT, WITHOUT ROWID;

-- The states that the index is behind with, noted in the transaction of the change. Nothing of them is found until the row is gone.
CREATE TABLE pending_words (
    workspace TEXT NOT NULL,
    state_id  INTEGER NOT NULL,
    stamp     INTEGER NOT NULL, -- one more for each change
    PRIMARY KEY (workspace, state_id)
) STRICT, WITHOUT ROWID;

INSERT INTO pending_words (workspace, state_id, stamp)
SELECT workspace, id, 1 FROM states WHERE current IS NOT NULL AND deleted_at IS NULL;

CREATE TRIGGER words_of_a_changed_state AFTER UPDATE OF current, deleted_at, workspace, building_block ON states
WHEN OLD.current IS NOT NEW.current OR OLD.deleted_at IS NOT NEW.deleted_at OR OLD.workspace <> NEW.workspace OR OLD.building_block <> NEW.building_block BEGIN
    INSERT INTO pending_words (workspace, state_id, stamp) VALUES (NEW.workspace, NEW.id, 1)
    ON CONFLICT (workspace, state_id) DO UPDATE SET stamp = stamp + 1;
END;
