"""What the hub costs, measured within one run; `hub` never imports this."""
