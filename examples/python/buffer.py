"""Messages that the gateway has not acknowledged yet: a file each, in order, bounded, and still there after a power cut."""

import collections
import json
import os
import threading
import time

Waiting = collections.namedtuple("Waiting", "name payload")


class MessageBuffer:
    def __init__(self, folder, most, oldest_s):
        """Keeps at most `most` messages, none of them older than `oldest_s` seconds: the oldest go first."""
        self._folder = folder
        self._most = most
        self._oldest_s = oldest_s
        self._lock = threading.Lock()
        # What was measured at home is nobody else's business.
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name in os.listdir(folder):
            if name.endswith(".part"):  # A power cut came in between.
                os.remove(os.path.join(folder, name))
        self._names = collections.deque(sorted(name for name in os.listdir(folder) if name.endswith(".json")))
        self._number = int(self._names[-1].split(".")[0]) if self._names else 0

    def add(self, message):
        """Returns when the message is on disk."""
        payload = json.dumps(message, separators=(",", ":")).encode()
        with self._lock:
            self._number += 1
            name = f"{self._number:012d}.json"
            self._write(name, payload)
            self._names.append(name)
            while len(self._names) > self._most:
                self._drop_first("the buffer is full")

    def first(self):
        """The oldest message; byte for byte the same until `remove` is called. None when there is none."""
        with self._lock:
            while self._names:
                name = self._names[0]
                payload = self._read(name)
                if payload is None:
                    self._drop_first("it cannot be read")
                elif json.loads(payload)["ts"] < (time.time() - self._oldest_s) * 1000:
                    # The gateway would take the time of receipt instead: a reading of last week, stored as of today.
                    self._drop_first("it is too old")
                else:
                    return Waiting(name, payload)
            return None

    def remove(self, name):
        """The message was acknowledged; it may have been dropped in the meantime."""
        with self._lock:
            if name in self._names:
                self._names.remove(name)
                os.remove(os.path.join(self._folder, name))

    def _write(self, name, payload):
        path = os.path.join(self._folder, name)
        part = path + ".part"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError:
            if os.path.exists(part):
                os.remove(part)
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self, name):
        try:
            with open(os.path.join(self._folder, name), "rb") as file:
                payload = file.read()
            return payload if "ts" in json.loads(payload) else None
        except (OSError, ValueError):
            return None

    def _drop_first(self, why):
        name = self._names.popleft()
        try:
            os.remove(os.path.join(self._folder, name))
        except FileNotFoundError:
            pass
        print(f"dropped a message: {why}", flush=True)
