"""What the service knows: documents in SQLite, in memory or in a file."""

import secrets
import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from .models import Beat, Heartbeat, Media, Recording, Token

_BEATS_KEPT = 10000  # of one device: a week at one a minute


class State:
    """Recordings, devices, tokens, commands, heartbeats. `path` None keeps it in memory."""

    def __init__(self, path: Path | None = None):
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        with self._db:
            self._db.execute(
                "create table if not exists documents (kind text, id text, body text,"
                " primary key (kind, id))"
            )
            self._db.execute("create table if not exists beats (device text, at text, body text)")
            self._db.execute("create index if not exists beats_of on beats (device)")

    def close(self):
        """Close the database."""
        with self._lock:
            self._db.close()

    def put(self, kind: str, key: str, document):
        """Store a document (a pydantic model) under its kind and key."""
        with self._lock, self._db:
            self._db.execute(
                "insert into documents values (?, ?, ?)"
                " on conflict (kind, id) do update set body = excluded.body",
                (kind, key, document.model_dump_json()),
            )

    def get(self, kind: str, key: str, model):
        """The document of that kind and key as `model`, or None."""
        with self._lock:
            row = self._db.execute(
                "select body from documents where kind = ? and id = ?", (kind, key)
            ).fetchone()
        return model.model_validate_json(row[0]) if row else None

    def all(self, kind: str, model) -> list:
        """Every document of a kind, in the order in which they came."""
        with self._lock:
            rows = self._db.execute(
                "select body from documents where kind = ? order by rowid", (kind,)
            ).fetchall()
        return [model.model_validate_json(row[0]) for row in rows]

    def keys(self, kind: str) -> list[str]:
        """The keys of every document of a kind."""
        with self._lock:
            rows = self._db.execute("select id from documents where kind = ?", (kind,)).fetchall()
        return [row[0] for row in rows]

    def delete(self, kind: str, key: str):
        """Forget a document."""
        with self._lock, self._db:
            self._db.execute("delete from documents where kind = ? and id = ?", (kind, key))

    def forget(self, *kinds: str):
        """Forget every document of these kinds, and every heartbeat."""
        with self._lock, self._db:
            for kind in kinds:
                self._db.execute("delete from documents where kind = ?", (kind,))
            self._db.execute("delete from beats")

    def add_beat(self, device_id: str, at: datetime, said: Heartbeat):
        """Append a heartbeat to a device's history, of which the latest 10,000 are kept."""
        with self._lock, self._db:
            self._db.execute(
                "insert into beats values (?, ?, ?)",
                (device_id, at.isoformat(), said.model_dump_json()),
            )
            self._db.execute(
                "delete from beats where rowid in (select rowid from beats where device = ?"
                " order by rowid desc limit -1 offset ?)",
                (device_id, _BEATS_KEPT),
            )
        self.put("heartbeat", device_id, said)

    def beats(self, device_id: str, limit: int = 500) -> list[Beat]:
        """A device's latest heartbeats, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "select at, body from beats where device = ? order by rowid desc limit ?",
                (device_id, limit),
            ).fetchall()
        return [
            Beat(at=datetime.fromisoformat(at), said=Heartbeat.model_validate_json(body))
            for at, body in reversed(rows)
        ]

    def recordings(self) -> list[Recording]:
        """Every recording."""
        return self.all("recording", Recording)

    def issue_token(self, device_id: str, end_user_id: str) -> str:
        """A new token for a device. The device's earlier tokens stay as they are."""
        token = "dtok_" + secrets.token_hex(16)
        self.put("token", token, Token(token=token, device_id=device_id, end_user_id=end_user_id))
        return token

    def set_token_state(self, token: str, state: str):
        """Make a token `active`, `rotated` or `revoked`."""
        known = self.get("token", token, Token)
        known.state = state
        self.put("token", token, known)

    def revoke_tokens(self, device_id: str):
        """Revoke every active token of a device."""
        for token in self.all("token", Token):
            if token.device_id == device_id and token.state == "active":
                self.set_token_state(token.token, "revoked")


def new_id(prefix: str) -> str:
    """An identifier like the service's: `rec_3f2a...`."""
    return f"{prefix}_{secrets.token_hex(12)}"


def object_key(recording: Recording, media: Media) -> str:
    """Where a media file lies in the bucket, shaped like the reference's example."""
    return f"proj_local/{recording.id}/{media.id}/{media.content_type.replace('/', '.')}"
