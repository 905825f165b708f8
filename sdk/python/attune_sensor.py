"""Helpers for sensors in Python, 3.8 and later, without dependencies: copy this file into your pack's lib folder.

    from attune_sensor import Sensor

    with Sensor() as sensor:
        count = sensor.checkpoint or 0
        while sensor.wait(5):
            count += 1
            sensor.emit({"count": count}, checkpoint=count)

The same program works with `protocol: stream`, where an event is a line on stdout, and with `protocol: standalone`,
where it is a request to the API. The agent's environment variables tell which one it is.

With `standalone`, `sensor.rules` follows every change of a rule within a second. With `stream`, the agent restarts the
program instead. Everything may be called from any thread.
"""

import base64
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

__all__ = ["EventRefused", "Rule", "Sensor"]


class EventRefused(Exception):
    """The event can never be stored. `status` and `code` are those of the API's answer."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.code = code


class Rule:
    """An enabled rule on one of the sensor's triggers. `params` are its trigger_params, a dict."""

    def __init__(self, id, ref, trigger_ref, params):
        self.id = id
        self.ref = ref
        self.trigger_ref = trigger_ref
        self.params = params

    def __eq__(self, other):
        return isinstance(other, Rule) and vars(self) == vars(other)

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"Rule({self.id}, {self.ref!r}, {self.trigger_ref!r}, {self.params!r})"


