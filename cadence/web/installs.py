"""What pages and API do with uploads: start them, follow them, end them, and try them again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cadence.confirmation import require_confirmable, require_retryable
from cadence.errors import NotFound
from cadence.model import (
    CheckOptions,
    CheckResult,
    InstallOptions,
    InstallRecord,
    InstallResult,
    InstallState,
    Upload,
)
from cadence.parts import Parts, Running
from cadence.storage.installs import InstallLine
from cadence.web.incoming import IncomingUpload, incoming_uploads
from cadence.web.install_views import InstallView, install_view

#: The first page shows so many installs at most.
RECENT_INSTALLS = 10
#: For so long after they began; what is under the list of installs is what an operator came for.
NEWS = timedelta(hours=1)


def news(records: Sequence[InstallRecord], now: datetime) -> list[InstallRecord]:
    """Of installs, newest first, those that run or began within the last hour, and the last one in any case."""
    oldest = (now - NEWS).isoformat(timespec="microseconds")
    return [
        record
        for place, record in enumerate(records)
        if place == 0 or record.state is InstallState.RUNNING or record.created_at >= oldest
    ]


class InstallServices:
    """The doings behind uploads."""

    _parts: Parts

    @property
    def running(self) -> Running:
        """The runtime, started where it was not."""
        return self._parts.serving

    def install(self, install_id: str) -> InstallView | None:
        """One install, None when it is not known."""
        record = self.running.installer.record(install_id)
        return self._install_view(record) if record else None

    def install_log(self, install_id: str, after: int = 0) -> tuple[InstallState, list[InstallLine]]:
        """The state of an install, and the lines of its log after one; with a state that is over, all there will be.

        :raises NotFound: when it is not known.
        """
        record = self.running.installer.record(install_id)
        if record is None:
            raise NotFound(f"There is no install {install_id!r}.")
        return record.state, self.running.installer.lines(install_id, after)

    def cancel(self, install_id: str) -> InstallView:
        """End an install, and give it as it then stands. Raises as the installer does."""
        return install_view(self.running.installer.cancel(install_id))

    def recent_installs(self) -> list[InstallView]:
        """The running installs, those of the last hour, and the last one in any case, newest first."""
        records = self.running.installer.records(RECENT_INSTALLS)
        return [self._install_view(record) for record in news(records, datetime.now(UTC))]

    def installs(
        self, limit: int, *, after: str | None = None, name: str | None = None, state: InstallState | None = None
    ) -> list[InstallView]:
        """The latest installs and checks, newest first. Takes what :meth:`InstallIndex.installs` takes."""
        found = self.running.installer.records(limit, after=after, name=name, state=state)
        return [self._install_view(record) for record in found]

    def incoming(self) -> list[IncomingUpload]:
        """The uploads that are coming in at this process."""
        return incoming_uploads().all()

    def _install_view(self, record: InstallRecord) -> InstallView:
        return install_view(record, kept=self.running.installer.kept.has(record.id))

    def run(self, upload: Upload, options: InstallOptions) -> InstallResult:
        """Install, and wait for the end. Raises as the installer does."""
        return self.running.installer.install(upload, options)

    def check(self, upload: Upload, options: CheckOptions) -> CheckResult:
        """Check, and wait for the end. Raises as the installer does."""
        return self.running.installer.check(upload, options)

    def submit(self, upload: Upload, options: InstallOptions) -> str:
        """Start an install, or a check by its options, in the background and return its id."""
        return self.running.installer.submit(upload, options)

    def install_bytes(self, filename: str, archive: bytes) -> str:
        """Start an install of an archive that is at hand, in the background, and return its id."""
        with self.running.receive() as file:
            file.write(archive)
            upload = file.finish(filename)
        return self.submit(upload, InstallOptions())

    def checked(
        self, check_id: str, *, force_overwrite: bool | None = None, activate: bool | None = None
    ) -> tuple[Upload, InstallOptions]:
        """What a check looked at, given out once to be installed, as it was checked but for what is given here.

        :raises NotFound: when there is no such check.
        :raises NotConfirmable: when it did not pass.
        :raises NotKept: when it is not here any more.
        """
        installer = self.running.installer
        require_confirmable(installer.record(check_id), check_id)
        taken = installer.kept.take(check_id, self.running.receive)
        return taken.upload, taken.confirmed(force_overwrite=force_overwrite, activate=activate)

    def again(self, install_id: str, *, force_overwrite: bool | None = None) -> tuple[Upload, InstallOptions]:
        """What an install or a check looked at that did not succeed, given out once, to do the same once more.

        :raises NotFound: when there is no such install.
        :raises NotRetryable: when it runs, or succeeded.
        :raises NotKept: when its archive is not here any more.
        """
        installer = self.running.installer
        require_retryable(installer.record(install_id), install_id)
        taken = installer.kept.take(install_id, self.running.receive)
        return taken.upload, taken.again(force_overwrite=force_overwrite)
