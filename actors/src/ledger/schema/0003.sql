-- What wanted a person; without `cleared_at` it still does.
CREATE TABLE alarms (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    device TEXT,
    lane TEXT,
    area TEXT,
    raised_at INTEGER NOT NULL,
    cleared_at INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    note TEXT
);
CREATE INDEX alarms_on ON alarms (id) WHERE cleared_at IS NULL;

-- For the reports by time: swipes that were decided elsewhere, and the audit trail.
CREATE INDEX passages_alone_by_time ON passages (at) WHERE grant_id IS NULL;
CREATE INDEX audit_by_time ON audit (at);
