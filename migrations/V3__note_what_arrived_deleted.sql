-- The number of the version that was imported as the last one of a deleted state, and by which the state has been hidden since, if it is its newest one.
ALTER TABLE states ADD COLUMN imported_deleted INTEGER;
