-- Each look at `/readyz` asks which keys end soon, however many keys there are.
CREATE INDEX keys_end ON keys (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;
