-- The built-in sensor of files, and one more for each group of workers that its rules select.
--
-- A rule on core.file_changed may name a worker, or labels of workers, on which its files are. A sensor runs on one worker, so
-- each distinct selection of enabled rules has a sensor of its own, placed there: core.files.<hash>. It is made and deleted in
-- the transaction that changes the rules, so that no agent has to, and none can do it twice.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- packs/core describes it to people.
insert into trigger (ref, pack, pack_ref, label, description)
select 'core.file_changed', pack.id, 'core', 'File changed', 'A file was created, modified, deleted or moved'
  from pack
 where pack.ref = 'core'
on conflict (ref) do nothing;

insert into sensor (ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref)
select 'core.files', pack.id, 'core', 'Files', 'Watches files and folders for the rules on core.file_changed', 'files',
       runtime.id, 'core.sensor.builtin', trigger.id, 'core.file_changed'
  from pack
  join runtime on runtime.ref = 'core.sensor.builtin'
  join trigger on trigger.ref = 'core.file_changed'
 where pack.ref = 'core'
on conflict (ref) do nothing;

do $$
begin
  -- Which workers the params of a rule select. A selection that is not understood is none: core.files then names the rule.
  execute format($create$
    create or replace function file_selector(params jsonb) returns jsonb language sql immutable
    set search_path to %1$I, pg_temp as $body$
      select jsonb_strip_nulls(jsonb_build_object(
               'worker', case when jsonb_typeof(params->'worker') = 'string' then params->'worker' end,
               'labels', case when jsonb_typeof(params->'labels') = 'object' and params->'labels' <> '{}'
                              then params->'labels' end))
    $body$
  $create$, current_schema());

  execute format($create$
    create or replace function selected_file_sensor(selector jsonb) returns text language sql immutable
    set search_path to %1$I, pg_temp as $body$
      select 'core.files.' || left(md5(selector::text), 12)
    $body$
  $create$, current_schema());

  execute format($create$
    create or replace function derive_file_sensors() returns trigger language plpgsql
    set search_path to %1$I, pg_temp as $body$
    begin
      -- Nested, because an expression must not name a table that the operation does not have.
      if tg_op = 'INSERT' then
        if not exists (select from new_rule where trigger_ref = 'core.file_changed') then
          return null;
        end if;
      elsif tg_op = 'DELETE' then
        if not exists (select from old_rule where trigger_ref = 'core.file_changed') then
          return null;
        end if;
      elsif tg_op = 'UPDATE' then
        if not exists (select from new_rule where trigger_ref = 'core.file_changed'
                        union all
                       select from old_rule where trigger_ref = 'core.file_changed') then
          return null;
        end if;
      end if;

      -- One transaction after the other: whoever deletes the last rule of a selection must see the one just added.
      perform pg_advisory_xact_lock(hashtextextended('derive_file_sensors of ' || current_schema(), 0));

      insert into sensor (ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref,
                          config, placement, is_adhoc)
      select selected_file_sensor(selected.selector), served.pack, 'core', 'Files on selected workers',
             'Made for the rules on core.file_changed that select these workers', served.entrypoint, served.runtime,
             served.runtime_ref, served.trigger, served.trigger_ref,
             jsonb_build_object('selector', selected.selector), selected.selector, true
        from (select distinct file_selector(trigger_params) as selector
                from rule
               where trigger_ref = 'core.file_changed'
                 and enabled) as selected
        join sensor as served on served.ref = 'core.files'
       where selected.selector <> '{}'
      on conflict (ref) do nothing;

      delete from sensor
       where ref like 'core.files.%%'
         and is_adhoc
         and not exists (select
                           from rule
                          where trigger_ref = 'core.file_changed'
                            and enabled
                            and selected_file_sensor(file_selector(trigger_params)) = sensor.ref);
      return null;
    end
    $body$
  $create$, current_schema());
end
$$;

create or replace trigger rule_derives_file_sensors_inserted after insert on rule
  referencing new table as new_rule
  for each statement execute function derive_file_sensors();
create or replace trigger rule_derives_file_sensors_updated after update on rule
  referencing old table as old_rule new table as new_rule
  for each statement execute function derive_file_sensors();
create or replace trigger rule_derives_file_sensors_deleted after delete on rule
  referencing old table as old_rule
  for each statement execute function derive_file_sensors();
create or replace trigger rule_derives_file_sensors_truncated after truncate on rule
  for each statement execute function derive_file_sensors();
