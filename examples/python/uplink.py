"""Sends what is in the buffer, one message after the other, and connects again for as long as it takes."""

import os
import random
import ssl
import time

import paho.mqtt.client as mqtt

ACCEPTED, WRONG_VERSION, WRONG_CLIENT_ID, NOT_NOW, WRONG_TOKEN, NOT_ALLOWED = range(6)
# paho 2.x translates the return code of MQTT 3.1.1 into a reason code of MQTT 5.
RETURN_CODES = {0: ACCEPTED, 132: WRONG_VERSION, 133: WRONG_CLIENT_ID, 136: NOT_NOW, 134: WRONG_TOKEN, 135: NOT_ALLOWED}

KEEPALIVE_S = 60
ANSWER_S = 30
# Far below the gateway's `mqtt.rate.perSecond` (100): what is faster is acknowledged and thrown away.
PAUSE_BETWEEN_MESSAGES_S = 0.05


class Lost(Exception):
    """The connection is over, or never came to be."""


class Backoff:
    """Twice as long after every failure, up to `longest_s`, and never the same for a whole street after a power cut."""

    def __init__(self, longest_s, first_s=1):
        self._first_s = min(first_s, longest_s)
        self._longest_s = longest_s
        self.reset()

    def reset(self):
        self._next_s = self._first_s

    def next(self):
        pause = random.uniform(self._next_s / 2, self._next_s)
        self._next_s = min(self._next_s * 2, self._longest_s)
        return pause


def read_token(path):
    """Read anew for every connection, so that a new token needs no restart."""
    if os.stat(path).st_mode & 0o077:
        raise PermissionError(f"others can read {path}: chmod 600 {path}")
    with open(path, encoding="ascii") as file:
        return file.read().strip()


class Connection:
    """One connection with a client of its own: nothing of an earlier one is sent behind our back."""

    def __init__(self, settings, token):
        self._answer = None
        self._client = new_client(settings.device)
        self._client.on_connect = self._on_connect
        self._client.username_pw_set(settings.device, token)
        # The given CA and no other; names are checked.
        context = ssl.create_default_context(cafile=settings.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._client.tls_set_context(context)
        self._address = (settings.gateway, settings.port)

    def open(self):
        """Returns the return code of the CONNACK."""
        self._client.connect(*self._address, keepalive=KEEPALIVE_S)
        deadline = time.monotonic() + ANSWER_S
        while self._answer is None:
            self._step(deadline)
        return self._answer

    def publish(self, topic, payload):
        """Returns when the PUBACK has come."""
        published = self._client.publish(topic, payload, qos=1)
        deadline = time.monotonic() + ANSWER_S
        try:
            while not published.is_published():
                self._step(deadline)
        except (RuntimeError, ValueError) as error:
            raise Lost(str(error)) from error

    def idle(self, seconds):
        """Keeps the connection alive; raises `Lost` when it is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._step(None)

    def close(self):
        self._client.disconnect()

    def _step(self, deadline):
        failure = self._client.loop(timeout=0.1)
        if self._answer is None and failure == mqtt.MQTT_ERR_CONN_REFUSED:
            raise Lost("refused without a reason")
        if self._answer in (None, ACCEPTED) and failure != mqtt.MQTT_ERR_SUCCESS:
            raise Lost(mqtt.error_string(failure))
        if deadline is not None and time.monotonic() > deadline:
            raise Lost("no answer in time")

    def _on_connect(self, _client, _userdata, _flags, reason, _properties=None):
        self._answer = reason if isinstance(reason, int) else RETURN_CODES.get(reason.value, NOT_NOW)


def new_client(device):
    options = {"client_id": device, "clean_session": True, "protocol": mqtt.MQTTv311}
    if hasattr(mqtt, "CallbackAPIVersion"):  # paho 2.x
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, **options)
    return mqtt.Client(**options)


def run(settings, buffer, stopping):
    """Returns when `stopping` is set. Raises SystemExit on what waiting does not repair."""
    backoff = Backoff(settings.longest_pause)
    while not stopping.is_set():
        try:
            token = read_token(settings.token_file)
            attempt(settings, token, buffer, backoff, stopping)
        except (OSError, ValueError, Lost) as error:
            print(f"not connected: {error}", flush=True)
        if not stopping.is_set():
            stopping.wait(backoff.next())


def attempt(settings, token, buffer, backoff, stopping):
    connection = Connection(settings, token)
    try:
        answer = connection.open()
        if answer == ACCEPTED:
            print("connected", flush=True)
            send(connection, settings.device, buffer, backoff, stopping)
        elif answer == NOT_NOW:
            raise Lost("the gateway cannot take anything now")
        elif answer == WRONG_TOKEN:
            print(f"the token is not valid: waiting for another one in {settings.token_file}", flush=True)
            wait_for_another(token, settings.token_file, stopping)
            backoff.reset()
        else:
            raise SystemExit(f"refused with return code {answer}: is --device the id that the token was issued for?")
    finally:
        connection.close()


def send(connection, device, buffer, backoff, stopping):
    topic = f"devices/{device}/telemetry"
    while not stopping.is_set():
        waiting = buffer.first()
        if waiting is None:
            connection.idle(0.2)
            continue
        connection.publish(topic, waiting.payload)
        buffer.remove(waiting.name)
        # Only now: a gateway that lets us in and takes nothing is no reason for haste.
        backoff.reset()
        print(f"acknowledged {waiting.payload.decode()}", flush=True)
        connection.idle(PAUSE_BETWEEN_MESSAGES_S)


def wait_for_another(token, path, stopping):
    """Trying the same token again and again would only look like an attack."""
    while not stopping.wait(1):
        try:
            if read_token(path) != token:
                return
        except OSError:
            pass  # It is being replaced.
