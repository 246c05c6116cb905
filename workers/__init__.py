"""RQ jobs and their schedule: thin functions that call the core."""
