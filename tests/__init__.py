"""The tests; a package by name, since a dependency installs a `tests` of its own that would else be found first."""
