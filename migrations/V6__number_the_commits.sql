-- One row: the last commit of the server. The writer changes it in each of its transactions, so that the database, its write-ahead log and the file
-- `statekeep.anchor` can be compared before they are used.
CREATE TABLE commits (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL, -- raised when a person accepts that commits are missing
    number     INTEGER NOT NULL, -- counts up by one with each commit
    at         INTEGER NOT NULL, -- when that commit was made
    head       BLOB NOT NULL     -- SHA-256 of the head before, the number and the time; both as 8 bytes, the highest first
) STRICT;
