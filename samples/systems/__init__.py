"""What each department holds: one module a department builds its tables and writes them as its interface asks."""
