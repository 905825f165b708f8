-- Python and Node sensors get what their packs ask for: lib on the module path, and an environment with what
-- requirements.txt or package.json names. Python prints without a buffer, or a stream's events would wait in it.
--
-- Rows whose execution_config somebody has written are left as they are.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

update runtime
   set execution_config = seeded.execution_config::jsonb
  from (values
    ( 'core.sensor.python',
      '{"environment": {
          "create_command": ["{interpreter}", "-m", "venv", "--system-site-packages", "{env_dir}"],
          "interpreter_path": "{env_dir}/bin/python3"},
        "dependencies": {
          "manifest_file": "requirements.txt",
          "install_command": ["{interpreter}", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r", "{manifest_path}"]},
        "env_vars": {
          "PYTHONUNBUFFERED": "1",
          "PYTHONPATH": {"operation": "prepend", "value": "{pack_dir}/lib", "separator": ":"}}}' ),
    ( 'core.sensor.nodejs',
      '{"environment": {
          "copy_files": ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"]},
        "dependencies": {
          "manifest_file": "package.json",
          "bundled_in": "node_modules",
          "install_command": ["npm", "install", "--prefix", "{env_dir}", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier"]},
        "env_vars": {
          "NODE_PATH": {"operation": "prepend", "value": "{pack_dir}/lib", "separator": ":"}}}' )
  ) as seeded (ref, execution_config)
 where runtime.ref = seeded.ref
   and runtime.execution_config = '{}';
