#!/usr/bin/env bash
# Sets up and runs the whole test suite: test.sh [pytest arguments]
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/python.sh"
exec "$python" "$here/setup.py" test "$@"
