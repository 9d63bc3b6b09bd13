"""`python -m core`: the whole job without a browser; see `core.cli`."""

import sys

from core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
