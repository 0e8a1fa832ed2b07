#!/usr/bin/env bash
# Sets up and starts the page: demo.sh [--port N] [--setup-only]
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/python.sh"
exec "$python" "$here/setup.py" demo "$@"
