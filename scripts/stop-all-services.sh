#!/usr/bin/env bash
# Stops what start-all-services.sh started, in reverse order: the agent first, so that it can deregister.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/services/background.sh

for ((index = ${#services[@]} - 1; index >= 0; index--)); do
  stop_service "${services[index]}"
done
