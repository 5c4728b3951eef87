"""What people order a lane to do, after protocols/README.md: commands, modes, configuration.

Pure: it knows no network and no clock. turnstile.py calls it, and tells what comes of it.
"""

import collections

MODES = ("normal", "free", "locked", "maintenance")
RANGES = {
    "ttl_ms": (200, 10_000),
    "volume": (0, 100),
    "tailgate_ms": (0, 10_000),
    "loiter_ms": (1_000, 600_000),
    "heartbeat_s": (1, 3_600),
}
OFFLINE = {"policy", "max_age_s", "max_count"}


def whole(value, least, most):
    return type(value) is int and least <= value <= most


def why_not(key, value):
    """What is wrong with a key of a configuration; none where it can be followed."""
    if key == "heartbeat_s" and value is None:
        return None
    if key in RANGES:
        least, most = RANGES[key]
        return None if whole(value, least, most) else f"not a number within {least} and {most}"
    if key == "lang":
        return None if value in ("zh", "en") else "not zh or en"
    if key == "offline":
        good = isinstance(value, dict) and value.keys() <= OFFLINE
        good = good and value.get("policy", "deny") == "deny"
        return None if good else "this device refuses everybody offline: policy deny"
    return None if key.startswith("x-") else "not known"


class Lane:
    def __init__(self):
        self.config, self.version = {}, None
        self.mode, self.emergency, self.serving = "normal", False, False
        self.counters = {"in": 0, "out": 0}
        self.seen = collections.deque(maxlen=64)
        self.facts = []  # what has happened, to be numbered and told

    def walk(self, direction, persons, by, **more):
        """So many go through: one opening, one outcome."""
        self.counters[direction] += persons
        passage = {"direction": direction, "outcome": "taken", "count": persons, "by": by}
        self.facts.append({"type": "passage", "counters": dict(self.counters)} | passage | more)

    def stands_open(self):
        """On whose word everybody may pass; none where somebody has to ask."""
        return "emergency" if self.emergency else "manual" if self.mode == "free" else None

    def obey(self, command, session, server_ms, to_all):
        """Answers a command: its ack's status and reason."""
        meant, at = command.get("session"), command.get("at")
        if command["id"] in self.seen:
            return "duplicate", None
        if meant != session and not (to_all and meant is None):
            return "expired", "of another session"
        if at is not None and at + command["ttl_ms"] <= server_ms:
            return "expired", "older than its time to live"
        if to_all and command["op"] not in ("emergency", "mode"):
            return "rejected", "not for every device at once"
        why = self.follow(command["op"], command.get("args", {}))
        if why:
            return "rejected", why
        self.seen.append(command["id"])
        return "done", None

    def follow(self, op, args):
        """Does what is ordered; gives why not, or none."""
        if op == "mode":
            if args.get("mode") not in MODES:
                return f"args.mode: one of {' '.join(MODES)}"
            if args["mode"] != self.mode:
                self.mode = args["mode"]
                self.facts.append({"type": "mode", "mode": self.mode})
        elif op == "emergency":
            if not isinstance(args.get("on"), bool):
                return "args.on: true or false"
            self.emergency = args["on"]
        elif op == "open":
            persons, direction = args.get("persons", 1), args.get("direction", "in")
            if not whole(persons, 1, 100) or direction not in self.counters:
                return "args: persons 1 to 100, direction in or out"
            if self.serving or self.stands_open() or self.mode == "maintenance":
                return "the lane is in use, stands open or is under maintenance"
            grant = {"grant": args["grant"]} if args.get("grant") else {}
            self.walk(direction, persons, "manual", **grant)
        elif op in ("reboot", "firmware", "diagnose", "message"):
            return "this device cannot"
        elif op not in ("clear", "sync", "config"):  # nothing is shown here; the rest is device.py's
            return "unknown op"
        return None

    def take(self, version, config):
        """Puts a configuration in force, all or nothing; gives what is refused, and why."""
        faults = {key: why_not(key, value) for key, value in config.items()}
        rejects = {key: why for key, why in faults.items() if why}
        if not rejects:
            self.config, self.version = config, version
        return rejects
