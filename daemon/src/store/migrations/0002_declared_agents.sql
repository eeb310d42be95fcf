-- Version 2: agents that are declared in the configuration. Such an agent has one number for ever, whatever processes
-- belong to it, and no root: its root_pid is zero.

ALTER TABLE agents ADD COLUMN declared INTEGER NOT NULL DEFAULT 0 CHECK (declared IN (0, 1));

CREATE UNIQUE INDEX agents_declared ON agents (name) WHERE declared = 1;
