"""Tags, visits and indicators: what is reckoned from the base tables, and the set of statistical tables made of it."""
