/** How the agent can be reached and observed: its API, its metrics, its spans. */
import { Type } from "typebox";
import { PemFile, section, Text, Url } from "./values.ts";

export const api = Type.Object(
  {
    enabled: Type.Optional(
      Type.Boolean({
        description: "Whether to serve HTTP; by default yes, unless `api.url` names another platform",
      }),
    ),
    host: Text("Address to listen on; by default only this machine can connect", "127.0.0.1"),
    port: Type.Integer({
      description: "Port to listen on; 0 means any free port",
      default: 8080,
      minimum: 0,
      maximum: 65_535,
    }),
    url: Url(
      "URL of the API for sensors; by default this agent's. If it names another platform, that one issues their tokens",
      ["http", "https"],
    ),
    tls: Type.Object(
      {
        cert: PemFile(
          "PEM file with the API's certificate and the intermediate ones; with it, the API serves HTTPS only",
        ),
        key: PemFile("PEM file with the key of `api.tls.cert`; both files are reread when they change"),
        client_ca: PemFile(
          "PEM file with the authorities whose client certificates webhooks may demand; reread when it changes",
        ),
      },
      section,
    ),
    trusted_proxies: Type.Array(Type.String({ minLength: 1 }), {
      description: "Addresses and networks (CIDR) of proxies whose X-Forwarded-For tells a client's address",
      default: [],
    }),
  },
  section,
);

export const metricsHostDefault = "127.0.0.1";

export const metrics = Type.Object(
  {
    host: Text(
      "Address to listen on at `metrics.port`; by default only this machine can connect",
      metricsHostDefault,
    ),
    port: Type.Optional(
      Type.Integer({
        description: "Port for metrics and health only; without it, only the API serves them",
        minimum: 1,
        maximum: 65_535,
      }),
    ),
  },
  section,
);

export const telemetry = Type.Object(
  {
    otlp_endpoint: Url(
      "Receiver of spans over OTLP/HTTP in JSON, such as `http://collector:4318`; without it, no spans",
      ["http", "https"],
    ),
    sample_ratio: Type.Number({
      description: "Share of the events without a `traceparent` whose spans are exported, from 0 to 1",
      default: 1,
      minimum: 0,
      maximum: 1,
    }),
  },
  section,
);
