/**
 * One connection that only reads, for work that takes long and must not hold one of the agent's own connections. Each
 * statement has a time limit. Disposing of it closes the connection.
 */
import { Client, Query as RowQuery, type QueryArrayConfig } from "pg";
import { tlsOptions, isTlsSet, type TlsSettings } from "../../files/tls-options.ts";
import type { Query, RowReader } from "../database.ts";
import { prepareConnection } from "./connection.ts";
import { followPoliciesQuery } from "./row-security.ts";

export interface ReaderSettings {
  readonly url: string;
  readonly tls: TlsSettings;
  readonly schema: string;
  readonly applicationName: string;
  readonly statementMs: number;
}

/** How long the server may take to tell that it ended a statement. */
const serverAnswerMs = 5_000;

export interface Reader extends RowReader, AsyncDisposable {}

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
      rowSecurity: () => "off",
    },
    // One processor of the server at a time.
    { default_transaction_read_only: "on", max_parallel_workers_per_gather: "0" },
  );
  // The server ends a statement that takes too long, so that the connection can take another one.
  const client = new Client({ ...connection.config(), query_timeout: statementMs + serverAnswerMs });
  // A failure between two statements shows at the next one.
  client.on("error", () => {});
  await client.connect();
  await client.query(followPoliciesQuery);
  // So that a statement ends soon after its connection. Servers on some systems cannot, and end it at its time limit.
  await client.query("set client_connection_check_interval = '1s'").catch(() => {});
  return {
    eachRow: async (query, onRow) => await readRows(client, query, onRow),
    async [Symbol.asyncDispose]() {
      await client.end();
      connection.destroyAll();
    },
  };
}

async function readRows(
  client: Client,
  { name, text, values }: Query,
  onRow: (columns: readonly unknown[]) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let failure: { readonly cause: unknown } | undefined;
  const config: QueryArrayConfig = {
    text,
    rowMode: "array",
    ...(name === undefined ? {} : { name }),
    ...(values === undefined ? {} : { values }),
  };
  const query = new RowQuery<unknown[]>(config, (error) => {
    if (error) reject(error);
    else resolve();
  });
  query.on("row", (row, result) => {
    // The driver collects the rows of a statement that has a time limit, even if there is a listener.
    result?.rows.pop();
    if (failure !== undefined) return;
    try {
      onRow(row);
    } catch (cause) {
      failure = { cause };
    }
  });
  client.query(query);
  await promise;
  if (failure !== undefined) throw failure.cause;
}
