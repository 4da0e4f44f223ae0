"""An invented county behind real interfaces: what the departments hold, and the truth about it."""
