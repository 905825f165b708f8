-- A changed rule costs the same however many messages and tombstones the last hours have left. forget_rule_messages read all
-- messages but the newest ten thousand, to find those older than an hour, and the newest ten thousand tombstones, to find
-- those beyond: after a hundred thousand rules were created, each change took some 20 ms more for an hour.
--
-- Numbers of messages ascend with time, so it is enough to look at the lowest. Tombstones are counted only when some were added.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  -- `skip locked`: somebody else forgets these.
  execute format($create$
    create or replace function forget_rule_tombstones(were_added boolean) returns void language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      oldest timestamptz := now() - interval '7 days';
    begin
      if were_added then
        oldest := greatest(oldest, (select since from rule_tombstone order by since desc offset 10000 limit 1));
      end if;
      if (select min(since) from rule_tombstone) < oldest then
        delete from rule_tombstone
         where ctid = any (array(
                 select ctid
                   from rule_tombstone
                  where since < oldest
                  order by since
                  limit 10000
                    for update skip locked));
      end if;
    end
    $body$
  $create$, here);

  -- Readers of rule_message are never behind by this much; those of tombstones have tokens that last three days.
  execute format($create$
    create or replace function forget_rule_messages() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      at_once constant int := 100;
      forgotten int;
    begin
      for step in 1 .. 100 loop
        exit when not exists (select
                                from (select created from rule_message order by number limit 1) as lowest
                               where created < now() - interval '1 hour');
        delete from rule_message
         where ctid = any (array(
                 select ctid
                   from rule_message
                  where number in (select number
                                     from (select number, created
                                             from rule_message
                                            where number < (select max(number) from rule_message) - 10000
                                            order by number
                                            limit at_once) as lowest
                                    where created < now() - interval '1 hour')
                    for update skip locked));
        get diagnostics forgotten = row_count;
        exit when forgotten < at_once;
      end loop;
      perform forget_rule_tombstones(tg_op = 'DELETE');
      return null;
    end
    $body$
  $create$, here);
end
$$;
