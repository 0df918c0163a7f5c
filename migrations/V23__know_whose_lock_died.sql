-- With what a lock was taken, so that it can be told whether its holder can still write. All of these are NULL if an earlier schema kept the lock, if the person at the machine took it, if a transfer holds it, or if it came out of a backup: nothing but its release ends such a lock.

-- 'key' for a key's secret, 'token' for a token, 'id_token' for an ID token.
ALTER TABLE locks ADD COLUMN taken_with TEXT;
-- The SHA-256 of that token.
ALTER TABLE locks ADD COLUMN token BLOB;
-- When that ID token ends, or when the token lapsed whose row was removed since; milliseconds since 1970.
ALTER TABLE locks ADD COLUMN good_until INTEGER;
-- When the token was ended, or the trust removed; milliseconds since 1970.
ALTER TABLE locks ADD COLUMN ended_at INTEGER;
-- 1 if the lock was not broken by force but died: its holder's result is then good until another writes, also after others have locked.
ALTER TABLE broken_locks ADD COLUMN died INTEGER;
