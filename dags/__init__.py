"""When the walk runs: Airflow's DAGs, the only place that imports Airflow; what runs is in `hub.walk`."""
