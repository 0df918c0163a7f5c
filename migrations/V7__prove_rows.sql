-- What lets a rotten bit or an edit be noticed before a client is told of it. The program fills both when it first opens a file of an older schema.

-- A keyed hash of what the row says and of where it is: of the table's name, and of each column's name and value. Its key is in the file `statekeep.rowkey`.
ALTER TABLE states ADD COLUMN mac BLOB;
ALTER TABLE versions ADD COLUMN mac BLOB;
ALTER TABLE moves ADD COLUMN mac BLOB;
ALTER TABLE transfers ADD COLUMN mac BLOB;
ALTER TABLE locks ADD COLUMN mac BLOB;
ALTER TABLE broken_locks ADD COLUMN mac BLOB;
ALTER TABLE keys ADD COLUMN mac BLOB;
ALTER TABLE tokens ADD COLUMN mac BLOB;
ALTER TABLE policies ADD COLUMN mac BLOB;

-- A second list of what there is, in a tree of its own: that something is not there is said only if it is in neither. One row for each name of a state, and for each
-- row of moves, transfers, locks, broken_locks, keys, tokens and policies.
CREATE TABLE presence (
    place BLOB PRIMARY KEY -- a keyed hash of the table's name and of the columns by which its rows are found
) STRICT, WITHOUT ROWID;

-- Which key the hashes were made with: one row.
CREATE TABLE row_key (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    proof   BLOB NOT NULL,    -- a hash of nothing under the key, by which the key is known
    made_at INTEGER NOT NULL,
    rows    INTEGER NOT NULL, -- how many rows were hashed when it was made
    changed INTEGER,          -- how many of those did not fit the key before it; none where there was no key to look with
    mended  INTEGER NOT NULL, -- how many states got another current version, and how many locks that could not be read were removed
    told    INTEGER NOT NULL  -- whether there is an event of it, where a person asked for the key
) STRICT;

-- What brings a state back forgets where it went: the program does that now, because it has to hash what it changes.
DROP TRIGGER states_returned;
