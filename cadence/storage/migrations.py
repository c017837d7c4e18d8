"""How the index came to look as it does: one function a step, in order, never changed once released."""

from sqlite_utils import Database, Migrations

migrations = Migrations("cadence")


def known_migrations() -> set[str]:
    """The names of all migrations of this version of Cadence."""
    with Database(memory=True, execute_plugins=False) as empty:
        return {migration.name for migration in migrations.pending(empty)}


@migrations()
def m001_versions_and_plugins(db: Database) -> None:
    """The installed versions, and which one of each plugin is active.

    ``plugins.metadata_name`` is the name in the metadata of the *active* version, so that the database itself
    keeps two live plugins from sharing one. ``pending`` is the intent log of the store: what was decided and
    whose files may not have followed yet.
    """
    db.execute("""
        CREATE TABLE versions (
            name TEXT NOT NULL, version TEXT NOT NULL, install_id TEXT NOT NULL, sha256 TEXT NOT NULL,
            size_bytes INTEGER NOT NULL, installed_at TEXT NOT NULL,
            source TEXT NOT NULL CHECK (source IN ('upload', 'directory')),
            environment TEXT, dependencies_installed TEXT NOT NULL, report TEXT NOT NULL,
            PRIMARY KEY (name, version)
        ) STRICT""")
    db.execute("""
        CREATE TABLE plugins (
            name TEXT PRIMARY KEY NOT NULL, active_version TEXT, metadata_name TEXT UNIQUE,
            FOREIGN KEY (name, active_version) REFERENCES versions (name, version),
            CHECK ((active_version IS NULL) = (metadata_name IS NULL))
        ) STRICT""")
    db.execute("""
        CREATE TABLE pending (
            name TEXT NOT NULL, version TEXT NOT NULL, change TEXT NOT NULL CHECK (change IN ('publish', 'remove')),
            install_id TEXT, record TEXT, activate INTEGER NOT NULL DEFAULT 0, metadata_name TEXT,
            PRIMARY KEY (name, version)
        ) STRICT""")


@migrations()
def m002_generation(db: Database) -> None:
    """The one row that every server polls."""
    db.execute("""
        CREATE TABLE state (
            id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, reload_generation INTEGER NOT NULL
        ) STRICT""")
    db.execute("INSERT INTO state VALUES (1, 0, 0)")


@migrations()
def m003_installs(db: Database) -> None:
    """The runs of the pipeline and their log lines."""
    db.execute("""
        CREATE TABLE installs (
            n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, filename TEXT NOT NULL, name TEXT, version TEXT,
            state TEXT NOT NULL, owner TEXT NOT NULL, created_at TEXT NOT NULL, finished_at TEXT,
            stages TEXT NOT NULL, status INTEGER, outcome TEXT
        ) STRICT""")
    db.execute("CREATE INDEX installs_running ON installs (owner) WHERE state = 'running'")
    db.execute("""
        CREATE TABLE install_lines (
            install_id TEXT NOT NULL REFERENCES installs (id) ON DELETE CASCADE,
            n INTEGER NOT NULL, stage TEXT NOT NULL, text TEXT NOT NULL,
            PRIMARY KEY (install_id, n)
        ) STRICT, WITHOUT ROWID""")


@migrations()
def m004_servers(db: Database) -> None:
    """The server processes and what each made of the last change."""
    db.execute("""
        CREATE TABLE servers (
            id TEXT PRIMARY KEY NOT NULL, pid INTEGER NOT NULL, started_at TEXT NOT NULL,
            seen_generation INTEGER NOT NULL, report TEXT
        ) STRICT""")


@migrations()
def m005_grants(db: Database) -> None:
    """What each plugin is permitted, also one that is not installed yet. It goes with the plugin's last version.

    ``revision`` is the generation of the change, so that no two grants of a name ever have the same, not even when the
    plugin was deleted in between.
    """
    db.execute("""
        CREATE TABLE grants (
            name TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL, grants TEXT NOT NULL
        ) STRICT""")


