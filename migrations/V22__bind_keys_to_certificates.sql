-- The names of client certificates that a key is bound to, separated by spaces: it is taken only on a connection whose certificate has one of them. NULL is a key that needs no certificate, as are all of an earlier schema.
ALTER TABLE keys ADD COLUMN client_sans TEXT;
