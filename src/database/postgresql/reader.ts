/**
 * One connection that only reads, for work that takes long and must not hold one of the agent's own connections. Each
 * statement has a time limit. Disposing of it closes the connection.
 */
import { Client } from "pg";
import { tlsOptions, isTlsSet, type TlsSettings } from "../../files/tls-options.ts";
import type { Queryable } from "../database.ts";
import { prepareConnection } from "./connection.ts";

export interface ReaderSettings {
  readonly url: string;
  readonly tls: TlsSettings;
  readonly schema: string;
  readonly applicationName: string;
  readonly statementMs: number;
}

export interface Reader extends Queryable, AsyncDisposable {}

export async function openReader({
  url,
  tls,
  schema,
  applicationName,
  statementMs,
}: ReaderSettings): Promise<Reader> {
  const connection = prepareConnection(
    {
      url: () => url,
      tls: isTlsSet(tls) ? tlsOptions(tls) : undefined,
      schema,
      applicationName,
      connectTimeoutMs: 5_000,
      queryTimeoutMs: statementMs,
    },
    { default_transaction_read_only: "on" },
  );
  const client = new Client(connection.config());
  // A failure between two statements shows at the next one.
  client.on("error", () => {});
  await client.connect();
  // So that a statement ends soon after its connection. Servers on some systems cannot, and end it at its time limit.
  await client.query("set client_connection_check_interval = '1s'").catch(() => {});
  return {
    query: ({ name, text, values }) =>
      client.query({
        text,
        ...(name === undefined ? {} : { name }),
        ...(values === undefined ? {} : { values }),
      }),
    async [Symbol.asyncDispose]() {
      await client.end();
      connection.destroyAll();
    },
  };
}
