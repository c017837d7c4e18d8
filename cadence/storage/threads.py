"""The index of the conversations: one row for each thread, and one for each of its turns."""

from collections.abc import Iterable

import msgspec
from msgspec import structs
from sqlite_utils import Database

from cadence.conversation import Question, Step, ThreadRecord, TurnRecord
from cadence.errors import InvalidRequest, NotFound, ThreadBusy
from cadence.storage.database import Connections, Row, utc_now
from cadence.storage.owners import is_alive

#: A result of a step with more JSON than this is kept as its beginning, in bytes.
MAX_RESULT_BYTES = 256 * 1024
#: Arguments likewise: they are left out.
MAX_ARGUMENTS_BYTES = 64 * 1024
#: A response with more is cut, in characters.
MAX_RESPONSE_CHARACTERS = 1_000_000
#: The words of an error likewise.
MAX_ERROR_CHARACTERS = 16_000
_CUT = " … (cut)"
_THREADS = """
    SELECT id, title, created_at, updated_at, (SELECT count(*) FROM turns WHERE thread_id = id) AS turns,
        coalesce((SELECT state FROM turns WHERE thread_id = id ORDER BY number DESC LIMIT 1), 'answered') AS state,
        (SELECT owner FROM turns WHERE thread_id = id ORDER BY number DESC LIMIT 1) AS owner
    FROM threads"""


