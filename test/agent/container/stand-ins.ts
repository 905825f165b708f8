/**
 * Images under the stock names of docker/docker-compose.yaml, made from Debian's packages where the stock
 * ones cannot be had. One that the engine has already is left alone.
 */
import type { Docker } from "./docker.ts";
import { imageRepository, provideImage, providePackages } from "./images.ts";

const postgresEntrypoint = `#!/bin/sh
set -e
PATH=$PATH:/usr/lib/postgresql/15/bin
export PGDATA=/var/lib/postgresql/data/pgdata
if [ ! -f "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  # As the stock image: over loopback nobody is asked for a password.
  initdb --username "$POSTGRES_USER" --pwfile /tmp/password --auth trust > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "create database $POSTGRES_DB" | postgres --single -E postgres > /dev/null
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
`;

const rabbitmqEntrypoint = `#!/bin/sh
set -e
printf 'default_user = %s\\ndefault_pass = %s\\nloopback_users = none\\n' \\
  "$RABBITMQ_DEFAULT_USER" "$RABBITMQ_DEFAULT_PASS" > /tmp/rabbitmq.conf
export RABBITMQ_CONFIG_FILE=/tmp/rabbitmq.conf
trap 'rabbitmqctl --quiet shutdown' TERM
rabbitmq-server &
# The signal ends the first one, with 143; how the server ended tells the second.
wait $! || wait $!
`;

const standIns: Readonly<Record<string, (docker: Docker) => Promise<string>>> = {
  "postgres:17": async (docker) =>
    providePackages(docker, "postgres", {
      packages: ["postgresql"],
      files: { "entrypoint.sh": postgresEntrypoint },
      instructions: [
        "RUN ln -s /usr/lib/postgresql/15/bin/pg_isready /usr/local/bin/",
        "RUN install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data",
        'ENTRYPOINT ["/entrypoint.sh"]',
        "STOPSIGNAL SIGINT",
      ],
    }),
  "rabbitmq:4": async (docker) =>
    providePackages(docker, "rabbitmq", {
      packages: ["rabbitmq-server"],
      files: { "entrypoint.sh": rabbitmqEntrypoint },
      instructions: ['ENTRYPOINT ["/entrypoint.sh"]'],
    }),
  "node:26-bookworm": async (docker) =>
    providePackages(docker, "python-node", { packages: ["python3", "nodejs"] }),
  "node:26-slim": async (docker) => provideImage(docker, "node"),
  "python:3.14-slim": async (docker) => provideImage(docker, "python"),
  "ruby:3.4-slim": async (docker) => provideImage(docker, "ruby"),
  "alpine:3.22": async (docker) => provideImage(docker, "musl"),
};

export async function provideStandIns(docker: Docker): Promise<void> {
  for (const [stockName, provide] of Object.entries(standIns)) {
    if (!(await isForeign(docker, stockName))) await docker.run("tag", await provide(docker), stockName);
  }
}

/** Whether the engine has an image of this name that is not a stand-in of ours. */
async function isForeign(docker: Docker, name: string): Promise<boolean> {
  const { code, stdout } = await docker.attempt("image", "inspect", "--format={{.RepoTags}}", name);
  return code === 0 && !stdout.includes(`${imageRepository}/`);
}
