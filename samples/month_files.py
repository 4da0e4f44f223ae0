"""The files of lists that come whole each month: where they lie, how they are read back and written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from samples.faults import Spoil
from samples.plan import Plan
from samples.sheets import Sheet, read_list, with_keys, write_excel
from samples.systems import civil_affairs, disabled_federation

LISTS = (*(name for name in civil_affairs.FILES if name != civil_affairs.FACILITY), disabled_federation.DATASET)
"""All but the facilities, whose list comes once a year."""
NO_FAMILIES = pa.table({"家庭编号": pa.array([], pa.string())})


@dataclass(frozen=True)
class ListFile:
    """One list as of a plan's day, in the folder of all departments."""

    dataset: str
    plan: Plan
    systems: Path

    @property
    def path(self) -> Path:
        """Where it lies."""
        is_civil = self.dataset in civil_affairs.FILES
        name = (
            civil_affairs.file_name(self.dataset, self.plan) if is_civil else disabled_federation.file_name(self.plan)
        )
        return self.systems / self.dataset.split("/")[0] / name

    @property
    def faults(self) -> Sequence[Spoil]:
        """The kinds of faults its rows have."""
        is_civil = self.dataset in civil_affairs.FILES
        return civil_affairs.faults_of(self.dataset) if is_civil else disabled_federation.faults()

    def _sheet(self, table: pa.Table) -> Sheet | None:
        if self.path.suffix == ".csv":
            return None
        is_civil = self.dataset in civil_affairs.FILES
        return (
            civil_affairs.sheet_of(self.dataset, self.plan, table)
            if is_civil
            else disabled_federation.sheet_of(self.plan, table)
        )

    def read(self, rows: int) -> pa.Table:
        """Read so many rows back."""
        return read_list(self.path, self._sheet(NO_FAMILIES), rows)

    def keyed(self, table: pa.Table) -> pa.Table:
        """Name rows by the file and their physical row."""
        sheet = self._sheet(table)
        return with_keys(table, self.path.name, sheet.first_row if sheet else 2)

    def write(self, table: pa.Table) -> None:
        """Write the file of these rows."""
        sheet = self._sheet(table)
        if sheet is None:
            civil_affairs.write(self.dataset, self.plan, table, self.path)
        else:
            write_excel(self.path, sheet, table, self.plan.midnight)
