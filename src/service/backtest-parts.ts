/** Back-tests, with a connection each beside those of the agent. */
import type { Database } from "../database/database.ts";
import { rereadText } from "../files/reread-text.ts";
import { serviceUrlProblem } from "../model/texts/service-url.ts";
import { Backtests } from "../rules/backtest/backtests.ts";
import type { ServiceContext } from "./service-context.ts";

/** A page takes milliseconds. */
const statementMs = 30_000;

export function openBacktests({ options, clock }: ServiceContext, database: Database): Backtests {
  const { url, url_file: urlFile, tls, schema } = options.config.database;
  if (url === undefined) return new Backtests({ database, reader: () => null, clock });
  const currentUrl = rereadText(urlFile, url, (text) => serviceUrlProblem(text) === undefined);
  const applicationName = "attune-sensor-agent back-test";
  const reader = () => ({ url: currentUrl(), tls, schema, applicationName, statementMs });
  return new Backtests({ database, reader, clock });
}
