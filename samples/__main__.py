"""`python -m samples`: the command of this package."""

from samples.cli import app

if __name__ == "__main__":
    app(prog_name="python -m samples")
