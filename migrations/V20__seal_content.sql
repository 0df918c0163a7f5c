-- Content that is sealed: the data keys, themselves sealed by the storage key, which lies elsewhere. A blob that one has sealed has its number in `format`,
-- times 256: a column behind the frame would cost all pages of the frame to be read.

-- Number 0 names blobs and entries of the index, and stays. The highest of the others seals; those below are gone once nothing needs them.
CREATE TABLE data_keys (
    number      INTEGER PRIMARY KEY,
    storage_key BLOB NOT NULL,    -- the mark of the storage key that sealed this one: 8 bytes
    sealed      BLOB NOT NULL,    -- the data key
    made_at     INTEGER NOT NULL
) STRICT;

-- That content is still to be sealed by the highest data key, and how far that is: one row, or none.
CREATE TABLE pending_seal (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    asked_at INTEGER NOT NULL,
    after    INTEGER NOT NULL -- up to this blob it is done
) STRICT;

-- An entry of the index whose text is sealed: address is a keyed hash then, and type, provider and texts are empty.
ALTER TABLE found_entries ADD COLUMN sealed BLOB;
