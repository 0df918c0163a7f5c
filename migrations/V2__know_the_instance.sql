-- Which data this is, so that a client knows whether two addresses are the same server: one row, made by the program when it opens the data first.
-- Whatever makes other data of this one, as a restored copy, gives it another id.
CREATE TABLE instance (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  BLOB NOT NULL -- a UUID
) STRICT;
