-- What was current when a version came, so that its comparison is true for as long as it is there, whatever was pruned, deleted or imported before it.

ALTER TABLE versions ADD COLUMN replaced INTEGER; -- a number; 0 for the first version, -1 where the state had been deleted; none where it is not known
