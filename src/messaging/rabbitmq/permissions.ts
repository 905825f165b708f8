/** What RabbitMQ's user of an agent may do in its virtual host: declare, write to and read what the agent declares there. */
import { sensorQueueName } from "../sensor-queues.ts";
import type { TopologyNames } from "../topology.ts";

export interface BrokerUser {
  readonly username: string;
  /** Decoded; `/` is the default one. */
  readonly vhost: string;
}

export interface DeclaredNames {
  readonly names: TopologyNames;
  /** Whether sensors read from the broker, each from a queue of its own. */
  readonly hasSensorQueues: boolean;
}

/** For a shell on the broker's machine. */
export function permissionCommand(declared: DeclaredNames, { username, vhost }: BrokerUser): string {
  const pattern = shellWord(permissionPattern(declared));
  return `rabbitmqctl set_permissions -p ${shellWord(vhost)} ${shellWord(username)} ${pattern} ${pattern} ${pattern}`;
}

/**
 * The same for configuring, writing and reading: a regular expression of Erlang. The common first word of all names
 * where there is one, as `^attune\.`; otherwise the names, and that of the exchange which may take the dead-letter one's place.
 * Queues of sensors have a first word of their own.
 */
export function permissionPattern({ names, hasSensorQueues }: DeclaredNames): string {
  const own = ownPattern(names);
  return hasSensorQueues ? `(${own}|^${literally(sensorQueueName(""))})` : own;
}

function ownPattern(names: TopologyNames): string {
  const all = [...Object.values(names), `${names.deadLetters}.topic`];
  const [prefix, ...others] = new Set(all.map((name) => /^[^.]+\./.exec(name)?.[0] ?? ""));
  if (prefix !== undefined && prefix !== "" && others.length === 0) return `^${literally(prefix)}`;
  return `^(${[...new Set(all)].map(literally).join("|")})$`;
}

/** Names have letters, digits and `_.:-` (config/schema.ts), and of these a dot alone means something else. */
function literally(name: string): string {
  return name.replaceAll(".", String.raw`\.`);
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
