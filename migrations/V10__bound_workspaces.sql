-- What a workspace may have, and what it has.

-- Quotas of workspaces, each NULL where there is none.
CREATE TABLE quotas (
    workspace   TEXT PRIMARY KEY,
    bytes       INTEGER,          -- of the frames that its versions have on the disk
    states      INTEGER,          -- that are not deleted
    versions    INTEGER,          -- of all its states, rejected and purged ones too
    rate        INTEGER,          -- versions a minute
    set_at      INTEGER NOT NULL, -- milliseconds since 1970
    set_by      TEXT NOT NULL,
    set_by_name TEXT NOT NULL,
    mac         BLOB              -- as in other tables
) STRICT, WITHOUT ROWID;

-- What each workspace has of that, kept by the triggers below: a write asks for one row.
CREATE TABLE workspace_use (
    workspace TEXT PRIMARY KEY,
    bytes     INTEGER NOT NULL,
    states    INTEGER NOT NULL,
    versions  INTEGER NOT NULL,
    minute    INTEGER NOT NULL DEFAULT 0, -- since 1970, in which the workspace last got a version while it had a rate
    writes    INTEGER NOT NULL DEFAULT 0  -- how many it got in that minute
) STRICT, WITHOUT ROWID;

INSERT INTO workspace_use (workspace, bytes, states, versions)
SELECT workspace, sum(bytes), sum(is_live), sum(versions)
FROM (
    SELECT
        s.workspace,
        s.current IS NOT NULL AND s.deleted_at IS NULL AS is_live,
        (SELECT count(*) FROM versions v WHERE v.state_id = s.id) AS versions,
        (SELECT coalesce(sum(b.stored), 0) FROM versions v JOIN blobs b ON b.id = v.blob_id WHERE v.state_id = s.id) AS bytes
    FROM states s
)
GROUP BY workspace;

CREATE TRIGGER use_of_a_new_state AFTER INSERT ON states BEGIN
    INSERT OR IGNORE INTO workspace_use (workspace, bytes, states, versions) VALUES (NEW.workspace, 0, 0, 0);
    UPDATE workspace_use SET states = states + 1
    WHERE workspace = NEW.workspace AND NEW.current IS NOT NULL AND NEW.deleted_at IS NULL;
END;

CREATE TRIGGER use_of_a_shown_state AFTER UPDATE OF current, deleted_at ON states
WHEN (OLD.current IS NOT NULL AND OLD.deleted_at IS NULL) <> (NEW.current IS NOT NULL AND NEW.deleted_at IS NULL) BEGIN
    UPDATE workspace_use SET states = states + iif(NEW.current IS NOT NULL AND NEW.deleted_at IS NULL, 1, -1)
    WHERE workspace = OLD.workspace;
END;

CREATE TRIGGER use_of_a_moved_state AFTER UPDATE OF workspace ON states WHEN OLD.workspace <> NEW.workspace BEGIN
    INSERT OR IGNORE INTO workspace_use (workspace, bytes, states, versions) VALUES (NEW.workspace, 0, 0, 0);
    UPDATE workspace_use SET
        states = states + iif(workspace = NEW.workspace, 1, -1) * (NEW.current IS NOT NULL AND NEW.deleted_at IS NULL),
        versions = versions + iif(workspace = NEW.workspace, 1, -1) * (SELECT count(*) FROM versions v WHERE v.state_id = NEW.id),
        bytes = bytes + iif(workspace = NEW.workspace, 1, -1)
            * (SELECT coalesce(sum(b.stored), 0) FROM versions v JOIN blobs b ON b.id = v.blob_id WHERE v.state_id = NEW.id)
    WHERE workspace IN (OLD.workspace, NEW.workspace);
END;

CREATE TRIGGER use_of_a_new_version AFTER INSERT ON versions BEGIN
    UPDATE workspace_use SET
        versions = versions + 1,
        bytes = bytes + coalesce((SELECT stored FROM blobs WHERE id = NEW.blob_id), 0)
    WHERE workspace = (SELECT workspace FROM states WHERE id = NEW.state_id);
END;

CREATE TRIGGER use_of_a_removed_version AFTER DELETE ON versions BEGIN
    UPDATE workspace_use SET
        versions = versions - 1,
        bytes = bytes - coalesce((SELECT stored FROM blobs WHERE id = OLD.blob_id), 0)
    WHERE workspace = (SELECT workspace FROM states WHERE id = OLD.state_id);
END;

CREATE TRIGGER use_of_other_content AFTER UPDATE OF blob_id ON versions WHEN OLD.blob_id IS NOT NEW.blob_id BEGIN
    UPDATE workspace_use SET
        bytes = bytes + coalesce((SELECT stored FROM blobs WHERE id = NEW.blob_id), 0)
            - coalesce((SELECT stored FROM blobs WHERE id = OLD.blob_id), 0)
    WHERE workspace = (SELECT workspace FROM states WHERE id = NEW.state_id);
END;

CREATE TRIGGER use_of_a_replaced_frame AFTER UPDATE OF stored ON blobs WHEN OLD.stored <> NEW.stored BEGIN
    UPDATE workspace_use SET
        bytes = bytes + (NEW.stored - OLD.stored)
            * (SELECT count(*) FROM versions v JOIN states s ON s.id = v.state_id WHERE v.blob_id = NEW.id AND s.workspace = workspace_use.workspace)
    WHERE workspace IN (SELECT s.workspace FROM versions v JOIN states s ON s.id = v.state_id WHERE v.blob_id = NEW.id);
END;
