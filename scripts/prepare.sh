# Sourced by the scripts that a person starts: afterwards `node` is the one this repository pins, and
# the dependencies are those of the lockfile.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

if ! command -v npm > /dev/null; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
    echo "installing Node.js and npm: apt-get install nodejs npm" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm > /dev/null
  else
    echo "could not find npm, and installing it needs root on Debian; install Node.js with npm and run this again" >&2
    exit 1
  fi
fi

# npm writes its own copy of the lockfile last, so it is newer only after a complete installation.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "installing the dependencies: npm ci" >&2
  npm ci --no-progress --loglevel=error
fi

PATH="$PWD/node_modules/.bin:$PATH"
