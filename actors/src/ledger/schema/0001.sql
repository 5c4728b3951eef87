-- The first schema of the books. Moments are milliseconds since 1970 UTC; ids are the 16 bytes of a UUID;
-- days are days since 1970 of the site's business day. Nothing here is a plain ticket code.

-- How far the journal has been taken over.
CREATE TABLE taken_over (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL);
INSERT INTO taken_over VALUES (1, 0);

-- Records of the journal that the books could not take over, for a person to look at.
CREATE TABLE set_aside (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, why TEXT NOT NULL, record BLOB NOT NULL);

-- Names in the order in which they were first seen: their number is what ticket states and
-- passages hold, so a changed or reordered configuration never changes the meaning of a row.
CREATE TABLE names (
    kind TEXT NOT NULL,               -- area, gate, lane, product
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    definition TEXT NOT NULL,         -- JSON: the last one in force, kept when the config drops it
    PRIMARY KEY (kind, n),
    UNIQUE (kind, id)
) WITHOUT ROWID;

CREATE TABLE tickets (
    id BLOB PRIMARY KEY,
    state BLOB NOT NULL               -- postcard of the rules' TicketState; begins with its version
) WITHOUT ROWID;

CREATE TABLE credentials (
    digest BLOB NOT NULL,             -- 16 bytes, keyed
    ticket BLOB NOT NULL,
    PRIMARY KEY (digest, ticket)
) WITHOUT ROWID;

CREATE TABLE holders (
    ticket BLOB PRIMARY KEY,
    holder TEXT NOT NULL              -- JSON as given at the sale; read only for the ticket's page
) WITHOUT ROWID;

-- Every presentation and its answer: the first answer to a scan id is the answer.
CREATE TABLE scans (
    id BLOB NOT NULL,
    device TEXT NOT NULL,
    at INTEGER NOT NULL,
    day INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    direction INTEGER NOT NULL,       -- 0 in, 1 out
    ticket BLOB,
    product INTEGER,
    result INTEGER NOT NULL,          -- 0 grant, 1 more, 2 deny
    reason TEXT NOT NULL,
    persons INTEGER NOT NULL,
    grant_id BLOB,
    facts TEXT,                       -- JSON
    needs INTEGER NOT NULL,
    PRIMARY KEY (id, device)
) WITHOUT ROWID;
CREATE INDEX scans_by_ticket ON scans (ticket, at) WHERE ticket IS NOT NULL;
CREATE INDEX scans_refused ON scans (day, reason) WHERE result = 2;
CREATE INDEX scans_by_time ON scans (at);

CREATE TABLE grants (
    id BLOB PRIMARY KEY,
    scan BLOB NOT NULL,
    device TEXT NOT NULL,
    ticket BLOB,
    hold_ms INTEGER NOT NULL,
    opened BLOB NOT NULL,             -- postcard of the rules' OpenGrant
    taken INTEGER,                    -- persons that passed; null while open
    closed_at INTEGER,
    outcome TEXT
) WITHOUT ROWID;
CREATE INDEX grants_open ON grants (device) WHERE closed_at IS NULL;

CREATE TABLE passages (
    n INTEGER PRIMARY KEY,            -- its number in the journal
    at INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    day INTEGER NOT NULL,
    device TEXT NOT NULL,
    lane INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    ticket BLOB,
    product INTEGER,
    grant_id BLOB,
    outcome TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    count INTEGER NOT NULL,
    reentry INTEGER NOT NULL,
    moves BLOB NOT NULL,              -- postcard of the rules' Movements
    time_known INTEGER NOT NULL       -- 0: the device's time could not be anchored
);
CREATE INDEX passages_by_ticket ON passages (ticket, at) WHERE ticket IS NOT NULL;
CREATE INDEX passages_by_day ON passages (day);

-- Durable facts of devices, once each.
CREATE TABLE events (
    device TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,               -- JSON, without any credential
    gap_from INTEGER,                 -- a gap: the first number lost; the last one lost is in `gap_to`
    gap_to INTEGER,
    PRIMARY KEY (device, epoch, seq)
) WITHOUT ROWID;

-- How far a device's facts are complete: all numbers up to and including `upto`.
CREATE TABLE event_marks (
    device TEXT NOT NULL,
    epoch TEXT NOT NULL,
    upto INTEGER NOT NULL,
    PRIMARY KEY (device, epoch)
) WITHOUT ROWID;

CREATE TABLE conflicts (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    ticket BLOB,
    device TEXT NOT NULL,
    note TEXT NOT NULL
);

CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    gate TEXT,
    lane TEXT,
    standing TEXT NOT NULL,
    secret BLOB,                      -- BLAKE3 of a random 256-bit secret
    serial TEXT NOT NULL,
    model TEXT NOT NULL,
    since INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE claims (
    digest BLOB PRIMARY KEY,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    gate TEXT,
    lane TEXT,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) WITHOUT ROWID;

CREATE TABLE accounts (
    user TEXT PRIMARY KEY,
    password_hash TEXT,
    roles TEXT NOT NULL               -- JSON array
) WITHOUT ROWID;

CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    roles TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,            -- keyed BLAKE3 of the request
    answer TEXT NOT NULL,             -- JSON: the tickets' ids
    at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    note TEXT NOT NULL
);
