-- The note of sensors that run nowhere waits for nobody, because the worker that writes it places no sensor meanwhile. It
-- passes over a sensor that is being deleted or renamed, and a gap that somebody else is changing; agents repeat the note until
-- the gaps agree with it.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  -- These sensors, and no others, run nowhere although they should, for these reasons. Two callers take turns, which are short;
  -- the limit is for locks that somebody takes by hand.
  --
  -- A gap begins under a lock of its sensor, which a deletion waits for. So it deletes this gap, too.
  execute format($create$
    create or replace function note_unplaced_sensors(of_sensors bigint[], reasons text[]) returns void
    language plpgsql security definer
    set search_path to %1$I, pg_temp
    set lock_timeout to '1s' as $body$
    declare
      begun bigint[];
    begin
      perform pg_advisory_xact_lock(hashtextextended(%2$L, 3));
      with changed as (
        select gap.id, given.reason
          from sensor_gap as gap
          left join unnest(of_sensors, reasons) as given (sensor, reason)
                 on given.sensor = gap.sensor
         where gap.cause = 'unplaced'
           and gap.ended_at is null
           and gap.detail is distinct from given.reason
         order by gap.id
           for update of gap skip locked
      )
      update sensor_gap
         set detail = coalesce(changed.reason, detail),
             ended_at = case when changed.reason is null then greatest(clock_timestamp(), began_at) end,
             to_worker = case when changed.reason is null then (
               select worker.name
                 from sensor_assignment
                 join worker
                   on worker.id = sensor_assignment.worker
                  and worker.instance = sensor_assignment.instance
                where sensor_assignment.sensor = sensor_gap.sensor) end
        from changed
       where sensor_gap.id = changed.id;
      with free as (
        select sensor.id, sensor.ref, given.reason
          from unnest(of_sensors, reasons) as given (sensor, reason)
          join sensor
            on sensor.id = given.sensor
         where not exists (select
                             from sensor_gap
                            where sensor_gap.sensor = sensor.id
                              and cause = 'unplaced'
                              and ended_at is null)
         order by sensor.id
           for key share of sensor skip locked
      ), noting as (
        insert into sensor_gap (sensor, sensor_ref, cause, detail, began_at)
        select id, ref, 'unplaced', reason, clock_timestamp()
          from free
         order by id
        returning sensor
      )
      select array_agg(sensor) into begun from noting;
      if begun is not null then
        perform trim_sensor_gaps(begun, array['unplaced']);
      end if;
    end
    $body$
  $create$, here, here || '.note_unplaced_sensors');
  revoke execute on function note_unplaced_sensors(bigint[], text[]) from public;
end
$$;
