-- Versions of products. A version's number is what ticket states and passages hold, as an area's
-- or a lane's in `names`; its definition never changes.
CREATE TABLE products (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,         -- 1, 2 … of this id
    definition TEXT NOT NULL,         -- JSON
    origin TEXT NOT NULL,             -- config or api
    dropped INTEGER NOT NULL,         -- 1: the configuration that brought it no longer names it
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (id, version)
);
INSERT INTO products
    SELECT n, id, 1, definition, 'config', 0, 0, 'config', '' FROM names WHERE kind = 'product';
DELETE FROM names WHERE kind = 'product';

-- Areas that an operator lets people into although they are full, until a moment.
CREATE TABLE capacity_overrides (
    area TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

-- People who are not let in, by what they show: keyed digests, never a number or a face.
CREATE TABLE blocked_persons (
    id BLOB PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
