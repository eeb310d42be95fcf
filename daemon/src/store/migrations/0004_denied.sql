-- Version 4, for limits of each agent. When a person denied a request, in nanoseconds of the boot clock. A daemon that starts again knows by it what was
-- denied just now. NULL where nobody did, and in requests of an earlier version.

ALTER TABLE requests ADD COLUMN denied_boot INTEGER;

-- The request with which this one waited, and whose vote was about this one, too: nobody was asked about it by itself.
ALTER TABLE requests ADD COLUMN voted_with TEXT;

CREATE INDEX requests_denied ON requests (denied_boot) WHERE denied_boot IS NOT NULL;
