#!/usr/bin/env python3
"""A device that publishes telemetry and loses nothing while it is offline. Needs paho-mqtt, 1.x or 2.x:

    sudo apt-get install python3-paho-mqtt          # or: pip install paho-mqtt

How to make the CA, where the token comes from and why it behaves as it does: docs/guides/connect-a-device.md
"""

import argparse
import random
import signal
import sys
import threading
import time
import uuid

from buffer import MessageBuffer
import uplink


def measure():
    """Put your sensors here. Names, units and ranges: docs/properties.md. Leave out what you do not know."""
    return {
        "temperature": round(random.gauss(21, 0.5), 1),
        "humidity": round(random.gauss(48, 2)),
        "battery": 87,
    }


def message(model):
    # Made once, with the measurement. Whatever is sent again has the same `ts` and `id`, and is stored once.
    return {"model": model, "status": measure(), "ts": int(time.time() * 1000), "id": str(uuid.uuid4())}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gateway", required=True, help="host name, as it stands in the certificate")
    parser.add_argument("--port", type=int, default=8883)
    parser.add_argument("--ca", required=True, metavar="FILE", help="certificate of the CA, PEM")
    parser.add_argument("--device", required=True, metavar="ID")
    parser.add_argument("--token-file", required=True, metavar="FILE", help="the device token, mode 0600")
    parser.add_argument("--buffer", required=True, metavar="FOLDER", help="where messages wait")
    parser.add_argument("--model", default="EX-100")
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--keep", type=int, default=2000, metavar="MESSAGES", help="most messages that wait")
    # An hour less than what the gateway still takes as a time of a device (`mqtt.clockWindowPastMs`).
    parser.add_argument("--keep-for", type=float, default=23 * 3600, metavar="SECONDS")
    parser.add_argument("--longest-pause", type=float, default=300, metavar="SECONDS", help="between two attempts")
    return parser.parse_args()


def main():
    settings = arguments()
    try:
        uplink.read_token(settings.token_file)
    except OSError as error:
        sys.exit(str(error))
    buffer = MessageBuffer(settings.buffer, settings.keep, settings.keep_for)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    measuring = threading.Thread(target=keep_measuring, args=(settings, buffer, stopping), daemon=True)
    measuring.start()
    uplink.run(settings, buffer, stopping)


def keep_measuring(settings, buffer, stopping):
    while not stopping.is_set():
        try:
            buffer.add(message(settings.model))
        except OSError as error:
            print(f"not kept: {error}", flush=True)  # The disk is full; the next one may find room.
        stopping.wait(settings.every)


if __name__ == "__main__":
    main()
