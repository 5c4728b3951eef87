"""What every device does, after protocols/README.md: it enrols, keeps its session, says its facts
until they are acknowledged, shows that it lives, and comes again when the connection is lost.

One thread: `until` lets the connection work while its caller waits. It keeps nothing over a
restart: each start is a new epoch. It logs in by a password (profiles lab and tls). turnstile.py is
made of it.
"""

import json
import random
import secrets
import socket
import ssl
import sys
import time
import urllib.request
from urllib.parse import urlparse

import paho.mqtt.client as mqtt

from lane import Lane


def up_ms():
    return time.monotonic_ns() // 1_000_000


class Device:
    def __init__(self, http, claim):
        body = json.dumps({"claim": claim, "serial": "PY-1", "model": "paho"}).encode()
        trade = urllib.request.Request(f"{http}/enrol", body, {"content-type": "application/json"})
        enrolled = json.load(urllib.request.urlopen(trade, timeout=10))
        self.base, self.all = enrolled["base"], f"sm/1/{enrolled['site']}/_all/down"
        self.lane, self.epoch, self.seq, self.unacknowledged = Lane(), secrets.token_hex(8), 0, {}
        self.boot, self.heartbeat_s, self.server_ms, self.pause_s = secrets.randbits(31), 30, 0, 1
        self.asked, self.decision, self.listens = None, None, False
        self.beat_at = self.resend_at = self.hello_at = float("inf")
        self.broker = urlparse(enrolled["broker"])
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, enrolled["username"], protocol=mqtt.MQTTv5
        )
        self.client.username_pw_set(enrolled["username"], enrolled["password"])
        if self.broker.scheme == "mqtts":
            self.client.tls_set_context(ssl.create_default_context(cadata=enrolled.get("ca")))
        self.client.on_socket_open = lambda _client, _userdata, opened: opened.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self.client.on_connect, self.client.on_message = self.connected, self.heard
        self.connect()
        if not self.until(lambda: self.accepted, 10):
            raise SystemExit("the device was not accepted")

    def connect(self):
        self.session, self.accepted = str(secrets.randbits(64)), False
        self.client.will_set(f"{self.base}/up/state", self.state(False), 1, True)
        self.client.connect(self.broker.hostname, self.broker.port, keepalive=30)

    def state(self, online):
        return json.dumps({"online": online, "session": self.session})

    def connected(self, client, _userdata, _flags, reason, _properties):
        if reason.is_failure:
            raise SystemExit(f"refused by the broker: {reason}")
        client.subscribe([(f"{self.base}/down", 1), (self.all, 1)])
        client.publish(f"{self.base}/up/state", self.state(True), 1, True)
        self.hello()

    def hello(self):
        own = {"protocol": "1.0", "kind": "turnstile", "serial": "PY-1", "model": "paho"}
        own |= {"firmware": "0.2", "session": self.session, "epoch": self.epoch}
        self.hello_at = time.monotonic() + 10  # said again, unless there is an answer by then
        self.say("hello", **own, next_seq=self.seq + 1, config_version=self.lane.version)

    def say(self, what, qos=1, **fields):
        if self.client.is_connected():  # what is old is of no use to anybody, but for facts
            block = {"at": None, "up_ms": up_ms(), "boot": self.boot, "clock": "none"}
            self.client.publish(f"{self.base}/up/{what}", json.dumps(block | fields), qos)

    def report(self, **refused):
        self.say("config", version=self.lane.version, mode=self.lane.mode, **refused)

    def record(self):
        """Numbers what has happened at the lane, and tells it."""
        for fact in self.lane.facts:
            self.seq += 1
            block = {"at": None, "up_ms": up_ms(), "boot": self.boot, "clock": "none"}
            self.unacknowledged[self.seq] = block | {"epoch": self.epoch, "seq": self.seq} | fact
            self.say("event", **self.unacknowledged[self.seq])
            self.resend_at = min(self.resend_at, time.monotonic() + 5)
        self.lane.facts.clear()

    def heard(self, _client, _userdata, message):
        if message.retain:  # a retained downlink is an echo of the past
            return
        down = json.loads(message.payload)
        kind, ours = down.get("type"), down.get("session") == self.session
        if kind == "decision" and down["id"] == self.asked:
            self.decision = down
        elif kind == "event-ack" and down["epoch"] == self.epoch:
            for seq in [seq for seq in self.unacknowledged if seq <= down["upto"]]:
                del self.unacknowledged[seq]
        elif kind == "command":
            self.obey(down, message.topic == self.all)
        elif kind == "config" and ours:
            rejects = self.lane.take(down["version"], down["config"])
            self.report(**({"refused": down["version"], "rejects": rejects} if rejects else {}))
        elif kind == "hello" and ours and down["status"] == "accepted":
            self.accepted, self.pause_s, self.heartbeat_s = True, 1, down["heartbeat_s"]
            self.server_ms, self.hello_at = down["server_time"] - up_ms(), float("inf")
            self.beat_at = self.resend_at = 0
            self.report()
        elif kind == "hello" and ours:
            self.hello_at = time.monotonic() + down["retry_s"]

    def obey(self, command, to_all):
        now = up_ms() + self.server_ms if self.accepted else float("inf")
        status, reason = self.lane.obey(command, self.session, now, to_all)
        self.say("ack", id=command["id"], status=status, **({"reason": reason} if reason else {}))
        if self.listens:
            print(json.dumps({"command": command["op"], "status": status}), flush=True)
        self.record()
        if status == "done" and command["op"] in ("mode", "config"):
            self.report()
        elif status == "done" and command["op"] == "sync":
            self.hello()

    def turn(self, seconds):
        """Lets the connection work, says what is due, and comes again when it is lost."""
        if self.client.loop(seconds) != mqtt.MQTT_ERR_SUCCESS:
            time.sleep(self.pause_s * random.uniform(0.5, 1.0))
            self.pause_s = min(2 * self.pause_s, 60)
            try:
                self.connect()
            except OSError as error:
                print(f"not connected: {error}", file=sys.stderr)
        now = time.monotonic()
        if self.hello_at <= now:
            self.hello()
        if self.beat_at <= now:
            self.beat_at = now + (self.lane.config.get("heartbeat_s") or self.heartbeat_s) / 2
            self.say("telemetry", qos=0, queue=len(self.unacknowledged))
        if self.resend_at <= now:
            self.resend_at = now + 5 if self.unacknowledged else float("inf")
            for fact in list(self.unacknowledged.values()):
                self.say("event", **fact)

    def until(self, there, seconds):
        """Waits for something, so long at most; whether it is there."""
        end = time.monotonic() + seconds
        while not there() and (left := end - time.monotonic()) > 0:
            self.turn(min(left, 0.2))
        return there()

    def end(self):
        """Waits until all facts are acknowledged, and goes."""
        if not self.until(lambda: not self.unacknowledged, 30):
            raise SystemExit(f"{len(self.unacknowledged)} facts were not acknowledged")
        gone = self.client.publish(f"{self.base}/up/state", self.state(False), 1, True)
        self.until(gone.is_published, 5)
        self.client.disconnect()