@migrations()
def m006_locks(db: Database) -> None:
    """The locks of dependency environments, and which one a resolution of the same inputs came to last time.

    ``versions.isolated`` says that the environment holds all a plugin imports. ``installs.kind`` tells an install from
    a check, ``installs.cancelling`` that it is to end: the process that runs it looks for that.
    """
    db.execute("ALTER TABLE versions ADD COLUMN isolated INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "ALTER TABLE installs ADD COLUMN kind TEXT NOT NULL DEFAULT 'install' CHECK (kind IN ('install', 'check'))"
    )
    db.execute("ALTER TABLE installs ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0")
    db.execute("CREATE TABLE locks (environment TEXT PRIMARY KEY NOT NULL, lock TEXT NOT NULL) STRICT")
    db.execute("""
        CREATE TABLE resolutions (
            inputs TEXT PRIMARY KEY NOT NULL, environment TEXT NOT NULL REFERENCES locks (environment),
            resolved_at TEXT NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX resolutions_environment ON resolutions (environment)")


@migrations()
def m007_decisions_and_history(db: Database) -> None:
    """What operators decide, what happened, and what was deleted and can be brought back.

    ``versions.quarantine`` says why a version was taken back. ``deleted.record`` is the version as it was, ``grants``
    those of its plugin where it was the last one. The numbers of the history are never used twice, also when all of it
    was pruned. What is active now became so, as far as is known, when it was installed.
    """
    db.execute("ALTER TABLE plugins ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE plugins ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE plugins ADD COLUMN activated_at TEXT")
    db.execute("ALTER TABLE versions ADD COLUMN quarantine TEXT")
    db.execute("""
        CREATE TABLE activations (
            n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT, previous_version TEXT,
            cause TEXT NOT NULL, at TEXT NOT NULL, words TEXT NOT NULL DEFAULT ''
        ) STRICT""")
    db.execute("""
        CREATE TABLE events (
            n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT, kind TEXT NOT NULL,
            at TEXT NOT NULL, words TEXT NOT NULL DEFAULT ''
        ) STRICT""")
    db.execute("""
        CREATE TABLE checks (
            n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version TEXT NOT NULL, at TEXT NOT NULL,
            kind TEXT NOT NULL, healthy INTEGER NOT NULL, ms REAL NOT NULL, words TEXT NOT NULL DEFAULT '',
            checks TEXT NOT NULL DEFAULT '{}'
        ) STRICT""")
    db.execute("CREATE INDEX activations_name ON activations (name, n)")
    db.execute("CREATE INDEX events_name ON events (name, n)")
    db.execute("CREATE INDEX checks_name ON checks (name, n)")
    db.execute("CREATE INDEX events_at ON events (at)")
    db.execute("CREATE INDEX checks_at ON checks (at)")
    db.execute("""
        CREATE TABLE deleted (
            name TEXT NOT NULL, version TEXT NOT NULL, install_id TEXT NOT NULL UNIQUE, record TEXT NOT NULL,
            environment TEXT, deleted_at TEXT NOT NULL, expires_at TEXT NOT NULL, was_active INTEGER NOT NULL,
            disabled INTEGER NOT NULL, grants TEXT,
            PRIMARY KEY (name, version)
        ) STRICT""")
    db.execute("""
        UPDATE plugins SET activated_at = (
            SELECT installed_at FROM versions WHERE versions.name = plugins.name AND version = active_version)""")
    db.execute("""
        INSERT INTO activations (name, version, cause, at)
        SELECT name, active_version, 'install', activated_at FROM plugins WHERE active_version IS NOT NULL
        ORDER BY activated_at""")


@migrations()
def m008_search(db: Database) -> None:
    """What each version says of itself as text, and the words in it. Triggers keep both in step with ``versions``.

    ``version_texts`` has a key of its own, because that of a table without one may change when the file is packed.
    A plugin may say any amount: only the beginning of each text is looked through.
    """
    db.execute("""
        CREATE TABLE version_texts (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, names TEXT NOT NULL,
            description TEXT NOT NULL, capabilities TEXT NOT NULL, tools TEXT NOT NULL, UNIQUE (name, version)
        ) STRICT""")
    db.execute("""
        CREATE VIRTUAL TABLE version_words USING fts5 (
            names, description, capabilities, tools, content = 'version_texts', content_rowid = 'id',
            tokenize = 'unicode61 remove_diacritics 2'
        )""")
    _keep_words(db)
    db.execute("""
        CREATE VIEW version_sayings AS SELECT
            name, version, name || ' ' || ifnull(json_extract(report, '$.metadata.name'), '') AS names,
            substr(ifnull(json_extract(report, '$.metadata.description'), ''), 1, 4000) AS description,
            (SELECT substr(ifnull(group_concat(value, ' '), ''), 1, 4000)
                FROM json_each(report, '$.metadata.capabilities')) AS capabilities,
            (SELECT substr(ifnull(group_concat(
                    json_extract(value, '$.name') || ' ' || json_extract(value, '$.description'), ' '), ''), 1, 16000)
                FROM json_each(report, '$.tools')) AS tools
        FROM versions""")
    db.execute("""
        CREATE TRIGGER versions_added AFTER INSERT ON versions BEGIN
            INSERT INTO version_texts (name, version, names, description, capabilities, tools)
            SELECT * FROM version_sayings WHERE name = new.name AND version = new.version;
        END""")
    db.execute("""
        CREATE TRIGGER versions_changed AFTER UPDATE OF report ON versions BEGIN
            UPDATE version_texts SET (names, description, capabilities, tools) = (
                SELECT names, description, capabilities, tools FROM version_sayings
                WHERE name = new.name AND version = new.version)
            WHERE name = new.name AND version = new.version;
        END""")
    db.execute("""
        CREATE TRIGGER versions_removed AFTER DELETE ON versions BEGIN
            DELETE FROM version_texts WHERE name = old.name AND version = old.version;
        END""")
    db.execute("""
        INSERT INTO version_texts (name, version, names, description, capabilities, tools)
        SELECT * FROM version_sayings""")


@migrations()
def m009_threads(db: Database) -> None:
    """Conversations: their turns as they were shown. What models are shown of them lies in a file of LangGraph's."""
    db.execute("""
        CREATE TABLE threads (
            id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX threads_by_time ON threads (updated_at, id)")
    db.execute("""
        CREATE TABLE turns (
            thread_id TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE, number INTEGER NOT NULL,
            owner TEXT NOT NULL, message TEXT NOT NULL, asked_at TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'answered', 'failed', 'stopped', 'interrupted')),
            response TEXT NOT NULL DEFAULT '', steps TEXT NOT NULL DEFAULT '[]', error TEXT,
            model TEXT NOT NULL DEFAULT '', turn_limit TEXT, notices TEXT NOT NULL DEFAULT '[]',
            ms REAL NOT NULL DEFAULT 0, plugins TEXT, tone TEXT,
            PRIMARY KEY (thread_id, number)
        ) STRICT""")


@migrations()
def m010_origins(db: Database) -> None:
    """Who had something happen, and by which install. What was kept before tells neither.

    ``events.change`` is the change of the active version that an event tells of too. Until now that was known by their
    moments: both were written in one transaction, so that less than half a second lies between them.
    """
    for table in ("activations", "events"):
        for column in ("origin", "client", "install_id"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
    for column in ("origin", "client", "cancelled_by", "cancelling_client"):
        db.execute(f"ALTER TABLE installs ADD COLUMN {column} TEXT")
    for column in ("origin", "client"):
        db.execute(f"ALTER TABLE pending ADD COLUMN {column} TEXT")
    db.execute("ALTER TABLE events ADD COLUMN change INTEGER")
    db.execute("""
        UPDATE events SET change = (
            SELECT max(n) FROM activations WHERE activations.name = events.name
                AND activations.version = events.version
                AND abs(julianday(activations.at) - julianday(events.at)) * 86400 <= 0.5)
        WHERE kind IN ('activated', 'rolled_back')""")
    db.execute("CREATE INDEX events_change ON events (change) WHERE change IS NOT NULL")
    db.execute("CREATE INDEX activations_at ON activations (at)")


@migrations()
def m011_listing(db: Database) -> None:
    """What a list of all plugins needs of their versions, so that no report of any is read for it."""
    db.execute("CREATE INDEX versions_listing ON versions (name, installed_at, quarantine)")


@migrations()
def m012_history_by_kind(db: Database) -> None:
    """What happened to all plugins is asked for by kind and origin, and what is rare is found at once."""
    db.execute("CREATE INDEX activations_by_kind ON activations (cause, origin, at)")
    db.execute("CREATE INDEX events_by_kind ON events (kind, origin, at) WHERE change IS NULL")


def _keep_words(db: Database) -> None:
    """Of :func:`m008_search`: as in https://sqlite.org/fts5.html, "External Content Tables"."""
    db.execute("""
        CREATE TRIGGER version_texts_added AFTER INSERT ON version_texts BEGIN
            INSERT INTO version_words (rowid, names, description, capabilities, tools)
            VALUES (new.id, new.names, new.description, new.capabilities, new.tools);
        END""")
    db.execute("""
        CREATE TRIGGER version_texts_removed AFTER DELETE ON version_texts BEGIN
            INSERT INTO version_words (version_words, rowid, names, description, capabilities, tools)
            VALUES ('delete', old.id, old.names, old.description, old.capabilities, old.tools);
        END""")
    db.execute("""
        CREATE TRIGGER version_texts_changed AFTER UPDATE ON version_texts BEGIN
            INSERT INTO version_words (version_words, rowid, names, description, capabilities, tools)
            VALUES ('delete', old.id, old.names, old.description, old.capabilities, old.tools);
            INSERT INTO version_words (rowid, names, description, capabilities, tools)
            VALUES (new.id, new.names, new.description, new.capabilities, new.tools);
        END""")
