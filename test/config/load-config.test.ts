import { expect, test } from "vitest";
import { loadConfig, type LoadedConfig } from "../../src/config/load-config.ts";
import { readConfigFile } from "../../src/config/config-file.ts";
import { OperatorError } from "../../src/errors/operator-error.ts";

interface World {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: { config?: string; name?: string };
}

function load({ files = {}, env = {}, flags = {} }: World): LoadedConfig {
  return loadConfig({ flags, env, cwd: "/srv", hostname: "web-7", readFile: (path) => files[path] });
}

function loadYaml(text: string): LoadedConfig {
  return load({ files: { "/srv/config.yaml": text } });
}

function refusal(world: World): OperatorError {
  try {
    load(world);
  } catch (error) {
    if (error instanceof OperatorError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

/** The refusal, or else the warnings. */
function toldOf(world: World): string {
  try {
    return load(world).warnings.join("\n");
  } catch (error) {
    if (error instanceof OperatorError) return error.message;
    throw error;
  }
}

test("without a file, a variable or a flag everything has its default", () => {
  const { config, file, warnings } = load({});

  expect(file).toBeUndefined();
  expect(warnings).toEqual([]);
  expect(config.database).toEqual({ schema: "attune", max_connections: 10, tls: {} });
  expect(config.api.host).toBe("127.0.0.1");
  expect(config.sensor.worker_name).toBe("sensor-web-7");
  expect(config.sensor.host).toBe("web-7");
  expect(config.packs_base_dir).toBe("/srv/packs");
});

test("the environment overrides the file, and the flag overrides both", () => {
  const files = { "/srv/config.yaml": "sensor:\n  worker_name: from-file\n  poll_interval: 7\n" };
  const env = { ATTUNE__SENSOR__WORKER_NAME: "from-env" };

  const { sensor } = load({ files, env }).config;

  expect([sensor.worker_name, sensor.poll_interval]).toEqual(["from-env", 7]);
  expect(load({ files, env, flags: { name: "from-flag" } }).config.sensor.worker_name).toBe("from-flag");
});

test("a variable of the agent is more specific than one that the platform shares", () => {
  const shared = { DATABASE_URL: "postgres://shared/db", ATTUNE_MQ_URL: "amqp://shared" };
  const { config } = load({ env: { ...shared, ATTUNE__DATABASE__URL: "postgres://own/db" } });

  expect(config.database.url).toBe("postgres://own/db");
  expect(config.message_queue.url).toBe("amqp://shared");
});

test("a variable is parsed by its key's type", () => {
  const { config } = load({
    env: {
      ATTUNE__SENSOR__HEARTBEAT_INTERVAL: "0.25",
      ATTUNE__SENSOR__RESTART_ON_ERROR: "false",
      ATTUNE__SENSOR__WORKER_NAME: "0123",
      ATTUNE__SENSOR__PASSTHROUGH_ENV: "HTTP_PROXY, NO_PROXY",
      ATTUNE__SENSOR__CAPABILITIES: '{"runtimes": ["python"], "gpu": true}',
      ATTUNE__SENSOR__LABELS__ZONE: "7",
      ATTUNE__SENSOR__CAPABILITIES__CORES: "4",
    },
  });

  expect(config.sensor.heartbeat_interval).toBe(0.25);
  expect(config.sensor.restart_on_error).toBe(false);
  expect(config.sensor.worker_name).toBe("0123");
  expect(config.sensor.passthrough_env).toEqual(["HTTP_PROXY", "NO_PROXY"]);
  expect(config.sensor.capabilities).toEqual({ runtimes: ["python"], gpu: true, cores: 4 });
  expect(config.sensor.labels).toEqual({ zone: "7" });
});

test("an empty variable and a section without content set nothing", () => {
  const { config } = load({
    files: { "/srv/config.yaml": "database:\nsensor:\n  labels:\n" },
    env: { ATTUNE__DATABASE__URL: "", ATTUNE_CONFIG: "" },
  });

  expect(config.database.url).toBeUndefined();
  expect(config.sensor.labels).toEqual({});
});

test("all problems are reported together, with the key and the source of the value", () => {
  const error = refusal({
    files: {
      "/srv/config.yaml": "sensor:\n  poll_interval: soon\n  heartbeat_interval: 0\nlog:\n  level: loud\n",
    },
    env: { ATTUNE__API__PORT: "70000", DATABASE_URL: "mysql://me:hunter22@db" },
  });

  expect(error.code).toBe("CONFIG_INVALID");
  expect(error.reason.split("; ").toSorted()).toEqual([
    "api.port (environment variable ATTUNE__API__PORT) must be a whole number from 0 to 65535, not 70000",
    "database.url (environment variable DATABASE_URL) must be a URL that begins with postgres:// or postgresql://",
    'log.level (/srv/config.yaml line 5) must be one of debug, info, warn, error, not "loud"',
    "sensor.heartbeat_interval (/srv/config.yaml line 3) must be a number above 0 to 1000000, not 0",
    'sensor.poll_interval (/srv/config.yaml line 2) must be a number above 0 to 1000000, not "soon"',
  ]);
});

// Every known way to break a line with a secret: the message names the line and never repeats it.
test.each([
  "security:\n  jwt_secret:hunter22\n",
  "security:\n  jwt_secret=hunter22\n",
  "security:\n  jwt_secret hunter22: x\n",
  "security: [hunter22]\n",
  "security: hunter22\n",
  "security: { jwt_secret hunter22: x }\n",
  "security: { jwt_secret: hunter22\n",
  "security:\n  jwt_secret: hunter22: x\n",
  "security:\n  jwt_secret: *hunter22\n",
  "security:\n  jwt_secret: !hunter22\n  api.x: y: z\n",
  "security:\n  jwt_secret: @hunter22\n",
  'security:\n  jwt_secret: "\\hunter22"\n',
  'security:\n  jwt_secret: "a" hunter22\n',
  "security:\n  jwt_secret: |hunter22\n",
  "security:\n  jwt_secret: [hunter22]\n",
  "security:\n  jwt_secret: {hunter22: 1}\n",
  "security:\n  jwt_secret: hunter22\n jwt: x\n",
  "database:\n  url:postgresql://me:hunter22@db/x\n",
  "database: postgresql://me:hunter22@db/x\n",
  "postgresql://me:hunter22@db/x: {}\napi: { port: x }\n",
])("a secret in the broken configuration %j is not shown", (file) => {
  const told = toldOf({ files: { "/srv/config.yaml": file } });

  expect(told).toMatch(/line \d/);
  expect(told).not.toContain("unter22");
});

// Such a secret is read as a number, some of them as one that cannot be used.
test.each(["71e400", "71e4000", "-71e400", "%YAML 1.1\n---\n7_1e400", "7100000000000000000000.0"])(
  "a secret %j that looks like a number is not shown",
  (written) => {
    const [secret = "", ...directives] = written.split("\n").toReversed();
    const places = ["security: { jwt_secret: * }", "security: *", "database: { url: * }", "message_queue: *"];

    for (const place of places) {
      const text = [...directives.toReversed(), place.replace("*", secret), ""].join("\n");
      expect(toldOf({ files: { "/srv/config.yaml": text } }), text).not.toMatch(/7_?1|e400/);
    }
  },
);

test("however many problems there are, none is left out", () => {
  const keys = ["poll_interval", "sensor_timeout", "heartbeat_interval", "lease_duration", "stable_after"];
  const more = [
    "restart_delay",
    "restart_delay_max",
    "shutdown_timeout",
    "log_files",
    "log_bytes",
    "runtime_cache_ttl",
  ];
  const lines = [...keys, ...more].map((key) => `  ${key}: wrong\n`);

  const error = refusal({ files: { "/srv/config.yaml": `sensor:\n${lines.join("")}` } });

  expect(error.reason.split("; ").length).toBe(lines.length);
});

test("contradictions, unknown keys and malformed values are reported in one message, one line each", () => {
  const error = refusal({
    files: {
      "/srv/config.yaml":
        "sensor:\n  lease_renewal_interval: 8\n  poll_interval: soon\n  passthrough_env: [A, 7]\n  worker_nam: me\n",
    },
  });

  expect(error.message.split("\n")).toEqual([
    "could not use the configuration: 4 problems; correct it, see docs/configuration.md",
    '  sensor.poll_interval (/srv/config.yaml line 3) must be a number above 0 to 1000000, not "soon"',
    "  sensor.passthrough_env.1 (/srv/config.yaml line 4) must be text, not 7",
    "  sensor.lease_renewal_interval (/srv/config.yaml line 2) must be at most half of sensor.lease_duration (10), so that one late renewal does not lose the lease, not 8",
    "  sensor.worker_nam (/srv/config.yaml line 5) is not a known key; did you mean sensor.worker_name?",
  ]);
});

test("an empty text is named as such", () => {
  const error = refusal({ files: { "/srv/config.yaml": 'sensor:\n  worker_name: ""\n' } });

  expect(error.reason).toBe("sensor.worker_name (/srv/config.yaml line 2) must not be empty");
});

test("a malformed value causes no contradictions, because its replacement was not configured", () => {
  const error = refusal({
    env: { ATTUNE__SENSOR__LEASE_DURATION: "long", ATTUNE__SENSOR__LEASE_RENEWAL_INTERVAL: "60" },
  });

  expect(error.reasons).toEqual([
    'sensor.lease_duration (environment variable ATTUNE__SENSOR__LEASE_DURATION) must be a number above 0 to 1000000, not "long"',
  ]);
});

test("a variable that sets an unknown key is reported by name", () => {
  const { warnings } = load({ env: { ATTUNE__SENSR__POLL_INTERVAL: "5" } });

  expect(warnings).toEqual([
    "sensr (environment variable ATTUNE__SENSR__POLL_INTERVAL) is not a known key; did you mean ATTUNE__SENSOR__POLL_INTERVAL?",
  ]);
});

test("an unknown key is a warning with its line and the key that was probably meant, and changes nothing", () => {
  const { config, warnings } = loadYaml("sensor:\n  pol_interval: 5\nserver:\n  port: 1\n");

  expect(warnings).toEqual([
    "sensor.pol_interval (/srv/config.yaml line 2) is not a known key; did you mean sensor.poll_interval?",
    "server (/srv/config.yaml line 3) is not a known key",
  ]);
  expect(config.sensor.poll_interval).toBe(30);
  expect(config).not.toHaveProperty("server");
});

test("an API that other machines reach needs no secret that nothing uses", () => {
  expect(load({ env: { ATTUNE__API__HOST: "0.0.0.0" } }).config.api.host).toBe("0.0.0.0");
});

test("a misspelt variable of the agent is reported with the right name", () => {
  const { config, warnings } = load({
    env: {
      ATTUNE_DATABASE_URL: "postgres://me:geheim@db/x",
      ATTUNE__MESSAGE_QUEU__URL: "amqp://mq",
      ATTUNE__DATABASE_SCHEMA: "other",
      ATTUNE_LOG_LEVEL: "debug",
      ATTUNE_PACK_BASE_DIR: "/packs",
    },
  });

  expect(warnings.toSorted()).toEqual([
    "database_schema (environment variable ATTUNE__DATABASE_SCHEMA) is not a known key; did you mean ATTUNE__DATABASE__SCHEMA?",
    "environment variable ATTUNE_DATABASE_URL sets nothing; did you mean ATTUNE__DATABASE__URL?",
    "environment variable ATTUNE_LOG_LEVEL sets nothing; did you mean ATTUNE__LOG__LEVEL?",
    expect.stringMatching(/ATTUNE_PACK_BASE_DIR sets nothing; did you mean ATTUNE_?_PACKS_BASE_DIR\?$/),
    "message_queu (environment variable ATTUNE__MESSAGE_QUEU__URL) is not a known key; did you mean ATTUNE__MESSAGE_QUEUE__URL?",
  ]);
  expect(config.database.url).toBeUndefined();
});

test("variables of other programs, of the platform and of Kubernetes are not near misses", () => {
  const { warnings } = load({
    env: {
      ATTUNE_API_URL: "http://api",
      ATTUNE_CONFIG: "",
      ATTUNE_SENSOR_RUNTIMES: "python",
      ATTUNE_API_TOKEN: "t",
      ATTUNE_API_PORT: "tcp://10.0.0.1:8080",
      ATTUNE_TEST_DATABASE_URL: "postgres://x",
      ATTUNE_VERSION: "1",
      ATTUNE_PACKS: "../packs",
      ATTUNE_AGENT_SOURCE: "build",
      DATABASE_URL: "",
    },
  });

  expect(warnings).toEqual([]);
});

test.each([
  ["amqp://me:50%off@mq", "message_queue.url (environment variable ATTUNE_MQ_URL) has a % that is not"],
  [
    "amqp://me:1#2@mq",
    "message_queue.url (environment variable ATTUNE_MQ_URL) has a # that is not percent-encoded",
  ],
])("a URL that its password cuts in two is refused (%s)", (url, reason) => {
  const error = refusal({ env: { ATTUNE_MQ_URL: url } });

  expect(error.code).toBe("CONFIG_INVALID");
  expect(error.reason).toContain(reason);
});

test("leases that could lapse between two renewals are refused", () => {
  expect(refusal({ env: { ATTUNE__SENSOR__LEASE_DURATION: "5" } }).reason).toContain(
    "must be at most half of sensor.lease_duration (5)",
  );
});

test("metrics get a port of their own, by default on this machine alone", () => {
  expect(load({}).config.metrics).toEqual({ host: "127.0.0.1" });
  expect(load({ env: { ATTUNE__METRICS__PORT: "9464" } }).config.metrics).toEqual({
    host: "127.0.0.1",
    port: 9464,
  });
  const withoutApi = { ATTUNE__API__ENABLED: "false", ATTUNE__METRICS__PORT: "8080" };
  expect(load({ env: withoutApi }).config.metrics.port).toBe(8080);
});

test.each([
  [
    { ATTUNE__METRICS__PORT: "8080", ATTUNE__METRICS__HOST: "0.0.0.0" },
    "metrics.port (environment variable ATTUNE__METRICS__PORT) must differ from api.port (8080)",
  ],
  [
    { ATTUNE__METRICS__HOST: "0.0.0.0" },
    "metrics.host (environment variable ATTUNE__METRICS__HOST) requires metrics.port",
  ],
])("an address for metrics that cannot be meant is refused (%j)", (env, reason) => {
  expect(refusal({ env }).reason).toContain(reason);
});

test.each(["jwt_secret", "jwt_secret_previous", "encryption_key"])(
  "a security.%s that can be guessed is refused outside development, and not shown",
  (key) => {
    const weak = { [`ATTUNE__SECURITY__${key.toUpperCase()}`]: "geheim-word" };

    const { reason } = refusal({ env: weak });

    expect(reason).toContain(`security.${key} (environment variable `);
    expect(reason).toContain("is too short: it has 11 bytes, and needs at least 32");
    expect(reason).not.toContain("geheim-word");
    expect(load({ env: { ...weak, ATTUNE__SECURITY__DEVELOPMENT: "true" } }).config.security).toMatchObject({
      [key]: "geheim-word",
    });
  },
);

test("a secret may come from a file that its key or a variable names, without line end or byte order mark", () => {
  const files = {
    "/srv/config.yaml": "database:\n  url_file: secrets/db\n",
    "/srv/secrets/db": "postgres://me:geheim-word@db/x\n",
    "/run/secrets/mq": "amqp://me:other-word@mq\r\n",
    "/run/secrets/jwt": "\uFEFFsigning-word-of-more-than-32-bytes\r\n",
  };
  const env = {
    ATTUNE_MQ_URL_FILE: "/run/secrets/mq",
    ATTUNE__SECURITY__JWT_SECRET_FILE: "/run/secrets/jwt",
  };

  const { config, secrets, warnings } = load({ files, env });

  expect(config.database).toMatchObject({
    url: "postgres://me:geheim-word@db/x",
    url_file: "/srv/secrets/db",
  });
  expect(config.message_queue.url).toBe("amqp://me:other-word@mq");
  expect(config.security.jwt_secret).toBe("signing-word-of-more-than-32-bytes");
  expect(secrets).toEqual(
    expect.arrayContaining(["geheim-word", "other-word", "signing-word-of-more-than-32-bytes"]),
  );
  expect(warnings).toEqual([]);
});

test("of a secret and its file the one from the later source wins", () => {
  const files = { "/srv/config.yaml": "database:\n  url_file: /gone\n", "/db": "postgres://file/x" };

  expect(load({ files, env: { DATABASE_URL: "postgres://env/x" } }).config.database).toMatchObject({
    url: "postgres://env/x",
  });
  expect(
    load({ files, env: { DATABASE_URL: "postgres://env/x", ATTUNE__DATABASE__URL_FILE: "/db" } }).config
      .database.url,
  ).toBe("postgres://file/x");
});

test("a secret's file that is missing, empty, wrong or beside the secret itself is a problem with its name", () => {
  const files = { "/empty": "\n", "/wrong": "mysql://me:geheim@db\n", "/db": "postgres://file/x" };
  const reasons = (env: Record<string, string>): readonly string[] => refusal({ files, env }).reasons;

  expect(reasons({ ATTUNE__DATABASE__URL_FILE: "/gone" })).toEqual([
    "database.url_file (environment variable ATTUNE__DATABASE__URL_FILE) names /gone, which is missing or empty",
  ]);
  expect(reasons({ ATTUNE_MQ_URL_FILE: "/empty" })).toEqual([
    "message_queue.url_file (environment variable ATTUNE_MQ_URL_FILE) names /empty, which is missing or empty",
  ]);
  expect(reasons({ DATABASE_URL_FILE: "/wrong" })).toEqual([
    "database.url (file /wrong) must be a URL that begins with postgres:// or postgresql://",
  ]);
  expect(reasons({ ATTUNE__DATABASE__URL: "postgres://env/x", ATTUNE__DATABASE__URL_FILE: "/db" })).toEqual([
    "database.url_file (environment variable ATTUNE__DATABASE__URL_FILE) and database.url are both set: remove one of them",
  ]);
  expect(reasons({ DATABASE_URL: "postgres://env/x", DATABASE_URL_FILE: "/db" })).toEqual([
    "database.url_file (environment variable DATABASE_URL_FILE) and database.url are both set: remove one of them",
  ]);
});

test.each([
  ["grpc://collector:4317", "must be a URL that begins with http:// or https://"],
  ["http://collector:99999", "has a port that is not a number from 1 to 65535"],
  ["http://user:secret@collector", "must not have a user or a password: spans are sent without a login"],
  ["http://collector?x=1", "must not have a ? and what follows it: /v1/traces is added to it"],
])("an endpoint for spans like %s is refused", (endpoint, reason) => {
  const { reasons } = refusal({
    files: { "/srv/config.yaml": `telemetry:\n  otlp_endpoint: ${endpoint}\n` },
  });

  expect(reasons).toEqual([
    expect.stringContaining(`telemetry.otlp_endpoint (/srv/config.yaml line 2) ${reason}`),
  ]);
  expect(reasons.join()).not.toContain("secret@");
});

test("files of TLS have to be there, hold PEM and come in pairs, and TLS is set in one place", () => {
  const files = {
    "/srv/config.yaml":
      "database:\n  url: postgres://db/x?sslmode=require\n  tls:\n    ca: gone.pem\nmessage_queue:\n  url: amqp://mq\n  tls:\n    cert: /agent.pem\n    ca: /empty.pem\n",
    "/agent.pem": "-----BEGIN CERTIFICATE-----\n",
    "/empty.pem": "",
  };

  expect(refusal({ files }).reasons.toSorted()).toEqual([
    "database.tls.ca (/srv/config.yaml line 4) names /srv/gone.pem, which does not exist",
    "message_queue.tls (/srv/config.yaml line 7) requires a message_queue.url that begins with amqps://",
    "message_queue.tls.ca (/srv/config.yaml line 9) names /empty.pem, which is not in PEM format",
    "message_queue.tls.cert (/srv/config.yaml line 8) requires message_queue.tls.key",
  ]);
  const paired = {
    ...files,
    "/srv/gone.pem": "-----BEGIN CERTIFICATE-----",
    "/empty.pem": "-----BEGIN CERTIFICATE-----",
  };
  expect(refusal({ files: paired }).reasons).toEqual([
    "message_queue.tls.cert (/srv/config.yaml line 8) requires message_queue.tls.key",
    expect.stringMatching(
      /^database\.tls .* and TLS parameters \(sslmode, …\) in database\.url are both set/,
    ),
    expect.stringMatching(/^message_queue\.tls .* requires a message_queue\.url that begins with amqps:/),
  ]);
});

test("a file that was named explicitly must exist", () => {
  expect(refusal({ flags: { config: "here.yaml" } }).message).toBe(
    "could not read the configuration /srv/here.yaml: the file does not exist; create the file, or name another with --config or ATTUNE_CONFIG",
  );
  expect(refusal({ env: { ATTUNE_CONFIG: "/etc/a.yaml" } }).code).toBe("CONFIG_UNREADABLE");
});

test.each([
  ["EISDIR", "it is a folder; replace it with a file, or name another with --config or ATTUNE_CONFIG"],
  ["EACCES", "not now; let the agent's user read the file, or name another with --config or ATTUNE_CONFIG"],
  ["EIO", "not now; correct the file, or name another with --config or ATTUNE_CONFIG"],
])("a file that cannot be read (%s) is refused with what to do", (code, told) => {
  const readFile = (): string => {
    throw Object.assign(new Error("not now"), { code });
  };
  const input = { flags: {}, env: { ATTUNE_CONFIG: "here.yaml" }, cwd: "/srv", hostname: "host", readFile };

  expect(() => readConfigFile(input)).toThrow(`could not read the configuration /srv/here.yaml: ${told}`);
});

test.each(["- a\n- b\n", "just text\n", "7\n"])(
  "a file that holds no keys (%j) is refused, not taken for empty",
  (text) => {
    const error = refusal({ files: { "/srv/config.yaml": text } });

    expect(error.code).toBe("CONFIG_UNREADABLE");
    expect(error.reason).toContain("must be a mapping of keys to values");
  },
);

test("a file that is not YAML is refused with the line", () => {
  const error = refusal({ files: { "/srv/config.yaml": "log:\n  level: info\n  level: warn\n" } });

  expect(error.code).toBe("CONFIG_UNREADABLE");
  expect(error.reason).toMatch(/^line 3: /);
});

test("an unfilled template is refused with its line and key", () => {
  const error = refusal({ files: { "/srv/config.yaml": "log:\n  level: {{ values.level }}\n" } });

  expect(error.code).toBe("CONFIG_UNREADABLE");
  expect(error.reason).toBe(
    'line 2: log.level is a template without quotes; put the template in quotes: "{{ … }}"',
  );
});

test("the configuration is frozen, down to its lists", () => {
  const { config } = load({ env: { ATTUNE__SENSOR__PASSTHROUGH_ENV: "A" } });

  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.sensor.passthrough_env)).toBe(true);
  expect(load({}).config.sensor.passthrough_env).toEqual([]);
});

test("its secrets are known, so that they can be redacted", () => {
  const { secrets } = load({
    env: {
      DATABASE_URL: "postgres://me:p%40ssword9@db/x",
      ATTUNE_MQ_URL: "amqp://guest@mq",
      ATTUNE__SECURITY__JWT_SECRET: "a-signing-word-of-more-than-32-bytes",
    },
  });

  expect(secrets).toEqual(["a-signing-word-of-more-than-32-bytes", "p%40ssword9", "p@ssword9"]);
});
