-- Orders to devices: who, why, and what came of each. One row for each device that was told.
CREATE TABLE commands (
    id BLOB NOT NULL,
    device TEXT NOT NULL,
    op TEXT NOT NULL,
    args TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    answered_at INTEGER,
    why TEXT,
    result TEXT,
    PRIMARY KEY (device, id)
) WITHOUT ROWID;
CREATE INDEX commands_by_time ON commands (sent_at);

-- The configuration that each device should have; the latest version only.
CREATE TABLE device_configs (
    device TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    config TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

-- What holds for the whole site: `emergency`.
CREATE TABLE site_state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Orders of kiosks and counters.
CREATE TABLE orders (
    id BLOB PRIMARY KEY,
    seller TEXT NOT NULL,
    state TEXT NOT NULL,
    lines TEXT NOT NULL,
    amount INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    payment TEXT,
    paid_at INTEGER,
    tickets TEXT NOT NULL,
    redeemed BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX orders_by_payment ON orders (payment) WHERE payment IS NOT NULL;
CREATE UNIQUE INDEX orders_by_redeemed ON orders (redeemed) WHERE redeemed IS NOT NULL;
CREATE INDEX orders_by_time ON orders (created_at);

-- For the undo at a handheld: a grant by its presentation.
CREATE INDEX IF NOT EXISTS grants_by_scan ON grants (scan, device);
