# Sourced by the scripts that a person starts: afterwards `node` is the one this repository pins, and
# the dependencies are those of the lockfile.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# install_packages WHAT PACKAGE... : or says that somebody must.
install_packages() {
  local what=$1
  shift
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "$what is missing, and installing it needs root on Debian; run: apt-get install $*" >&2
    exit 1
  fi
  echo "installing $what: apt-get install $*" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
}

if ! command -v npm > /dev/null; then install_packages "npm" nodejs npm; fi

# npm writes its own copy of the lockfile last, so it is newer only after a complete installation.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "installing the dependencies: npm ci" >&2
  npm ci --no-progress --loglevel=error
fi

PATH="$PWD/node_modules/.bin:$PATH"

# Newer Nodes need a library that a bare Debian lacks.
if ! node --version > /dev/null 2>&1; then install_packages "a library that Node.js needs" libatomic1 libstdc++6; fi
