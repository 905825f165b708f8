/**
 * Goal: what the pages say about scraping works with a real Prometheus: the agent's API stays on loopback, its metrics are
 * read at their own port, and the alerts are raised and end again.
 * Method: Prometheus and an agent with two addresses of this machine; a table that takes in nothing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { requireInstalled } from "../../scripts/services/debian-packages.ts";
import { freePort } from "../../scripts/services/free-port.ts";
import { prometheus } from "../../scripts/testing/requirements.ts";
import { ready, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { startCountingAfresh } from "../support/counting.ts";

beforeAll(async () => {
  await requireInstalled(prometheus);
});

test("Prometheus scrapes an agent whose API is on loopback, and raises and ends its alerts", async () => {
  await using counting = await startCountingAfresh();
  const folder = await counting.folder("scraped");
  const port = await freePort();
  const target = `127.0.0.2:${port}`;
  await using agent = await startAgent(folder, {
    environment: { ATTUNE__METRICS__HOST: "127.0.0.2", ATTUNE__METRICS__PORT: `${port}` },
  });
  await ready(agent, folder);
  await using server = await startPrometheus(target);

  await expect.poll(() => server.ask(`up{job="attune"}`), waiting).toEqual([1]);
  await counting.progress();
  const { host } = new URL(folder.apiUrl);
  await expect(fetch(`http://${host.replace("127.0.0.1", "127.0.0.2")}/health`)).rejects.toThrow();
  expect(await get(`http://${target}/health/live`)).toMatchObject({ status: 200 });
  expect(await get(`http://${target}/health/ready`)).toMatchObject({ status: 200 });
  await expect
    .poll(() => server.ask(`attune_sensor_agent_rules_matched_total{rule_ref="fault.tenth"}`), waiting)
    .toEqual([expect.toSatisfy((count: number) => count > 0)]);
  const age = `time() - attune_sensor_agent_sensor_last_event_timestamp_seconds{sensor_ref="fault.counter"}`;
  await expect.poll(() => server.ask(age), waiting).toEqual([expect.toSatisfy((seconds) => seconds < 30)]);
  await expect.poll(() => server.alerts(), waiting).toEqual([]);

  await query(
    counting.database,
    "create function refuse() returns trigger language plpgsql as 'begin raise exception using errcode = ''53100'', message = ''full''; end'",
  );
  await query(
    counting.database,
    "create trigger full_disk before insert on event for each row execute function refuse()",
  );
  await expect.poll(() => server.alerts(), waiting).toEqual(["AttuneEventsNotStored"]);
  await query(counting.database, "drop trigger full_disk on event");
  await expect.poll(() => server.alerts(), waiting).toEqual([]);

  await counting.finish();
  await agent[Symbol.asyncDispose]();
  await expect.poll(() => server.alerts(), waiting).toEqual(["AttuneAgentDown", "AttuneNoAgent"]);
  expect(await server.complaints()).toEqual([]);
});

const waiting = { timeout: 60_000, interval: 250 };

async function get(url: string): Promise<{ readonly status: number }> {
  const response = await fetch(url);
  await response.body?.cancel();
  return { status: response.status };
}

interface PrometheusServer extends AsyncDisposable {
  /** The values of the series that the expression has now. */
  ask(expression: string): Promise<readonly number[]>;
  /** The names of alerts that are raised or about to be. */
  alerts(): Promise<readonly string[]>;
  /** What its log has beyond information. */
  complaints(): Promise<readonly string[]>;
}

/** With the repository's rules, judged each second; it ends with the scope. */
async function startPrometheus(target: string): Promise<PrometheusServer> {
  const directory = await mkdtempDisposable(join(tmpdir(), "attune-prometheus-"));
  const { path } = directory;
  await cp(join(repositoryRoot, "docker/prometheus/alerts.yaml"), join(path, "alerts.yaml"));
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ["alerts.yaml"],
    scrape_configs: [{ job_name: "attune", static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML.
  await writeFile(join(path, "prometheus.yaml"), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const server = spawn(
    "/usr/bin/prometheus",
    [
      `--config.file=${join(path, "prometheus.yaml")}`,
      `--storage.tsdb.path=${join(path, "data")}`,
      `--web.listen-address=${address}`,
      "--log.format=json",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const log: string[] = [];
  server.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  const ended = once(server, "exit");
  const read = async (question: string): Promise<unknown> =>
    ((await (await fetch(`http://${address}/api/v1/${question}`)).json()) as { data: unknown }).data;
  await expect
    .poll(
      async () =>
        fetch(`http://${address}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
      waiting,
    )
    .toBe(true);
  return {
    async ask(expression) {
      const { result } = (await read(`query?query=${encodeURIComponent(expression)}`)) as {
        result: { value: [number, string] }[];
      };
      return result.map(({ value: [, number] }) => Number(number));
    },
    async alerts() {
      const { alerts } = (await read("alerts")) as { alerts: { labels: { alertname: string } }[] };
      return alerts.map(({ labels }) => labels.alertname).toSorted();
    },
    complaints: async () =>
      log
        .join("")
        .split("\n")
        .filter((line) => line !== "" && !line.includes('"level":"info"')),
    async [Symbol.asyncDispose]() {
      server.kill("SIGTERM");
      await ended;
      await directory[Symbol.asyncDispose]();
    },
  };
}
