-- Version 1. A migration that was released is never edited: write the next one.
--
-- 64-bit numbers without a sign (hold ids, boot times) are stored as the signed number with the same bits.
-- Columns that hold JSON have the shapes of `holdpoint_core::wire` and the types that it names.

CREATE TABLE agents (
    -- AUTOINCREMENT: the number of an agent that is gone is never given to another.
    id         INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 4294967295),
    name       TEXT NOT NULL,
    claim      BLOB,
    root_pid   INTEGER NOT NULL,
    root_start INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    uid        INTEGER NOT NULL,
    login_uid  INTEGER,
    tagged_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE requests (
    -- The order in which requests were made, whatever the wall clock did.
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Unique for ever: a note or a log line never names two requests.
    id         TEXT NOT NULL UNIQUE,
    agent      INTEGER NOT NULL REFERENCES agents (id),
    hold       INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    wait       TEXT NOT NULL,
    made_boot  INTEGER NOT NULL,
    deadline   INTEGER NOT NULL,
    valid_for  INTEGER NOT NULL,
    phase      TEXT NOT NULL CHECK (phase IN ('pending', 'approved', 'refusing', 'running', 'ended')),
    state      TEXT NOT NULL,
    decision   TEXT NOT NULL,
    facts      TEXT,
    made_at    INTEGER NOT NULL,
    ended_at   INTEGER,
    note       TEXT
) STRICT;

-- The kernel draws each hold id once per boot, so a second request for one hold is a bug, and refused.
CREATE UNIQUE INDEX requests_by_hold ON requests (boot_id, hold);
CREATE INDEX requests_open ON requests (number) WHERE phase <> 'ended';

CREATE TABLE votes (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    request    TEXT NOT NULL REFERENCES requests (id),
    kind       TEXT NOT NULL,
    voter      TEXT NOT NULL,
    reason     TEXT,
    at         INTEGER NOT NULL
) STRICT;

CREATE INDEX votes_by_request ON votes (request, number);

-- Entries are only ever appended, each with the number after the highest: a gap means that one was taken out.
CREATE TABLE log (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    request    TEXT,
    agent      TEXT,
    event      TEXT NOT NULL
) STRICT;

CREATE INDEX log_by_request ON log (request, seq) WHERE request IS NOT NULL;
