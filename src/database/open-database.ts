/** Chooses the database by configuration; only the chosen driver is loaded. */
import type { TlsSettings } from "../files/tls-options.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Database } from "./database.ts";

export interface DatabaseOptions {
  /** Undefined for the database embedded in `dataDirectory`. */
  readonly url: string | undefined;
  /** The file from which the URL is read again at each connection. */
  readonly urlFile?: string | undefined;
  readonly tls?: TlsSettings;
  readonly dataDirectory: string;
  readonly schema: string;
  readonly connectionsMax: number;
  readonly whenUnreachable: "fail" | "wait";
  readonly logger: Logger;
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, urlFile, tls = {}, dataDirectory, schema, connectionsMax, whenUnreachable, logger } = options;
  if (url !== undefined) {
    const { openPostgresql } = await import("./postgresql/postgresql.ts");
    return openPostgresql({ url, urlFile, tls, schema, connectionsMax, whenUnreachable, logger });
  }
  const { openEmbedded } = await import("./embedded/embedded.ts");
  const { loadEmbeddedAssets } = await import("./embedded/assets.ts");
  return openEmbedded({ dataDirectory, schema, loadAssets: loadEmbeddedAssets, logger });
}
