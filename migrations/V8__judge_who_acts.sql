-- What it takes to judge in the transaction of an act whether its caller still may. All of these are NULL in rows of an earlier schema.

-- Which secret of a key is the present one: 1, 2, 3, … with each rotation. NULL is 1.
ALTER TABLE keys ADD COLUMN generation INTEGER;
-- The first 8 bytes of the secret's SHA-256, by which a wrong secret is known without argon2. NULL until the key is used once after the upgrade.
ALTER TABLE keys ADD COLUMN fingerprint BLOB;
ALTER TABLE keys ADD COLUMN old_fingerprint BLOB;
-- With which secret of its key a token was made. NULL is the one that was present when the token was made.
ALTER TABLE tokens ADD COLUMN generation INTEGER;
-- With which permissions a lock was taken, by their ADM_ names, separated by spaces.
ALTER TABLE locks ADD COLUMN permissions TEXT;

-- Which keys a key has made.
CREATE INDEX keys_creator ON keys (created_by);
