-- The journal: what the gates were told, in the order of their answers, durable before they are
-- told. The books take it over soon after; what they have is cut off here.
CREATE TABLE journal (
    n INTEGER PRIMARY KEY,                 -- grows: the newest row is never cut, so no number comes twice
    at INTEGER NOT NULL,                   -- the moment of the commit
    record BLOB NOT NULL                   -- one version byte, then postcard
);
