"""The demo behind `make run` and `make serve`: departments, database and Airflow on one machine, and the walk."""
