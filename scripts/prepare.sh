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
  scripts/services/install-packages.sh "$@"
}

if ! command -v npm > /dev/null; then install_packages "npm" nodejs npm; fi

install_dependencies() {
  # An npm older than the Node it runs on warns about itself. The lockfile says exactly what a package must be,
  # so one that is in npm's cache need not be asked for again.
  NODE_NO_WARNINGS=1 npm ci --prefer-offline --no-progress --loglevel=error
}

PATH="$PWD/node_modules/.bin:$PATH"

# npm writes its own copy of the lockfile last, so it is newer only after a complete installation.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  machines_node=$(node --version || true)
  echo "installing the dependencies: npm ci" >&2
  install_dependencies
  hash -r

  # Newer Nodes need a library that a bare Debian lacks.
  if ! node --version > /dev/null 2>&1; then
    rm node_modules/.package-lock.json
    install_packages "a library that Node.js needs" libatomic1 libstdc++6
  fi

  # npm silently leaves out optional packages whose least Node is above the one it runs on.
  if [ "$(node --version)" != "$machines_node" ]; then
    rm -f node_modules/.package-lock.json
    echo "installing the dependencies again, by the Node that they are for: $(node --version)" >&2
    install_dependencies
    hash -r
  fi
fi
