"""The entry point: it imports the application where Ctrl+C is answered by a sentence, not by a traceback."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        from retrieval.cli import app
    except KeyboardInterrupt:
        sys.exit("error: interrupted before anything was done")
    app.main()
