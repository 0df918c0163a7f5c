-- The bytes of a workspace and its events do not depend on another workspace.

-- That blobs may be shared by several workspaces, which an earlier schema allowed: one row, or none. The program copies what is shared when it first opens the file,
-- because it has to hash the rows of versions that it changes.
CREATE TABLE pending_separation (
    one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;

INSERT INTO pending_separation SELECT 1 WHERE EXISTS (SELECT 1 FROM versions);

-- Events that have a retention and a bound of their own: 1, or NULL for all others.
ALTER TABLE events ADD COLUMN lasting INTEGER;

UPDATE events SET lasting = 1
WHERE attention = 1 OR detail LIKE '%"forced":true%' OR kind IN (
    'state.write_rejected', 'state.delete', 'state.restore', 'state.rollback', 'state.move', 'transfer.begin', 'transfer.finish', 'transfer.abandon', 'state.purge',
    'version.damaged', 'row.damaged', 'row_key.renew', 'version.hold', 'version.release', 'loss.accepted', 'retention.set', 'retention.unset', 'clock.trust', 'lock.break',
    'key.create', 'key.rotate', 'key.revoke', 'backup.fail', 'backup.restore', 'state.reveal');

CREATE INDEX events_lasting ON events (workspace, building_block, seq, lasting) WHERE lasting = 1;
CREATE INDEX events_lasting_at ON events (at) WHERE lasting = 1;

-- Old rows are looked for among those that may go, and never again among those that stay.
DROP INDEX events_at;
CREATE INDEX events_at ON events (at) WHERE lasting IS NULL;
