"""python -m t2l is the command t2l.
Knows the command line alone."""

import sys

from t2l.cli import main

sys.exit(main())
