#!/usr/bin/env bash
# Starts PostgreSQL, RabbitMQ and the agent in the background, unless they are already running.
#
# Ports: ATTUNE_POSTGRESQL_PORT, ATTUNE_RABBITMQ_PORT, ATTUNE_RABBITMQ_MANAGEMENT_PORT, ATTUNE_API_PORT.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
source scripts/services/background.sh

export ATTUNE_POSTGRESQL_PORT=${ATTUNE_POSTGRESQL_PORT:-55432}
export ATTUNE_RABBITMQ_PORT=${ATTUNE_RABBITMQ_PORT:-55672}
export ATTUNE_RABBITMQ_MANAGEMENT_PORT=${ATTUNE_RABBITMQ_MANAGEMENT_PORT:-55673}
api_port=${ATTUNE_API_PORT:-8080}

start_service postgresql
start_service rabbitmq
wait_until_ready postgresql says_ready postgresql
wait_until_ready rabbitmq says_ready rabbitmq

export ATTUNE__DATABASE__URL=${ATTUNE__DATABASE__URL:-postgresql://attune:attune@127.0.0.1:$ATTUNE_POSTGRESQL_PORT/postgres}
export ATTUNE__MESSAGE_QUEUE__URL=${ATTUNE__MESSAGE_QUEUE__URL:-amqp://attune:attune@127.0.0.1:$ATTUNE_RABBITMQ_PORT}
export ATTUNE__API__PORT=$api_port
export ATTUNE_PACKS_BASE_DIR=${ATTUNE_PACKS_BASE_DIR:-$PWD/packs}

if ! running_pid agent > /dev/null; then
  node src/main.ts migrate
  node src/main.ts packs load "$ATTUNE_PACKS_BASE_DIR"/*/
fi
start_service agent
wait_until_ready agent answers "$api_port" /health/ready
