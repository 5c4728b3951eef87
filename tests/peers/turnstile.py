"""A turnstile in Python, after the words of protocols/README.md: what a vendor writes first.

Usage: turnstile.py HTTP_URL CLAIM [CODE ...] [--listen SECONDS]
Trades the claim for a login, connects, presents each code, walks its visitor through when the
lane opens, and reports the passage until it is acknowledged. Prints one JSON line for each code.
With --listen it stays so long, and prints one line for each command. Offline it refuses everybody.
"""

import argparse
import json
import secrets
import time
import uuid

from device import Device


def uuid7():
    number = time.time_ns() // 1_000_000 << 80 | 7 << 76 | secrets.randbits(12) << 64
    return str(uuid.UUID(int=number | 2 << 62 | secrets.randbits(62)))


class Turnstile(Device):
    def present(self, code):
        """Somebody shows a code: what came of it."""
        if by := self.lane.stands_open():
            self.lane.walk("in", 1, by)
            self.record()
            return {"result": "passed", "reason": by}
        if self.lane.mode != "normal":
            return {"result": "deny", "reason": "lane_closed"}
        self.lane.serving = True
        decision = self.ask({"type": "qr", "data": code})
        self.lane.serving = False
        self.record()
        return {"result": decision["result"], "reason": decision["reason"]}

    def ask(self, credential):
        scan, ttl_ms = uuid7(), self.lane.config.get("ttl_ms", 1500)
        self.asked, self.decision = scan, None
        presentation = {"id": scan, "direction": "in", "credential": credential, "ttl_ms": ttl_ms}
        end = time.monotonic() + ttl_ms / 1000
        # Asked once more after a third of the time, with the same id: it gets the same answer.
        for attempt, seconds in ((1, ttl_ms / 3000), (2, ttl_ms / 1500)):
            self.say("scan", attempt=attempt, **presentation)
            if self.until(self.decided, min(seconds, end - time.monotonic())):
                break
        while self.decided() and self.decision["result"] == "wait":
            self.decision = None  # the final one follows
            self.until(self.decided, ttl_ms / 1000)
        self.asked, decision = None, self.decision  # what comes later is discarded
        if decision is None:
            self.lane.facts.append({"type": "denied", "scan": scan, "reason": "busy", "by": "own"})
            return {"result": "deny", "reason": "busy"}
        if decision["result"] == "grant":
            words = {"grant": decision["grant"], "scan": scan}
            self.lane.walk("in", decision["persons"], "server", **words)
        return decision

    def decided(self):
        return self.decision is not None


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("http")
    args.add_argument("claim")
    args.add_argument("codes", nargs="*", metavar="CODE")
    args.add_argument("--listen", type=float, default=0, metavar="SECONDS")
    args = args.parse_args()
    turnstile = Turnstile(args.http, args.claim)
    for code in args.codes:
        print(json.dumps(turnstile.present(code)), flush=True)
    turnstile.listens = args.listen > 0
    turnstile.until(lambda: False, args.listen)
    turnstile.end()


if __name__ == "__main__":
    main()
