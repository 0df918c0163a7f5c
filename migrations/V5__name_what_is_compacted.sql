-- The word of the field: up to `compacted_up_to`, a state's versions have their counts and the frames that they keep.

ALTER TABLE states RENAME COLUMN settled TO compacted_up_to;
