-- The core pack and the sensor runtimes with the metadata that verifies them.
--
-- Verification runs distributions.verification.commands in priority order, without a shell; the
-- first whose exit code and output agree wins. Rows that exist are left as their operator made them.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

insert into pack (ref, label, description, version)
values ('core', 'Core', 'Runtimes and triggers that every installation has', '1.0.0')
on conflict (ref) do nothing;

insert into runtime (ref, pack, pack_ref, description, runtime_type, name, distributions, installation)
select seeded.ref, pack.id, 'core', seeded.description, 'sensor', seeded.name, seeded.distributions::jsonb, seeded.installation::jsonb
  from (values
    ( 'core.sensor.python', 'Python 3 sensor runtime', 'Python',
      '{"verification": {"commands": [
          {"binary": "python3", "args": ["--version"], "exit_code": 0, "pattern": "Python 3\\.", "priority": 1},
          {"binary": "python", "args": ["--version"], "exit_code": 0, "pattern": "Python 3\\.", "priority": 2}]},
        "min_version": "3.8", "recommended_version": "3.11"}',
      '{"hint": "install Python 3: apt-get install python3, apk add python3, or use a python image"}' ),
    ( 'core.sensor.nodejs', 'Node.js sensor runtime', 'Node.js',
      '{"verification": {"commands": [
          {"binary": "node", "args": ["--version"], "exit_code": 0, "pattern": "v\\d+\\.\\d+\\.\\d+", "priority": 1},
          {"binary": "nodejs", "args": ["--version"], "exit_code": 0, "pattern": "v\\d+\\.\\d+\\.\\d+", "priority": 2}]},
        "min_version": "16.0.0", "recommended_version": "20.0.0"}',
      '{"hint": "install Node.js: apt-get install nodejs, apk add nodejs, or use a node image"}' ),
    ( 'core.sensor.shell', 'Shell sensor runtime', 'Shell',
      '{"verification": {"always_available": true}}', null ),
    ( 'core.sensor.native', 'Compiled sensors, run as they are', 'Native',
      '{"verification": {"always_available": true}}', null ),
    ( 'core.sensor.builtin', 'Sensors inside the agent', 'Built-in Sensor',
      '{"verification": {"always_available": true}}', null )
  ) as seeded (ref, description, name, distributions, installation),
  pack
 where pack.ref = 'core'
on conflict (ref) do nothing;
