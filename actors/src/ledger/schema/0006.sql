-- A device's page shows its last presentations; without this a quiet device would cost a walk
-- through everybody's.
CREATE INDEX scans_by_device ON scans (device, at);
-- The same for its alarms.
CREATE INDEX alarms_by_device ON alarms (device, id);
