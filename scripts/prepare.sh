# Sourced by the scripts that people run. Installs the dependencies of the lockfile and puts the pinned `node` on PATH.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# install_packages WHAT PACKAGE... : installs packages, or prints how to.
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
  # An npm older than its Node prints warnings. The lockfile pins every package exactly, so packages in npm's cache
  # need not be fetched again.
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

  # npm silently skips optional packages that require a newer Node than the one it runs on.
  if [ "$(node --version)" != "$machines_node" ]; then
    rm -f node_modules/.package-lock.json
    echo "installing the dependencies again with the pinned Node: $(node --version)" >&2
    install_dependencies
    hash -r
  fi
fi
