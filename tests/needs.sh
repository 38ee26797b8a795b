#!/bin/sh
# Prints the Debian packages that the tests need and this machine lacks, on one line; exits with 1 if there are any.
# What pip and npm can bring is not among them: `make test` fetches that into the project's own folders.
# `make needs` turns the line into a command, and .ci/run installs what it names. The Python is $PYTHON, else python3.

missing=
need() { # PROGRAM PACKAGE…
    command -v "$1" >/dev/null 2>&1 && return
    shift
    missing="$missing $*"
}

need make make
need git git
need tmux tmux
need vim vim
need nano nano
need rsync rsync
need unix2dos dos2unix
need unshare util-linux
need node nodejs
need npm npm
python=${PYTHON:-python3}
need "$python" python3
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
# Debian's pip, node and npm trust the system's certificates
if command -v apt-get >/dev/null 2>&1 && ! [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    missing="$missing ca-certificates"
fi

[ -z "$missing" ] || { echo $missing; exit 1; } # unquoted: single blanks
