# Sourced by the scripts beside it: sets $python to a Python 3.11 or newer. If there is only an older one,
# takes that: setup.py then says what to install.
python=
for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    if ! command -v python3 >/dev/null; then
        echo "error: no python3 found; install Python 3.11 or newer (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
    python=python3
fi