class ThreadIndex(Connections):
    """Every SQL statement about conversations."""

    def create_thread(self, thread: ThreadRecord) -> None:
        """Keep a thread without turns."""
        with self.database.atomic() as db:
            values = (thread.id, thread.title, thread.created_at, thread.updated_at)
            db.execute("INSERT INTO threads VALUES (?, ?, ?, ?)", values)

    def begin_turn(self, thread_id: str, question: Question, owner: str) -> int:
        """Begin a turn of a thread; ``owner`` runs it until :meth:`end_turn`.

        :returns: its number, from 1 on.
        :raises NotFound: when there is no such thread.
        :raises ThreadBusy: when it has a turn that runs.
        """
        with self.database.atomic() as db:
            self._require_idle(thread_id)
            now = utc_now()
            if db.execute("UPDATE threads SET updated_at = ? WHERE id = ?", (now, thread_id)).rowcount == 0:
                raise NotFound(f"There is no conversation {thread_id!r}.")
            (number,) = db.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM turns WHERE thread_id = ?", (thread_id,)
            ).fetchone()
            plugins = None if question.plugins is None else _json(question.plugins)
            db.execute(
                "INSERT INTO turns (thread_id, number, owner, message, asked_at, state, plugins, tone)"
                " VALUES (?, ?, ?, ?, ?, 'running', ?, ?)",
                (thread_id, number, owner, question.message, now, plugins, question.tone),
            )
            return int(number)

    def end_turn(self, thread_id: str, number: int, record: TurnRecord) -> None:
        """Say what came of a turn; where its thread was deleted meanwhile, nothing is kept."""
        with self.database.atomic() as db:
            db.execute(
                "UPDATE turns SET state = ?, response = ?, steps = ?, error = ?, model = ?, turn_limit = ?,"
                " notices = ?, ms = ? WHERE thread_id = ? AND number = ?",
                (
                    *(record.state, _shortened(record.response, MAX_RESPONSE_CHARACTERS)),
                    *(_json([_bounded(step) for step in record.steps]), _shortened_error(record.error), record.model),
                    *(record.limit, _json(record.notices), record.ms, thread_id, number),
                ),
            )
            db.execute("UPDATE threads SET updated_at = ? WHERE id = ?", (utc_now(), thread_id))

    def thread(self, thread_id: str) -> ThreadRecord | None:
        """One thread."""
        found = self._threads("WHERE id = ?", thread_id)
        return found[0] if found else None

    def threads(self, limit: int = 50, after: str | None = None) -> list[ThreadRecord]:
        """The threads, the one that changed last first.

        :param after: the id of a thread, for those behind it.
        :raises InvalidRequest: when there is no such thread.
        """
        if after is None:
            return self._threads("ORDER BY updated_at DESC, id DESC LIMIT ?", limit)
        last = self.thread(after)
        if last is None:
            raise InvalidRequest(f"after must be the id of a conversation, and there is none {after!r}.")
        order = "WHERE (updated_at, id) < (?, ?) ORDER BY updated_at DESC, id DESC LIMIT ?"
        return self._threads(order, last.updated_at, last.id, limit)

    def turns(self, thread_id: str) -> list[TurnRecord]:
        """The turns of a thread, in order; none where there is no such thread."""
        rows = self.database.rows("SELECT * FROM turns WHERE thread_id = ? ORDER BY number", thread_id)
        return [self._turn_record(row) for row in rows]

    def delete_thread(self, thread_id: str) -> None:
        """Remove a thread and its turns.

        :raises NotFound: when there is none.
        """
        with self.database.atomic() as db:
            if db.execute("DELETE FROM threads WHERE id = ?", (thread_id,)).rowcount == 0:
                raise NotFound(f"There is no conversation {thread_id!r}.")

    def interrupt_turns(self) -> None:
        """Have the turns whose server does not live any more be interrupted ones."""
        with self.database.atomic() as db:
            owners = [
                row["owner"] for row in self.database.rows("SELECT DISTINCT owner FROM turns WHERE state = 'running'")
            ]
            dead = [owner for owner in owners if not is_alive(self.instance, owner)]
            _interrupt(db, dead)

    def _require_idle(self, thread_id: str) -> None:
        row = self.database.row("SELECT owner FROM turns WHERE thread_id = ? AND state = 'running'", thread_id)
        if row is None:
            return
        if is_alive(self.instance, row["owner"]):
            raise ThreadBusy("This conversation is still answering. Ask again once it has answered, or stop it.")
        _interrupt(self.database, [row["owner"]])

    def _threads(self, rest: str, *parameters: object) -> list[ThreadRecord]:
        return [self._thread_record(row) for row in self.database.rows(f"{_THREADS} {rest}", *parameters)]

    def _thread_record(self, row: Row) -> ThreadRecord:
        state = self._turn_state(row)
        return ThreadRecord(row["id"], row["title"], row["created_at"], row["updated_at"], row["turns"], state)

    def _turn_record(self, row: Row) -> TurnRecord:
        return TurnRecord(
            number=row["number"],
            message=row["message"],
            asked_at=row["asked_at"],
            state=self._turn_state(row),
            response=row["response"],
            steps=msgspec.json.decode(row["steps"], type=tuple[Step, ...]),
            error=row["error"],
            model=row["model"],
            limit=row["turn_limit"],
            notices=msgspec.json.decode(row["notices"], type=tuple[str, ...]),
            ms=row["ms"],
            plugins=None if row["plugins"] is None else msgspec.json.decode(row["plugins"], type=tuple[str, ...]),
            tone=row["tone"],
        )

    def _turn_state(self, row: Row) -> str:
        """That of a turn; one whose server died under it runs no more, also where nobody has noted that yet."""
        state = str(row["state"])
        return "interrupted" if state == "running" and not is_alive(self.instance, row["owner"]) else state


def _interrupt(db: Database, owners: Iterable[str]) -> None:
    for owner in owners:
        db.execute("UPDATE turns SET state = 'interrupted' WHERE state = 'running' AND owner = ?", (owner,))


def _bounded(step: Step) -> Step:
    args = step.args if len(msgspec.json.encode(step.args)) <= MAX_ARGUMENTS_BYTES else {}
    step = structs.replace(step, args=args, error=_shortened_error(step.error))
    result = msgspec.json.encode(step.result)
    if len(result) <= MAX_RESULT_BYTES:
        return step
    beginning = result[:MAX_RESULT_BYTES].decode(errors="ignore")  # a character may be cut in two
    return structs.replace(step, result=f"{beginning}{_CUT}")


def _shortened_error(error: str | None) -> str | None:
    return None if error is None else _shortened(error, MAX_ERROR_CHARACTERS)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}{_CUT}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
