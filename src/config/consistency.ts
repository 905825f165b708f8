/**
 * Checks that a schema cannot express: values that contradict each other, and URLs broken by unencoded passwords.
 */
import { isTlsSet } from "../files/tls-options.ts";
import { secretWeakness } from "../model/identity/secret-strength.ts";
import { servesApi } from "./listeners.ts";
import { serviceUrlProblem } from "../model/texts/service-url.ts";
import type { Config } from "./schema.ts";
import { metricsHostDefault } from "./schema/interfaces.ts";
import { isNetwork } from "./networks.ts";
import type { Problem } from "./schema-problems.ts";
import type { Path } from "./yaml-source.ts";

export interface Contradiction extends Problem {
  /** The other keys involved. */
  readonly others: readonly Path[];
}

export function contradictions(config: Config): readonly Contradiction[] {
  const { sensor } = config;
  const problems: Contradiction[] = [
    ...urlProblems(config),
    ...tlsProblems(config),
    ...metricsProblems(config),
    ...apiProblems(config),
    ...secretProblems(config),
    ...downloadProblems(config),
    ...telemetryProblems(config),
  ];

  if (sensor.lease_renewal_interval * 2 > sensor.lease_duration) {
    problems.push({
      path: ["sensor", "lease_renewal_interval"],
      reason: `must be at most half of sensor.lease_duration (${sensor.lease_duration}), so that one late renewal does not lose the lease, not ${sensor.lease_renewal_interval}`,
      others: [["sensor", "lease_duration"]],
    });
  }
  if (sensor.restart_delay > sensor.restart_delay_max) {
    problems.push({
      path: ["sensor", "restart_delay"],
      reason: `must be at most sensor.restart_delay_max (${sensor.restart_delay_max}), not ${sensor.restart_delay}`,
      others: [["sensor", "restart_delay_max"]],
    });
  }
  return problems;
}

function apiProblems({ api }: Config): readonly Contradiction[] {
  return api.trusted_proxies.flatMap((entry, index) =>
    isNetwork(entry)
      ? []
      : [
          {
            path: ["api", "trusted_proxies", index],
            reason: `must be an IP address or a network such as 10.0.0.0/8, not ${JSON.stringify(entry)}`,
            others: [],
          },
        ],
  );
}

function secretProblems({ security, agent }: Config): readonly Contradiction[] {
  if (security.development) return [];
  const keys = ["jwt_secret", "jwt_secret_previous", "encryption_key", "encryption_key_previous"] as const;
  const secrets = [
    ...keys.map((key) => ({ path: ["security", key], secret: security[key] })),
    { path: ["agent", "binary_token"], secret: agent.binary_token },
  ];
  return secrets.flatMap(({ path, secret }) => {
    const weakness = secret === undefined ? undefined : secretWeakness(secret);
    if (weakness === undefined) return [];
    const reason = `${weakness}; make one with: openssl rand -hex 32`;
    return [{ path, reason, others: [["security", "development"]] }];
  });
}

function downloadProblems({ agent }: Config): readonly Contradiction[] {
  if ((agent.binary_dir === undefined) === (agent.binary_token === undefined)) return [];
  const [present, missing] =
    agent.binary_dir === undefined ? ["binary_token", "binary_dir"] : ["binary_dir", "binary_token"];
  return [{ path: ["agent", present], reason: `requires agent.${missing}`, others: [["agent", missing]] }];
}

function metricsProblems({ api, metrics }: Config): readonly Contradiction[] {
  if (metrics.port === undefined) {
    if (metrics.host === metricsHostDefault) return [];
    return [
      {
        path: ["metrics", "host"],
        reason: "requires metrics.port: without it, only the API serves metrics, on api.host",
        others: [],
      },
    ];
  }
  if (!servesApi({ api }) || metrics.port !== api.port) return [];
  return [
    {
      path: ["metrics", "port"],
      reason: `must differ from api.port (${api.port}), where the API already serves metrics`,
      others: [["api", "port"]],
    },
  ];
}

function tlsProblems({ api, database, message_queue: queue }: Config): readonly Contradiction[] {
  const problems: Contradiction[] = [];
  for (const [section, { tls }] of [
    ["database", database],
    ["message_queue", queue],
    ["api", api],
  ] as const) {
    if ((tls.cert === undefined) === (tls.key === undefined)) continue;
    const [present, missing] = tls.cert === undefined ? ["key", "cert"] : ["cert", "key"];
    problems.push({
      path: [section, "tls", present],
      reason: `requires ${section}.tls.${missing}`,
      others: [[section, "tls", missing]],
    });
  }
  if (api.tls.client_ca !== undefined && api.tls.cert === undefined) {
    problems.push({
      path: ["api", "tls", "client_ca"],
      reason: "requires api.tls.cert and api.tls.key: only HTTPS has client certificates",
      others: [["api", "tls", "cert"]],
    });
  }
  if (isTlsSet(database.tls) && /[?&](ssl|sslmode|sslrootcert|sslcert|sslkey)=/.test(database.url ?? "")) {
    problems.push({
      path: ["database", "tls"],
      reason: "and TLS parameters (sslmode, …) in database.url are both set: remove the latter",
      others: [["database", "url"]],
    });
  }
  if (isTlsSet(queue.tls) && queue.url?.startsWith("amqp:") === true) {
    problems.push({
      path: ["message_queue", "tls"],
      reason: "requires a message_queue.url that begins with amqps://",
      others: [["message_queue", "url"]],
    });
  }
  return problems;
}

function urlProblems({ database, message_queue: queue, api }: Config): readonly Contradiction[] {
  const urls = { database: database.url, message_queue: queue.url, api: api.url };
  return Object.entries(urls).flatMap(([section, url]) => {
    const reason = url === undefined ? undefined : serviceUrlProblem(url);
    return reason === undefined ? [] : [{ path: [section, "url"], reason, others: [] }];
  });
}

/** The path of a request is added to the endpoint, and a request has no login. */
function telemetryProblems({ telemetry }: Config): readonly Contradiction[] {
  const { otlp_endpoint: endpoint } = telemetry;
  if (endpoint === undefined) return [];
  const reason = serviceUrlProblem(endpoint) ?? endpointProblem(new URL(endpoint));
  return reason === undefined ? [] : [{ path: ["telemetry", "otlp_endpoint"], reason, others: [] }];
}

function endpointProblem({ username, password, search }: URL): string | undefined {
  if (username !== "" || password !== "")
    return "must not have a user or a password: spans are sent without a login";
  if (search !== "") return "must not have a ? and what follows it: /v1/traces is added to it";
  return undefined;
}
