import type { Config } from "../../config/schema.ts";
import { databaseLogin } from "../../database/postgresql/address.ts";
import { grantStatements } from "../../database/rights/grants.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { brokerAddress } from "../../messaging/rabbitmq/address.ts";
import { permissionCommand } from "../../messaging/rabbitmq/permissions.ts";
import { namesOf } from "../../messaging/topology.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { loadConfiguration } from "../load-configuration.ts";
import { jsonReport } from "../json-report.ts";

/**
 * Prints the grants for an agent that does not own the schema, as SQL. The RabbitMQ command is an SQL comment.
 * Connects to nothing.
 *
 * @param role default: the user in the configured database URL
 */
export function printGrants(invocation: Invocation, role: string | undefined): ExitCode {
  const { format, print } = invocation;
  const { config } = loadConfiguration(invocation);
  const database = databaseGrants(config, role);
  const broker = brokerGrant(config);
  if (format === "json") print(jsonReport({ database, broker }));
  else print([...databaseLines(database), "", ...brokerLines(broker), ""].join("\n"));
  return 0;
}

interface DatabaseGrants {
  readonly role: string;
  readonly statements: readonly string[];
}

/** Null for the embedded database, which has only one role. */
function databaseGrants(
  { database: { url, schema } }: Config,
  role: string | undefined,
): DatabaseGrants | null {
  if (url === undefined) return null;
  const login = databaseLogin(url);
  const grantee = role ?? login.role;
  if (grantee === undefined) {
    throw new OperatorError({
      code: "CONFIG_INVALID",
      attempt: "print the rights of an agent",
      reason: "database.url names no user",
      remedy: "name the role with --role",
    });
  }
  return {
    role: grantee,
    statements: grantStatements({ database: login.database ?? grantee, schema, role: grantee }),
  };
}

function databaseLines(grants: DatabaseGrants | null): readonly string[] {
  if (grants === null)
    return comment("The embedded database has a single role that owns everything: nothing to grant.");
  return [
    ...comment(
      "Grants for an agent that does not own the schema. Apply them as the owner, and again after each upgrade.",
    ),
    ...grants.statements.map((statement) => `${statement};`),
  ];
}

interface BrokerGrant {
  readonly user: string;
  readonly vhost: string;
  readonly command: string;
}

/** Null for the in-process queue. */
function brokerGrant({ message_queue: queue, sensor }: Config): BrokerGrant | null {
  if (queue.url === undefined) return null;
  const { username, vhost: encoded } = brokerAddress(queue.url);
  const vhost = encoded === "" ? "/" : decodeURIComponent(encoded);
  const declared = { names: namesOf(queue), hasSensorQueues: sensor.share_broker };
  return { user: username, vhost, command: permissionCommand(declared, { username, vhost }) };
}

function brokerLines(grant: BrokerGrant | null): readonly string[] {
  if (grant === null)
    return comment("Messages stay in the process (message_queue.url is not set): nothing to grant.");
  return [...comment("RabbitMQ, in a shell on the broker host:"), ...comment(grant.command)];
}

/** A line break in a name must not end the SQL comment. */
function comment(text: string): readonly string[] {
  return text.split(/[\r\n]+/).map((line) => `-- ${line}`);
}
