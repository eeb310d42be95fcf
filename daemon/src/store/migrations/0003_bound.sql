-- Version 3: what an approval is bound to, as JSON. The shape is that of the daemon's `bound` module, and means something
-- to the daemon and the kernel half of one boot only. NULL in a request of an earlier version: such a one cannot be
-- approved any more.

ALTER TABLE requests ADD COLUMN bound TEXT;
