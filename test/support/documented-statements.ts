/**
 * The SQL that the platform's documents show to their readers, word for word. It has to keep working in
 * a person's psql session and in other services.
 */

export interface DocumentedStatement {
  readonly from: string;
  readonly what: string;
  readonly text: string;
  readonly values?: unknown[];
}

const registration = "sensor-worker-registration";
const detection = "database-driven-runtime-detection";
const service = "sensor-service-implementation";

export const readingStatements: DocumentedStatement[] = [
  {
    from: registration,
    what: "active sensor workers",
    text: `
SELECT id, name, host, capabilities, last_heartbeat
FROM worker
WHERE worker_role = 'sensor' AND status = 'active';`,
  },
  {
    from: registration,
    what: "sensor workers with a Python runtime",
    text: `
SELECT id, name, host, capabilities->'runtimes' as runtimes
FROM worker
WHERE worker_role = 'sensor'
AND status = 'active'
AND capabilities->'runtimes' ? 'python';`,
  },
  {
    from: registration,
    what: "stale sensor workers",
    text: `
SELECT id, name, last_heartbeat
FROM worker
WHERE worker_role = 'sensor'
AND status = 'active'
AND last_heartbeat < NOW() - INTERVAL '5 minutes';`,
  },
  {
    from: registration,
    what: "workers behind with their heartbeat",
    text: `
-- Workers that haven't sent heartbeat in 2x heartbeat interval
SELECT
name,
host,
status,
last_heartbeat,
NOW() - last_heartbeat AS time_since_heartbeat
FROM worker
WHERE worker_role = 'sensor'
AND status = 'active'
AND last_heartbeat < NOW() - INTERVAL '60 seconds'
ORDER BY last_heartbeat;`,
  },
  {
    from: registration,
    what: "workers with a runtime, most recent heartbeat first",
    text: `
SELECT * FROM worker
WHERE worker_role IN ('sensor', 'hybrid')
AND status = 'active'
AND capabilities->'runtimes' ? $1
ORDER BY last_heartbeat DESC`,
    values: ["python"],
  },
  {
    from: detection,
    what: "sensor runtimes",
    text: `SELECT * FROM runtime WHERE runtime_type = 'sensor'`,
  },
  {
    from: detection,
    what: "sensor runtimes by name",
    text: `SELECT ref, name, runtime_type FROM runtime WHERE runtime_type = 'sensor';`,
  },
  {
    from: detection,
    what: "runtimes of sensor workers",
    text: `SELECT name, capabilities->>'runtimes' FROM worker WHERE worker_role = 'sensor';`,
  },
  {
    from: detection,
    what: "runtimes of sensor workers, without names",
    text: `SELECT capabilities->>'runtimes' FROM worker WHERE worker_role = 'sensor';`,
  },
  {
    from: detection,
    what: "capabilities of sensor workers",
    text: `SELECT capabilities FROM worker WHERE worker_role = 'sensor';`,
  },
  {
    from: detection,
    what: "how Python is verified",
    text: `SELECT distributions->'verification' FROM runtime WHERE ref = 'core.sensor.python';`,
  },
  {
    from: service,
    what: "enabled sensors",
    text: `
SELECT id, ref, pack, pack_ref, label, description,
entrypoint, runtime, runtime_ref, trigger, trigger_ref,
enabled, param_schema, created, updated
FROM attune.sensor
WHERE enabled = true
ORDER BY created ASC;`,
  },
  {
    from: service,
    what: "rules of a trigger",
    text: `
SELECT id, ref, pack, pack_ref, label, description,
action, action_ref, trigger, trigger_ref,
conditions, enabled, created, updated
FROM attune.rule
WHERE trigger_ref = $1 AND enabled = true
ORDER BY created ASC;`,
    values: ["demo.trigger"],
  },
];

export const addRuby: DocumentedStatement = {
  from: detection,
  what: "add a Ruby runtime",
  text: `
INSERT INTO runtime (ref, pack, pack_ref, description, runtime_type, name, distributions) VALUES ( 'core.sensor.ruby', (SELECT id FROM pack WHERE ref = 'core'), 'core', 'Ruby sensor runtime', 'sensor', 'Ruby', jsonb_build_object( 'verification', jsonb_build_object( 'commands', jsonb_build_array( jsonb_build_object( 'binary', 'ruby', 'args', jsonb_build_array('--version'), 'exit_code', 0, 'pattern', 'ruby \\\\d+\\\\.\\\\d+', 'priority', 1 ) ) ) ) );`,
};

export const addPhp: DocumentedStatement = {
  from: detection,
  what: "add a PHP runtime to a pack that is not there",
  text: `
INSERT INTO runtime (ref, pack, pack_ref, description, runtime_type, name, distributions) VALUES ( 'mypack.sensor.php', (SELECT id FROM pack WHERE ref = 'mypack'), 'mypack', 'PHP sensor runtime', 'sensor', 'PHP', jsonb_build_object( 'verification', jsonb_build_object( 'commands', jsonb_build_array( jsonb_build_object( 'binary', 'php', 'args', jsonb_build_array('--version'), 'exit_code', 0, 'pattern', 'PHP \\\\d+\\\\.\\\\d+', 'priority', 1 ) ) ) ) );`,
};

export const correctPattern: DocumentedStatement = {
  from: detection,
  what: "correct a pattern",
  text: `
UPDATE runtime SET distributions = jsonb_set( distributions, '{verification,commands,0,pattern}', '"Python 3\\\\."' ) WHERE ref = 'core.sensor.python';`,
};

export const createEvent: DocumentedStatement = {
  from: service,
  what: "create an event",
  text: `
INSERT INTO attune.event
(trigger, trigger_ref, config, payload, source, source_ref)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id;`,
  values: ["1", "demo.trigger", "{}", '{"level": 3}', "1", "demo.sensor"],
};

export const createEnforcement: DocumentedStatement = {
  from: service,
  what: "create an enforcement",
  text: `
INSERT INTO attune.enforcement
(rule, rule_ref, trigger_ref, event, status, payload, condition, conditions)
VALUES ($1, $2, $3, $4, 'created', $5, 'all', $6)
RETURNING id;`,
  values: ["1", "demo.rule", "demo.trigger", "1", '{"level": 3}', "[]"],
};

/** The table the registration document shows must be what the table is, and not less. */
export const workerColumns = {
  id: "bigint",
  name: "text",
  worker_type: "worker_type_enum",
  worker_role: "worker_role_enum",
  runtime: "bigint",
  host: "text",
  port: "integer",
  status: "worker_status_enum",
  capabilities: "jsonb",
  meta: "jsonb",
  last_heartbeat: "timestamp with time zone",
  created: "timestamp with time zone",
  updated: "timestamp with time zone",
};

/** The text of one that reads, by what it finds. */
export function documented(what: string): string {
  const statement = readingStatements.find((each) => each.what === what);
  if (statement === undefined) throw new Error(`no document has a statement for ${what}`);
  return statement.text;
}
