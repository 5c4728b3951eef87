-- History: counts of visitors by minute, later by hour. Each kind of key is counted by itself, without
-- a cross product: a minute costs one row for each key that moved in it.
--   kind: 0 site (key ''), 1 area, 2 gate, 3 lane, 4 product, 5 class, 6 channel, 7 reason
-- A key is the id as it was at the time. `minute` is minutes since 1970 UTC; in `flow_hours` it is the
-- first minute of an hour of the site's clock, cut where the business day turns.
CREATE TABLE flow_minutes (
    kind INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    key TEXT NOT NULL,
    entered INTEGER NOT NULL,         -- persons in
    gone INTEGER NOT NULL,            -- persons out
    denied INTEGER NOT NULL,          -- presentations refused
    reentered INTEGER NOT NULL,       -- of `entered`: who came back on an earlier admission
    untaken INTEGER NOT NULL,         -- lanes that opened and nobody passed
    peak INTEGER NOT NULL,            -- most persons inside at one time: site and areas only
    above INTEGER NOT NULL,           -- minutes with a peak of 80 % of the capacity or more
    PRIMARY KEY (kind, minute, key)
) WITHOUT ROWID;

CREATE TABLE flow_hours (
    kind INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    key TEXT NOT NULL,
    entered INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    reentered INTEGER NOT NULL,
    untaken INTEGER NOT NULL,
    peak INTEGER NOT NULL,
    above INTEGER NOT NULL,
    PRIMARY KEY (kind, minute, key)
) WITHOUT ROWID;

-- How long visitors stayed, as a distribution only: persons who left on a business day after
-- bin × 15 min to (bin + 1) × 15 min.
CREATE TABLE dwell (
    day INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    persons INTEGER NOT NULL,
    PRIMARY KEY (day, bin)
) WITHOUT ROWID;

-- In how many minutes of a business day a device was known and connected.
CREATE TABLE device_minutes (
    day INTEGER NOT NULL,
    device TEXT NOT NULL,
    online INTEGER NOT NULL,
    known INTEGER NOT NULL,
    PRIMARY KEY (day, device)
) WITHOUT ROWID;

-- What was expected of a business day, as it was made: one a clock hour.
CREATE TABLE forecasts (
    day INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    peak INTEGER NOT NULL,
    peak_at INTEGER NOT NULL,
    days INTEGER NOT NULL,
    sold INTEGER NOT NULL,            -- persons sold for the day when it was made
    curve TEXT NOT NULL,              -- JSON: entries per quarter hour
    in_site TEXT NOT NULL,            -- JSON: persons in the site per quarter hour
    PRIMARY KEY (day, made_at)
) WITHOUT ROWID;

-- Whether what happened before there was a history has been counted.
CREATE TABLE history_filled (one INTEGER PRIMARY KEY CHECK (one = 1), filled INTEGER NOT NULL);
INSERT INTO history_filled VALUES (1, 0);

-- How a ticket and an order were sold: direct, kiosk, counter, ota …
ALTER TABLE tickets ADD COLUMN channel TEXT NOT NULL DEFAULT 'direct';
ALTER TABLE orders ADD COLUMN channel TEXT NOT NULL DEFAULT 'counter';
