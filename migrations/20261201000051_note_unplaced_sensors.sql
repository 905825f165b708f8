-- Another cause of gaps: `unplaced`, from when the placing worker finds that no worker can run a sensor that should run, until
-- one has it. `detail` says why. Agents write these rows, since only they know what a worker can run.
--
-- A sensor that was never placed has no assignment, whose deletion would delete its gaps; so gaps go with the sensor itself.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor_gap drop constraint if exists sensor_gap_cause_check;
alter table sensor_gap add constraint sensor_gap_cause_check
  check (cause in ('released', 'lost', 'ended', 'unplaced'));

create unique index if not exists sensor_gap_unplaced on sensor_gap (sensor)
  where cause = 'unplaced' and ended_at is null;

do $$
declare
  here text := current_schema();
begin
  -- These sensors, and no others, run nowhere although they should, for these reasons. Two callers take turns.
  execute format($create$
    create or replace function note_unplaced_sensors(of_sensors bigint[], reasons text[]) returns void
    language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    begin
      perform pg_advisory_xact_lock(hashtextextended(%2$L, 3));
      update sensor_gap
         set ended_at = greatest(clock_timestamp(), began_at),
             to_worker = (select worker.name
                            from sensor_assignment
                            join worker
                              on worker.id = sensor_assignment.worker
                             and worker.instance = sensor_assignment.instance
                           where sensor_assignment.sensor = sensor_gap.sensor)
       where cause = 'unplaced'
         and ended_at is null
         and not sensor = any (of_sensors);
      insert into sensor_gap (sensor, sensor_ref, cause, detail, began_at)
      select sensor.id, sensor.ref, 'unplaced', given.reason, clock_timestamp()
        from unnest(of_sensors, reasons) as given (sensor, reason)
        join sensor
          on sensor.id = given.sensor
       order by sensor.id
          on conflict (sensor) where cause = 'unplaced' and ended_at is null do update
         set detail = excluded.detail
       where sensor_gap.detail is distinct from excluded.detail;
      perform trim_sensor_gaps(of_sensors, array['unplaced']);
    end
    $body$
  $create$, here, here || '.note_unplaced_sensors');
  revoke execute on function note_unplaced_sensors(bigint[], text[]) from public;

  execute format($create$
    create or replace function delete_sensor_gaps() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    begin
      delete from sensor_gap using gone where sensor_gap.sensor = gone.id;
      return null;
    end
    $body$
  $create$, here);
end
$$;

drop trigger if exists sensor_deletes_gaps on sensor;
create trigger sensor_deletes_gaps after delete on sensor
  referencing old table as gone
  for each statement execute function delete_sensor_gaps();
