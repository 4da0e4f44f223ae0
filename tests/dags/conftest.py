"""An Airflow home of the session's own, and all DAGs read once; the one place that knows where DagBag lives."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("airflow")
    os.environ["AIRFLOW_HOME"] = str(home)
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    return home


def _read_dags() -> Any:
    # Airflow's own deprecations are not ours to mend.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(str(ROOT / "dags"), load_op_links=False)


@pytest.fixture(scope="session")
def read_dags(airflow_home: Path) -> Callable[[], Any]:
    """Reads the DAG files afresh, as the DAG processor does."""
    return _read_dags


@pytest.fixture(scope="session")
def dagbag(read_dags: Callable[[], Any]) -> Any:
    return read_dags()
