"""The tables of a SQLite file of ours, and how those of an older version become these.

A file of version n has been through the migrations of all versions before it, so that a new file and an old one that
was brought up to date hold the same. A migration only adds: a process of the older version that has the file open goes
on. Every version that was ever released stays in `MIGRATIONS`.
"""

from __future__ import annotations

APPLICATION_ID = 0x52495652  # "RIVR"
SCHEMA_VERSION = 3

_CHECKPOINTS_OF_3 = """
CREATE TABLE checkpoint (
  run INTEGER PRIMARY KEY,               -- run.id
  seq INTEGER NOT NULL,
  body BLOB NOT NULL,                    -- see graph/checkpoint.py
  crc INTEGER NOT NULL                   -- of all the others (checksum)
) STRICT;
-- By triggers, so that a process of an older version drops them too.
CREATE TRIGGER checkpoint_of_what_ended AFTER UPDATE OF status ON run WHEN NEW.status = 'ended' BEGIN
  DELETE FROM checkpoint WHERE run = NEW.id;
END;
CREATE TRIGGER checkpoint_of_what_is_gone AFTER DELETE ON run BEGIN
  DELETE FROM checkpoint WHERE run = OLD.id;
END;
"""

_INDEXES_OF_2 = """
CREATE INDEX run_to_compact ON run (updated_ms) WHERE status = 'ended' AND compacted = 0;
CREATE INDEX run_by_thread ON run (tenant, thread, run) WHERE thread IS NOT NULL;
CREATE INDEX run_in_thread ON run (tenant, thread, id) WHERE thread IS NOT NULL AND status <> 'ended';
CREATE INDEX run_by_base ON run (tenant, base_run) WHERE base_run IS NOT NULL;
-- In the order of a list, and with the time at hand: runs that are too young are passed over at 0.3 µs each.
CREATE INDEX run_by_time ON run (tenant, run, created_ms);
"""

SCHEMA = f"""
CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: no run inherits another's batches
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  graph TEXT NOT NULL,
  thread TEXT,
  log TEXT NOT NULL,
  status TEXT NOT NULL,
  ending TEXT,
  epoch INTEGER NOT NULL,
  head INTEGER NOT NULL,
  floor INTEGER NOT NULL DEFAULT 0,
  controls INTEGER NOT NULL DEFAULT 0,   -- n of the last control
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  worker TEXT,
  lease_until_ms INTEGER NOT NULL,
  idem_key TEXT,
  base_run TEXT,                         -- run.run of the same tenant: retention leaves it as long as this one
  compacted INTEGER NOT NULL DEFAULT 0,  -- 1: its batches were joined (sqlite_compact.py)
  UNIQUE (tenant, run)
) STRICT;
CREATE UNIQUE INDEX run_by_idem_key ON run (tenant, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX run_to_claim ON run (id) WHERE status IN ('queued', 'running');
CREATE INDEX run_to_sweep ON run (updated_ms) WHERE status = 'ended';
CREATE TABLE batch (
  place INTEGER PRIMARY KEY,             -- run.id << 32 | seq of its last event
  first_seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  body BLOB NOT NULL,                    -- see batch.py
  crc INTEGER                            -- of all the others (checksum); NULL: written by schema 1
) STRICT;
CREATE TABLE control (
  run INTEGER NOT NULL,                  -- run.id
  n INTEGER NOT NULL,
  kind TEXT NOT NULL,
  payload BLOB NOT NULL,                 -- JSON
  idem_key TEXT,
  crc INTEGER,                           -- as in batch
  PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX control_by_idem_key ON control (run, idem_key) WHERE idem_key IS NOT NULL;
{_INDEXES_OF_2}{_CHECKPOINTS_OF_3}"""

# Version → the statements that make the next one of it.
MIGRATIONS: dict[int, str] = {
    1: f"""
ALTER TABLE run ADD COLUMN base_run TEXT;
ALTER TABLE run ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN crc INTEGER;
ALTER TABLE control ADD COLUMN crc INTEGER;
UPDATE run SET base_run = (
  SELECT json_extract(CAST(body AS TEXT), '$.base.run') FROM batch
  WHERE place = (run.id << 32) + 1 AND json_valid(CAST(body AS TEXT))
);
UPDATE run SET status = 'queued'  -- what was asked of it had woken nobody
WHERE status = 'parked' AND EXISTS (SELECT 1 FROM control AS c WHERE c.run = run.id AND c.kind IN ('resume', 'stop'));
{_INDEXES_OF_2}""",  # noqa: S608 text of ours
    2: _CHECKPOINTS_OF_3,
}
