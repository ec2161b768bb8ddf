"""`python -m tunicorn` is the command `tunicorn`."""

import sys

from tunicorn.launcher import main

if __name__ == "__main__":
    sys.exit(main())
