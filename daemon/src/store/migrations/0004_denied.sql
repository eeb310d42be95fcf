-- Version 4: when a person denied a request, in nanoseconds of the boot clock. A daemon that starts again knows by it what was
-- denied just now. NULL where nobody did, and in requests of an earlier version.

ALTER TABLE requests ADD COLUMN denied_boot INTEGER;

CREATE INDEX requests_denied ON requests (denied_boot) WHERE denied_boot IS NOT NULL;
