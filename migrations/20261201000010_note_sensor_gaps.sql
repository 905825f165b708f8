-- Gaps: times in which nothing ran a sensor that should run. A gap that another worker ended is a failover.
--
--   released   its worker gave it up, because it stopped or the sensor moves; until a worker claims it
--   lost       its worker died or was cut off; from its last renewal of the lease, so the gap is at most that long
--   ended      its process ended by itself; until the next one runs
--
-- Triggers write them with the statements that make them true, so a claim by hand counts, too. Of each sensor the newest ten
-- of both sources (workers, processes) are kept, and none when the sensor is deleted. A row is changed only under a lock of
-- the row that it is about: of the assignment for `released` and `lost`, of the process for `ended`. So no two statements
-- wait for each other here.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- Without foreign keys: nobody who writes a gap may wait for a change of the sensor.
create table if not exists sensor_gap (
  id          bigserial primary key,
  sensor      bigint not null,
  sensor_ref  text not null,
  cause       text not null check (cause in ('released', 'lost', 'ended')),
  -- Why the process ended.
  detail      text,
  from_worker text,
  -- Null: none yet.
  to_worker   text,
  -- Null: unknown.
  began_at    timestamptz,
  -- Null: it lasts, or the sensor was no longer to run.
  ended_at    timestamptz,
  created     timestamptz not null default clock_timestamp()
);
create index if not exists sensor_gap_created on sensor_gap (created, id);
create index if not exists sensor_gap_sensor on sensor_gap (sensor, id);

-- The process that had the worker's name before: its sensors may be claimed only after the name has been.
alter table worker add column if not exists former_instance uuid;
alter table worker add column if not exists former_seen_at timestamptz;

do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function keep_former_instance() returns trigger language plpgsql
    set search_path to %1$I, pg_temp as $body$
    begin
      new.former_instance := old.instance;
      new.former_seen_at := coalesce(old.lease_expires_at - make_interval(secs => coalesce(old.lease_seconds, 0)),
                                     old.updated);
      return new;
    end
    $body$
  $create$, here);

  -- Whether a sensor should run: it is enabled, and serves an enabled trigger with an enabled rule.
  execute format($create$
    create or replace function is_sensor_wanted(of_sensor bigint) returns boolean language sql stable
    set search_path to %1$I, pg_temp as $body$
      select exists (
        select
          from sensor
          join trigger
            on trigger.enabled
           and (trigger.ref = sensor.trigger_ref
                or trigger.id in (select trigger from sensor_trigger where sensor_trigger.sensor = sensor.id))
          join rule
            on rule.trigger_ref = trigger.ref
           and rule.enabled
         where sensor.id = of_sensor
           and sensor.enabled)
    $body$
  $create$, here);

  -- Keeps the newest ten of one source of each of these sensors.
  execute format($create$
    create or replace function trim_sensor_gaps(of_sensors bigint[], of_causes text[]) returns void language sql
    set search_path to %1$I, pg_temp as $body$
      delete from sensor_gap
       using (select id, row_number() over (partition by sensor order by id desc) as place
                from sensor_gap
               where sensor = any (of_sensors)
                 and cause = any (of_causes)) as ranked
       where sensor_gap.id = ranked.id
         and ranked.place > 10
    $body$
  $create$, here);

  execute format($create$
    create or replace function note_assignment_gaps() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      causes constant text[] := array['released', 'lost'];
      noted bigint[];
    begin
      if tg_op = 'DELETE' then
        delete from sensor_gap using before_change where sensor_gap.sensor = before_change.sensor;
        return null;
      end if;

      update sensor_gap
         set to_worker = taker.name,
             ended_at = greatest(clock_timestamp(), began_at)
        from before_change as was
        join after_change as now_is
       using (sensor)
        join worker as taker
          on taker.id = now_is.worker
       where sensor_gap.sensor = was.sensor
         and sensor_gap.cause = any (causes)
         and sensor_gap.ended_at is null
         and was.instance is null
         and now_is.instance is not null;

      with noting as (
        insert into sensor_gap (sensor, sensor_ref, cause, from_worker, to_worker, began_at, ended_at)
        select sensor.id, sensor.ref,
               case when now_is.instance is null then 'released' else 'lost' end,
               loser.name, taker.name,
               case when now_is.instance is null then clock_timestamp()
                    when loser.instance = was.instance
                    then least(coalesce(loser.lease_expires_at - make_interval(secs => coalesce(loser.lease_seconds, 0)),
                                        loser.updated), clock_timestamp())
                    when loser.former_instance = was.instance then least(loser.former_seen_at, clock_timestamp())
               end,
               case when now_is.instance is not null then clock_timestamp() end
          from before_change as was
          join after_change as now_is
         using (sensor)
          join sensor
            on sensor.id = was.sensor
          left join worker as loser
            on loser.id = was.worker
          left join worker as taker
            on taker.id = now_is.worker
         where was.instance is not null
           and was.instance is distinct from now_is.instance
           and (now_is.instance is not null or is_sensor_wanted(sensor.id))
         order by sensor.id
        returning sensor
      )
      select array_agg(sensor) into noted from noting;
      if noted is not null then
        perform trim_sensor_gaps(noted, causes);
      end if;
      return null;
    end
    $body$
  $create$, here);

  execute format($create$
    create or replace function note_process_gap() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    begin
      if new.status = 'running' or (new.status = 'stopped' and not is_sensor_wanted(new.sensor)) then
        update sensor_gap
           set to_worker = case when new.status = 'running' then (select name from worker where id = new.worker) end,
               ended_at = greatest(case when new.status = 'running' then coalesce(new.started_at, clock_timestamp())
                                        else clock_timestamp()
                                   end, began_at)
         where sensor = new.sensor
           and cause = 'ended'
           and ended_at is null;
      elsif new.status <> 'stopped' and old.status in ('starting', 'running') then
        insert into sensor_gap (sensor, sensor_ref, cause, detail, from_worker, began_at)
        select sensor.id, sensor.ref, 'ended', new.reason, worker.name, coalesce(new.stopped_at, clock_timestamp())
          from sensor
          left join worker
            on worker.id = new.worker
         where sensor.id = new.sensor
           -- From the first failure to the next run.
           and not exists (select
                             from sensor_gap
                            where sensor_gap.sensor = sensor.id
                              and cause = 'ended'
                              and ended_at is null);
        perform trim_sensor_gaps(array[new.sensor], array['ended']);
      end if;
      return null;
    end
    $body$
  $create$, here);
end
$$;

drop trigger if exists worker_keeps_former_instance on worker;
create trigger worker_keeps_former_instance before update on worker
  for each row
  when (old.instance is distinct from new.instance and old.instance is not null)
  execute function keep_former_instance();

drop trigger if exists sensor_assignment_changed_gaps on sensor_assignment;
create trigger sensor_assignment_changed_gaps after update on sensor_assignment
  referencing old table as before_change new table as after_change
  for each statement execute function note_assignment_gaps();
drop trigger if exists sensor_assignment_gone_gaps on sensor_assignment;
create trigger sensor_assignment_gone_gaps after delete on sensor_assignment
  referencing old table as before_change
  for each statement execute function note_assignment_gaps();

drop trigger if exists sensor_process_notes_gap on sensor_process;
create trigger sensor_process_notes_gap after update on sensor_process
  for each row
  when (old.status is distinct from new.status and new.status in ('running', 'stopped', 'backoff', 'failed'))
  execute function note_process_gap();
