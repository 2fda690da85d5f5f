#!/bin/sh
# install.sh VENV EXTRAS: the packages of requirements.lock that pyproject.toml asks for, proved.
set -eu
cd "$(dirname "$0")"
# Here in an image; beside the project's root in a clone.
[ -f requirements.lock ] || cd ..
venv=$1 extras=$2 work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# uv itself comes first, by pip, with the hashes that the lock has for it.
sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$work/uv.lock"
python3 -m venv "$work/uv"
"$work/uv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$work/uv.lock"
uv=$work/uv/bin/uv

set --
for extra in $(echo "$extras" | tr ',' ' '); do set -- "$@" --extra "$extra"; done
"$uv" venv --quiet --python python3 "$venv"
export VIRTUAL_ENV="$venv"
"$uv" pip install --quiet --constraints requirements.lock -r pyproject.toml "$@"

# Constraints bind what they name. What they do not name must not be here.
"$uv" pip freeze --quiet >"$work/installed"
sed -n 's/^\([a-zA-Z0-9_.-]*==[^ ;\\]*\).*/\1/p' requirements.lock >"$work/locked"
if foreign=$(grep -vxFf "$work/locked" "$work/installed"); then
    echo "not in requirements.lock: $foreign" >&2
    exit 1
fi