class Sensor:
    """What the agent knows about this sensor, and the way to report events.

    As a context manager it sets up logging to stderr, ends `wait` at SIGTERM and SIGINT, and closes what it opened.
    """

    def __init__(self, environment=None):
        env = os.environ if environment is None else environment
        self.ref = _variable(env, "ATTUNE_SENSOR_REF", "")
        self.trigger_refs = json.loads(_variable(env, "ATTUNE_SENSOR_TRIGGER_TYPES", "[]"))
        self.config = json.loads(_variable(env, "ATTUNE_SENSOR_CONFIG_JSON", "{}"))
        self.checkpoint = _checkpoint(_variable(env, "ATTUNE_SENSOR_CHECKPOINT", None))
        self.log = logging.getLogger(self.ref or "sensor")
        self._level = _variable(env, "ATTUNE_LOG_LEVEL", "info")
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._rules = {}
        for entry in json.loads(_variable(env, "ATTUNE_SENSOR_TRIGGERS", "[]")):
            rule = Rule(entry["id"], entry["ref"], entry["trigger_ref"], entry.get("trigger_params") or {})
            self._rules[rule.id] = rule
        self._listeners = []
        url = _variable(env, "ATTUNE_API_URL", None)
        token = _variable(env, "ATTUNE_API_TOKEN", None)
        token_path = env.get("ATTUNE_SENSOR_TOKEN_STATE_PATH")
        # With `stream` there may be a token, too, but neither its file nor its expiry.
        is_standalone = token_path is not None or "ATTUNE_API_TOKEN_EXPIRES_AT" in env
        if is_standalone and url is not None and token is not None:
            self._outlet = _Api(url, _Token(token, token_path), self._stopping)
        else:
            self._outlet = _Lines()
        self._follower = None
        notifier = env.get("ATTUNE_NOTIFIER_WS_URL")
        if isinstance(self._outlet, _Api) and notifier:
            self._follower = _RuleFollower(self, notifier, self._outlet.token)

    def __enter__(self):
        levels = {"trace": logging.DEBUG, "debug": logging.DEBUG, "warn": logging.WARNING, "error": logging.ERROR}
        logging.basicConfig(
            stream=sys.stderr, level=levels.get(self._level, logging.INFO), format="%(levelname)s %(message)s"
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            # In a thread: the handler may interrupt the main thread while it holds the event's own lock.
            signal.signal(number, lambda *_: threading.Thread(target=self.stop).start())
        if self._follower is not None:
            self._follower.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if self._follower is not None:
            self._follower.close()

    @property
    def rules(self):
        """The enabled rules now: a list that does not change."""
        with self._changed:
            return list(self._rules.values())

    @property
    def is_stopping(self):
        return self._stopping.is_set()

    def stop(self):
        """Ends `wait`, now and from now on."""
        self._stopping.set()

    def wait(self, seconds):
        """Sleeps. False as soon as the sensor is to stop."""
        return not self._stopping.wait(seconds)

    def on_rules_changed(self, listener):
        """Calls `listener(rule, is_active)` for every rule now, and for every change from now on, in a thread of the kit.

        `is_active` is False when the rule was disabled, deleted or moved to a trigger that is not the sensor's.
        """
        with self._changed:
            self._listeners.append(listener)
            known = list(self._rules.values())
        for rule in known:
            listener(rule, True)

    def emit(self, payload, trigger_ref=None, rule=None, dedup_key=None, occurred_at=None, checkpoint=None):
        """Reports an event. When it returns, the event is stored (standalone) or on its way in order (stream).

        Waits while the platform cannot store it, and tries again until it can.

        payload      a dict, or any JSON value
        trigger_ref  one of the sensor's triggers; left out: the first
        rule         a Rule, if the event is for that rule alone
        dedup_key    text; a second event of this sensor and trigger with the same key is not stored
        occurred_at  text in RFC 3339, such as 2026-01-31T12:00:00Z
        checkpoint   any JSON value but None; stored together with the event

        Returns the event's id with `standalone`, None with `stream`. Raises EventRefused if it can never be stored.
        """
        event = {
            "trigger_ref": trigger_ref or (self.trigger_refs[0] if self.trigger_refs else None),
            "payload": payload,
            "trigger_instance_id": None if rule is None else f"rule_{rule.id}",
            "dedup_key": dedup_key,
            "occurred_at": occurred_at,
            "checkpoint": checkpoint,
        }
        return self._outlet.send({key: value for key, value in event.items() if value is not None})

    def _set_rule(self, rule, is_active):
        """Applies what the platform said about a rule, and tells the listeners if it is news."""
        with self._changed:
            known = self._rules.get(rule.id)
            is_active = is_active and rule.trigger_ref in self.trigger_refs
            if (known == rule) if is_active else (known is None):
                return
            if not is_active and known is not None and known.trigger_ref != rule.trigger_ref:
                # It left another trigger before it came to this one.
                return
            if is_active:
                self._rules[rule.id] = rule
            else:
                del self._rules[rule.id]
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(rule, is_active)
            except Exception:
                self.log.exception("a listener failed for rule %s", rule.ref)


def _variable(env, name, fallback):
    """The value of a variable, or the contents of the file that replaces a value too large for the environment."""
    if name in env:
        return env[name]
    path = env.get(f"{name}_FILE")
    if path is None:
        return fallback
    with open(path, encoding="utf-8") as file:
        return file.read()


def _checkpoint(text):
    """Text was stored as it is, everything else as JSON; text that is also JSON cannot be told apart."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


class _Lines:
    """`stream`: one line per event. The write waits while the agent does not read."""

    def __init__(self):
        self._lock = threading.Lock()

    def send(self, event):
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        with self._lock:
            sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass"))
            sys.stdout.buffer.flush()
        return None


class _Token:
    """The newest token: the agent writes it to a file before the old one expires."""

    def __init__(self, token, state_path):
        self._token = token
        self._path = state_path
        self._read_at = None

    @property
    def value(self):
        if self._path is None:
            return self._token
        try:
            changed_at = os.stat(self._path).st_mtime_ns
            if changed_at != self._read_at:
                with open(self._path, encoding="utf-8") as file:
                    self._token = json.load(file)["token"]
                self._read_at = changed_at
        except (OSError, ValueError, KeyError):
            # Without a file, or with one that another version wrote, the token from the start counts.
            pass
        return self._token


class _Api:
    """`standalone`: one request per event, repeated until the platform has answered."""

    def __init__(self, url, token, stopping):
        self._url = url.rstrip("/") + "/api/v1/events"
        self.token = token
        self._stopping = stopping

    def send(self, event):
        # A request whose answer was lost is repeated, so every event needs a key by which the platform knows it.
        body = {"dedup_key": str(uuid.uuid4()), **event}
        data = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
        delay = 0.2
        while True:
            try:
                return self._post(data)
            except urllib.error.HTTPError as error:
                if error.code not in (401, 408, 429, 500, 502, 503, 504):
                    raise _refusal(error) from None
                pause = _retry_after(error) or delay
            except (OSError, ValueError):
                pause = delay
            # Also while stopping: the event was promised. The agent ends a process that takes too long.
            time.sleep(pause)
            delay = min(delay * 2, 10)

    def _post(self, data):
        request = urllib.request.Request(
            self._url,
            data=data,
            method="POST",
            headers={"Authorization": f"Bearer {self.token.value}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]["id"]


def _refusal(error):
    try:
        body = json.load(error)
        return EventRefused(error.code, body.get("code"), body.get("error") or str(error))
    except ValueError:
        return EventRefused(error.code, None, str(error))


def _retry_after(error):
    try:
        return min(float(error.headers.get("Retry-After", "")), 30)
    except ValueError:
        return None


class _RuleFollower(threading.Thread):
    """Keeps a WebSocket to the platform and applies what it says about rules. Reconnects until closed."""

    def __init__(self, sensor, url, token):
        super().__init__(name="attune-rules", daemon=True)
        self._sensor = sensor
        self._url = url
        self._token = token
        self._socket = None
        self._closed = threading.Event()

    def close(self):
        self._closed.set()
        connection = self._socket
        if connection is not None:
            connection.close()
        self.join(2)

    def run(self):
        delay = 0.2
        while not self._closed.is_set():
            try:
                self._socket = _WebSocket(self._url, self._token.value)
                for trigger_ref in self._sensor.trigger_refs:
                    self._socket.send({"type": "subscribe", "filter": f"trigger_ref:{trigger_ref}"})
                for message in self._socket.messages():
                    delay = 0.2
                    self._apply(message)
            except (OSError, ValueError) as error:
                if not self._closed.is_set():
                    self._sensor.log.debug("lost the connection for changes of rules: %s", error)
            finally:
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None
            self._closed.wait(delay)
            delay = min(delay * 2, 10)

    def _apply(self, message):
        if message.get("type") == "error":
            self._sensor.log.warning("the platform refused: %s", message.get("message"))
        if message.get("type") != "notification" or message.get("entity_type") != "rule_lifecycle":
            return
        payload = message["payload"]
        rule = Rule(payload["rule_id"], payload["rule_ref"], payload["trigger_ref"], payload.get("trigger_params") or {})
        is_active = payload["event_type"] not in ("RuleDeleted", "RuleDisabled", "rule.deleted", "rule.disabled")
        self._sensor._set_rule(rule, is_active and payload.get("active", True))


class _WebSocket:
    """The client's half of RFC 6455, as far as text messages need it."""

    _TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
    _SILENT_SECONDS = 30

    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        is_secure = parts.scheme == "wss"
        port = parts.port or (443 if is_secure else 80)
        plain = socket.create_connection((parts.hostname, port), timeout=10)
        if is_secure:
            plain = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
        plain.settimeout(self._SILENT_SECONDS)
        self._socket = plain
        self._received = b""
        self._lock = threading.Lock()
        try:
            self._shake_hands(parts, token)
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, parts, token):
        path = (parts.path or "/ws") + (f"?{parts.query}" if parts.query else "")
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {parts.netloc.rpartition('@')[2]}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {token}",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self._received:
            if len(self._received) > 16384:
                raise OSError("the answer to the handshake is too long")
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if " 101 " not in status:
            raise OSError(f"the platform answered {status.strip() or 'nothing'}")

    def send(self, message):
        self._send_frame(self._TEXT, json.dumps(message).encode())

    def messages(self):
        """Every message as a dict, until the platform closes the connection."""
        text = b""
        is_asked = False
        while True:
            try:
                if not self._received:
                    self._receive()
            except socket.timeout:
                # A connection may be half open: ask once, and give it up when the answer is silence, too.
                if is_asked:
                    raise
                is_asked = True
                self._send_frame(self._PING, b"")
                continue
            is_asked = False
            final, opcode, data = self._read_frame()
            if opcode == self._CLOSE:
                return
            if opcode == self._PING:
                self._send_frame(self._PONG, data)
            elif opcode in (0, self._TEXT):
                text += data
                if final:
                    yield json.loads(text)
                    text = b""

    def close(self):
        for close in (lambda: self._socket.shutdown(socket.SHUT_RDWR), self._socket.close):
            try:
                close()
            except OSError:
                pass

    def _read_frame(self):
        first, second = self._read(2)
        length = second & 127
        if length == 126:
            (length,) = struct.unpack(">H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._read(8))
        if length > 16 * 1024 * 1024:
            raise OSError(f"a frame of {length} bytes is too long")
        return bool(first & 128), first & 15, self._read(length)

    def _read(self, length):
        while len(self._received) < length:
            self._receive()
        data, self._received = self._received[:length], self._received[length:]
        return data

    def _receive(self):
        chunk = self._socket.recv(65536)
        if not chunk:
            raise OSError("the platform closed the connection")
        self._received += chunk

    def _send_frame(self, opcode, data):
        mask = secrets.token_bytes(4)
        length = len(data)
        header = bytes([128 | opcode])
        if length < 126:
            header += bytes([128 | length])
        elif length < 65536:
            header += struct.pack(">BH", 128 | 126, length)
        else:
            header += struct.pack(">BQ", 128 | 127, length)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        with self._lock:
            self._socket.sendall(header + mask + masked)
