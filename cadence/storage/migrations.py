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
