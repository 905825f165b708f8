/** What RabbitMQ's user of an agent may do in its virtual host: declare, write to and read what the agent declares there. */
import type { TopologyNames } from "../topology.ts";

export interface BrokerUser {
  readonly username: string;
  /** Decoded; `/` is the default one. */
  readonly vhost: string;
}

/** For a shell on the broker's machine. */
export function permissionCommand(names: TopologyNames, { username, vhost }: BrokerUser): string {
  const pattern = shellWord(permissionPattern(names));
  return `rabbitmqctl set_permissions -p ${shellWord(vhost)} ${shellWord(username)} ${pattern} ${pattern} ${pattern}`;
}

/**
 * The same for configuring, writing and reading: a regular expression of Erlang. The common first word of all names
 * where there is one, as `^attune\.`; otherwise the names, and that of the exchange which may take the dead-letter one's place.
 */
export function permissionPattern(names: TopologyNames): string {
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
