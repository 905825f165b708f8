-- Notifications of assignments and workers say whom they concern, so that an idle fleet stays asleep.
--
--   sensor_assignment INSTANCE,…   these instances got or lost sensors; "free" stands for sensors that nobody holds any more
--   worker INSTANCE                this one began, ended, or changed what it can run
--
-- A lease belongs to the worker: an assignment is held for as long as its worker's lease lasts. lease_expires_at of an
-- assignment is when the worker's lease would have ended when it got the sensor.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function notify_assignments() returns trigger language plpgsql as $body$
    declare
      concerned text;
    begin
      if tg_op = 'INSERT' then
        select string_agg(distinct coalesce(instance::text, 'free'), ',') into concerned from after_change;
      elsif tg_op = 'DELETE' then
        select concat_ws(',', 'free', string_agg(distinct instance::text, ',')) into concerned
          from before_change
        having count(*) > 0;
      else
        select string_agg(distinct side.instance, ',') into concerned
          from before_change as was
          join after_change as now_is
         using (sensor)
         cross join lateral (values (was.instance::text), (coalesce(now_is.instance::text, 'free'))) as side (instance)
         where (was.worker, was.instance, was.generation) is distinct from (now_is.worker, now_is.instance, now_is.generation);
      end if;
      -- A change of nothing wakes nobody. A payload is shorter than 8,000 bytes; without names everybody looks.
      if concerned is not null then
        perform pg_notify(%1$L, case when length(concerned) < 7900 then 'sensor_assignment ' || concerned
                                     else 'sensor_assignment' end);
      end if;
      return null;
    end
    $body$
  $create$, here || '_change');

  execute format($create$
    create or replace function notify_worker() returns trigger language plpgsql as $body$
    begin
      perform pg_notify(%1$L, concat_ws(' ', 'worker', case when tg_op = 'DELETE' then old.instance else new.instance end));
      return null;
    end
    $body$
  $create$, here || '_change');
end
$$;

drop trigger if exists sensor_assignment_notifies on sensor_assignment;
drop trigger if exists sensor_assignment_made_notifies on sensor_assignment;
create trigger sensor_assignment_made_notifies after insert on sensor_assignment
  referencing new table as after_change
  for each statement execute function notify_assignments();
drop trigger if exists sensor_assignment_changed_notifies on sensor_assignment;
create trigger sensor_assignment_changed_notifies after update on sensor_assignment
  referencing old table as before_change new table as after_change
  for each statement execute function notify_assignments();
drop trigger if exists sensor_assignment_gone_notifies on sensor_assignment;
create trigger sensor_assignment_gone_notifies after delete on sensor_assignment
  referencing old table as before_change
  for each statement execute function notify_assignments();

-- Renewing a lease and heartbeats change none of this.
drop trigger if exists worker_change_notifies on worker;
create trigger worker_change_notifies after update on worker
  for each row
  when (old.status is distinct from new.status
        or old.instance is distinct from new.instance
        or old.worker_role is distinct from new.worker_role
        or old.capabilities is distinct from new.capabilities
        or (old.lease_expires_at is null) is distinct from (new.lease_expires_at is null))
  execute function notify_worker();
drop trigger if exists worker_notifies on worker;
create trigger worker_notifies after insert or delete on worker
  for each row execute function notify_worker();

-- Messages that a worker leaves to others, because it stops or cannot reach the broker.
drop trigger if exists outbox_owner_notifies on outbox_owner;
create trigger outbox_owner_notifies after update on outbox_owner
  for each row when (old.owner is not null and new.owner is null)
  execute function notify_change();

-- For finding the first worker that is alive among many that once were.
create index if not exists worker_active on worker (id) where status = 'active';
