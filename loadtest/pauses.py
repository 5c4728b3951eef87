#!/usr/bin/env python3
"""What a caller at the gates waits while tickets are imported, and while they are voided.

    cargo build --release && python3 loadtest/pauses.py [TICKETS] [VOIDS]

Starts target/release/shanmen (or $SHANMEN) with the sample park on free ports and a folder of its
own, presents one annual pass over HTTP without a break (each grant is given back), and meanwhile
imports TICKETS (1,000,000) with a credential each, then voids VOIDS (20,000) by four callers. Prints
p50, p99 and the longest wait in milliseconds of each phase. Python's standard library only.
"""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import uuid


class Caller:
    """One connection with a login."""

    def __init__(self, address, token=None):
        self.connection = http.client.HTTPConnection(address)
        self.headers = {"content-type": "application/json"}
        if token:
            self.headers["authorization"] = f"Bearer {token}"

    def post(self, path, body):
        self.connection.request("POST", path, json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else {}


def present(caller, code, waits, stop):
    """Presents until it is told to stop; notes how long each answer took."""
    credential = {"type": "qr", "data": code}
    while not stop.is_set():
        ask = {"id": str(uuid.uuid4()), "lane": "n1", "credential": credential}
        begun = time.perf_counter()
        answer = caller.post("/api/v1/admissions", ask)
        waits.append(1000 * (time.perf_counter() - begun))
        if answer.get("grant"):
            caller.post(f"/api/v1/admissions/{answer['grant']}/passage", {"outcome": "not_taken"})
        time.sleep(0.002)


def phase(name, address, token, code, work):
    """Does the work while somebody presents."""
    waits, stop = [], threading.Event()
    gate = threading.Thread(target=present, args=(Caller(address, token), code, waits, stop))
    gate.start()
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    stop.set()
    gate.join()
    waits.sort()
    at = lambda share: waits[int((len(waits) - 1) * share)]
    print(f"{name}: {seconds:.1f} s; {len(waits)} presentations, ms: "
          f"p50 {at(0.5):.2f}, p99 {at(0.99):.2f}, longest {waits[-1]:.2f}")


def import_all(address, token, file):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=3600)
    headers = {"content-type": "application/x-ndjson", "authorization": f"Bearer {token}",
               "content-length": str(os.path.getsize(file))}
    with open(file, "rb") as body:
        connection.request("POST", "/api/v1/tickets/import", body, headers)
        print("import:", connection.getresponse().read(200).decode())


def void_all(address, token, ids):
    def some(part):
        caller = Caller(address, token)
        for ticket in part:
            caller.post(f"/api/v1/tickets/{ticket}/void", {"reason": "a measurement"})

    threads = [threading.Thread(target=some, args=(ids[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    tickets = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    voids = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    program = os.environ.get("SHANMEN", "target/release/shanmen")
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "data")
        server = subprocess.Popen(
            [program, "serve", "--data", data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (data / "addresses.json").exists():
                time.sleep(0.05)
            address = json.loads((data / "addresses.json").read_text())["http"]
            login = json.loads((data / "first-login.json").read_text())
            token = Caller(address).post("/api/v1/login", login)["token"]
            seller = Caller(address, token)
            issue = lambda count: seller.post(
                "/api/v1/tickets", {"tickets": [{"product": "annual-pass"}] * count})["tickets"]
            code = issue(1)[0]["code"]
            ids = [ticket["id"] for _ in range(voids // 1000) for ticket in issue(1000)]
            lines = pathlib.Path(folder, "tickets.ndjson")
            with lines.open("w") as out:
                for n in range(tickets):
                    shown = [{"type": "qr", "data": f"B{n}"}]
                    out.write(json.dumps({"product": "annual-pass", "credentials": shown}) + "\n")
            phase("nothing else", address, token, code, lambda: time.sleep(5))
            phase("an import", address, token, code, lambda: import_all(address, token, lines))
            phase(f"{len(ids)} voids", address, token, code, lambda: void_all(address, token, ids))
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            print(next(line for line in status.splitlines() if "VmRSS" in line))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
