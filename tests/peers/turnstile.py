"""A turnstile in Python, after the words of protocols/README.md: what a vendor writes first.

Usage: turnstile.py HTTP_URL CLAIM CODE [CODE ...]
Trades the claim for a login, connects, presents each code, walks its visitor through when the
lane opens, and reports the passage until it is acknowledged. Prints one JSON line for each code.
"""

import json
import queue
import secrets
import sys
import time
import urllib.request
import uuid
from urllib.parse import urlparse

import paho.mqtt.client as mqtt

TTL_MS = 1500


class Turnstile:
    def __init__(self, http, claim):
        body = json.dumps({"claim": claim, "serial": "PY-1", "model": "paho"}).encode()
        request = urllib.request.Request(
            f"{http}/enrol", body, {"content-type": "application/json"}
        )
        enrolled = json.load(urllib.request.urlopen(request, timeout=10))
        self.base = enrolled["base"]
        self.session = str(secrets.randbits(64))
        self.epoch, self.seq, self.entries = secrets.token_hex(8), 0, 0
        self.boot, self.started = secrets.randbits(31), time.monotonic()
        self.down = queue.Queue()
        broker = urlparse(enrolled["broker"])
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=enrolled["username"],
            protocol=mqtt.MQTTv5,
        )
        self.client.username_pw_set(enrolled["username"], enrolled["password"])
        self.client.will_set(f"{self.base}/up/state", self.state(False), 1, True)
        self.client.on_connect = self.connected
        self.client.on_message = self.heard
        self.client.connect(broker.hostname, broker.port, keepalive=30)
        self.client.loop_start()
        answer = self.wait("hello")
        assert answer["status"] == "accepted", answer
        assert answer["session"] == self.session, "the answer to another session"

    def state(self, online):
        return json.dumps({"online": online, "session": self.session})

    def connected(self, client, _userdata, _flags, reason, _properties):
        if reason.is_failure:
            self.down.put({"type": "hello", "status": "refused", "reason": str(reason)})
            return
        client.subscribe([(f"{self.base}/down", 1)])
        client.publish(f"{self.base}/up/state", self.state(True), 1, True)
        self.say(
            "hello",
            protocol="1.0",
            kind="turnstile",
            serial="PY-1",
            model="paho",
            firmware="0.1",
            session=self.session,
            epoch=self.epoch,
            next_seq=self.seq + 1,
        )

    def heard(self, _client, _userdata, message):
        if not message.retain:  # a retained downlink is an echo of the past
            self.down.put(json.loads(message.payload))

    def say(self, what, qos=1, **fields):
        up_ms = int((time.monotonic() - self.started) * 1000)
        block = {"at": None, "up_ms": up_ms, "boot": self.boot, "clock": "none"}
        self.client.publish(f"{self.base}/up/{what}", json.dumps(block | fields), qos)

    def wait(self, kind, good=lambda message: True, seconds=10.0):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                message = self.down.get(timeout=left)
            except queue.Empty:
                break
            if message["type"] == kind and good(message):
                return message
        return None

    def present(self, code):
        scan = {
            "id": str(uuid.uuid4()),
            "direction": "in",
            "credential": {"type": "qr", "data": code},
            "ttl_ms": TTL_MS,
        }
        answers = lambda message: message["id"] == scan["id"]
        self.say("scan", attempt=1, **scan)
        decision = self.wait("decision", answers, TTL_MS / 3000)
        if decision is None:  # once more, with the same id: it gets the same answer
            self.say("scan", attempt=2, **scan)
            decision = self.wait("decision", answers, TTL_MS / 1500)
        if decision is None:
            return {"result": "deny", "reason": "busy"}
        if decision["result"] == "grant":
            self.walk_through(decision)
        return {"result": decision["result"], "reason": decision["reason"]}

    def walk_through(self, decision):
        self.seq, self.entries = self.seq + 1, self.entries + decision["persons"]
        event = {
            "epoch": self.epoch,
            "seq": self.seq,
            "type": "passage",
            "grant": decision["grant"],
            "scan": decision["id"],
            "direction": "in",
            "outcome": "taken",
            "count": decision["persons"],
            "counters": {"in": self.entries, "out": 0},
            "by": "server",
        }
        acknowledges = lambda ack: ack["epoch"] == self.epoch and ack["upto"] >= self.seq
        for _ in range(5):  # until the ledger has it
            self.say("event", **event)
            if self.wait("event-ack", acknowledges, 5.0):
                return
        raise SystemExit("the passage was not acknowledged")


if __name__ == "__main__":
    lane = Turnstile(sys.argv[1], sys.argv[2])
    for code in sys.argv[3:]:
        print(json.dumps(lane.present(code)), flush=True)
    lane.client.publish(f"{lane.base}/up/state", lane.state(False), 1, True).wait_for_publish(5)
    lane.client.disconnect()
