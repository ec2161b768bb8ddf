"""What a worker's loop costs for each request, without a router: `npm run bench:steps`.

    worker.py module:application [/path]

Ring, FIFO and channel are real, and all in this process: the loop takes tokens, claims requests, calls the
application and sends its answers, hundreds in a batch. Printed is the least CPU time of a batch, for one
request, beside that of the application called by itself.
"""

import importlib
import io
import logging
import os
import shutil
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench" / "apps")]

# The folders must be on the path first.
from tunicorn import frame  # noqa: E402
from tunicorn.channel import Channel  # noqa: E402
from tunicorn.puller import QueuePlace  # noqa: E402
from tunicorn.queue import RING_HEADER, RING_MAGIC, RING_VERSION, SLOT, TOKEN  # noqa: E402
from tunicorn.request_loop import RequestLoop  # noqa: E402
from tunicorn.workers.base import Worker  # noqa: E402

BATCHES = 60
BATCH = 400
SLOTS, SLOT_BYTES, CLAIMS, CLAIMS_AT, SLOTS_AT = 512, 4096, 64, 4096, 20480
FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


class Settings:
    """What the parts of a worker ask of its configuration."""

    threads, workers, max_requests, max_requests_jitter = 1, 2, 0, 0
    env = MappingProxyType({})
    settings = {"worker_class": "sync", "accesslog": "access.log", "access_log_format": FORMAT}  # noqa: RUF012 -- nobody changes it

    def hook(self, _name):
        return None


class Server:
    app = SimpleNamespace()
    cfg = Settings()
    log = logging.getLogger("steps")
    timeout = 30


def request_payload(path):
    entries = {
        "REQUEST_METHOD": "GET", "RAW_URI": path, "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50222", "wsgi.url_scheme": "http",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SCRIPT_NAME": "", "PATH_INFO": path,
        "HTTP_HOST": "127.0.0.1:8000", "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64)",
        "HTTP_ACCEPT": "*/*",
    }  # fmt: skip
    head = "\0".join(part for entry in entries.items() for part in entry).encode("latin-1")
    return struct.pack("<I", len(head)) + head


def stream_of(slot):
    return SLOTS + slot


def ring_with(payload):
    ring = bytearray(SLOTS_AT + SLOTS * SLOT_BYTES)
    no_places = (len(ring), 0, 0)
    numbers = (SLOTS, SLOT_BYTES, CLAIMS_AT, CLAIMS, SLOTS_AT, *no_places)
    RING_HEADER.pack_into(ring, 0, RING_MAGIC, RING_VERSION, 1, *numbers)
    for slot in range(SLOTS):
        at = SLOTS_AT + slot * SLOT_BYTES
        ring[at : at + SLOT.size + len(payload)] = SLOT.pack(stream_of(slot), 0, len(payload), 0) + payload
    return ring


def measure_loop(folder, application, payload):
    """Least CPU time for a request, in microseconds."""
    ring, tokens = os.path.join(folder, "ring-0"), os.path.join(folder, "tokens")
    Path(ring).write_bytes(ring_with(payload))
    os.mkfifo(tokens)
    fifo = os.open(tokens, os.O_RDWR)
    router, end = socket.socketpair()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    times, state = [], {"count": 0, "start": 0.0}

    def give_batch():
        for slot in range(BATCH):
            os.write(fifo, TOKEN.pack(stream_of(slot), 0, 1))
        state["start"] = time.process_time()

    def counted(environ, start_response):
        state["count"] += 1
        if state["count"] % BATCH == 0:
            times.append((time.process_time() - state["start"]) / BATCH * 1e6)
            router.setblocking(False)
            try:
                while router.recv(1 << 20):
                    pass
            except BlockingIOError:
                router.setblocking(True)
            if len(times) < BATCHES:
                give_batch()
            else:
                worker.alive = False
                router.sendall(frame.encode(frame.DRAIN))
        return application(environ, start_response)

    worker = Worker.make(Server(), 1, counted)
    worker.queue_place = QueuePlace((ring,), tokens)
    worker.dial = lambda _path, _thread=0: Channel(end) if worker.alive else None
    router.sendall(frame.encode(frame.PULL, payload=struct.pack("<HH", 1, 0)))
    give_batch()
    RequestLoop(worker).run(["no path: it is dialled already"])
    return min(times[2:])


def measure_application(application, payload):
    """The same of the application called by itself."""
    times = []
    for _ in range(BATCHES):
        start = time.process_time()
        for _ in range(BATCH):
            environ, _ = frame.decode_request(payload)
            environ["wsgi.input"] = io.BytesIO(b"")
            result = application(environ, lambda _status, _headers, _error=None: None)
            b"".join(result)
            if hasattr(result, "close"):
                result.close()
        times.append((time.process_time() - start) / BATCH * 1e6)
    return min(times)


def main():
    module, name = sys.argv[1].split(":")
    application = getattr(importlib.import_module(module), name)
    payload = request_payload(sys.argv[2] if len(sys.argv) > 2 else "/")
    folder = tempfile.mkdtemp(dir="/dev/shm")
    try:
        whole = measure_loop(folder, application, payload)
    finally:
        shutil.rmtree(folder)
    alone = measure_application(application, payload)
    print(f"{sys.argv[1]}: worker {whole:.2f} µs a request, application and environ alone {alone:.2f} µs")


main()
