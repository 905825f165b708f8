/**
 * Which live worker publishes which messages of the outbox.
 *
 * A row names the instance that stored it. The table outbox_owner says for each such instance which live instance
 * publishes its messages: the instance itself while it lives, an heir once it is dead. Rows without an instance, such
 * as those about rules changed by plain SQL, belong to the instance of zeros. An instance passes to its heir as a
 * whole, by changing one row, so that its messages keep their order and their rows stay unchanged.
 */
import { noRows, type Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

/** The instance of messages that no agent stored. */
export const nobody = "00000000-0000-0000-0000-000000000000";

/** SQL that is true for a row of the outbox whose messages the instance $1 owns. */
export const isOwned = `coalesce(instance, '${nobody}') = any (array(select instance from outbox_owner where owner = $1))`;

export interface Ownership {
  readonly instance: string;
  /** Whether to take over messages that no live worker owns. */
  readonly inherits: boolean;
  /** Whether to look if any message is owed. */
  readonly looks: boolean;
}

export interface Owned {
  /** The other instances whose messages this worker owns. */
  readonly instances: readonly string[];
  /** Whether any message is owed; true if it was not asked to look. */
  readonly isAny: boolean;
}

/**
 * Makes this worker the owner of its own messages and, if it inherits, of those that no live worker owns.
 *
 * Skips locked rows: another worker is taking them over.
 */
export const ownMessages: Statement<Ownership, Owned> = {
  name: "own_messages",
  text: `
    with live as materialized (
      select instance
        from worker
       where ${isLeaseAlive("worker", "now()")}
         and instance is not null
    ), own as (
      insert into outbox_owner (instance, owner)
      values ($1, $1)
      on conflict (instance) do update
         set owner = excluded.owner,
             since = now()
       where outbox_owner.owner is distinct from excluded.owner
    ), free as materialized (
      select instance
        from outbox_owner
       where $2
         and instance <> $1
         and owner is distinct from $1
         and (owner is null or owner not in (select instance from live))
       order by instance
         for update skip locked
    ), inherited as (
      update outbox_owner
         set owner = $1,
             since = now()
        from free
       where outbox_owner.instance = free.instance
    )
    select array(select instance::text
                   from outbox_owner
                  where owner = $1
                    and instance <> $1
                  union
                 select instance::text
                   from free) as instances,
           not $3 or exists (select from outbox) as is_any`,
  values: ({ instance, inherits, looks }) => [instance, inherits, looks],
  decode: (row) => ({ instances: row.texts("instances"), isAny: row.boolean("is_any") }),
};

/** Leaves all messages of this worker to others, because it cannot publish or is stopping. */
export const releaseMessages: Statement<{ readonly instance: string }, never> = {
  name: "release_messages",
  text: `
    update outbox_owner
       set owner = null,
           since = now()
     where owner = $1`,
  values: ({ instance }) => [instance],
  decode: noRows,
};

/**
 * Adds unknown instances that owe messages, such as those of agents of an earlier version, and forgets instances
 * without messages. Statements of a dead agent may arrive minutes later, hence the hour.
 *
 * Reads the whole outbox, so it must not run often.
 */
export const reviewOwners: Statement<{ readonly instance: string }, never> = {
  name: "review_owners",
  text: `
    with found as (
      insert into outbox_owner (instance, owner)
      select distinct instance, instance
        from outbox
       where instance is not null
      on conflict (instance) do nothing
    )
    delete from outbox_owner
     where owner = $1
       and instance not in ($1, '${nobody}')
       and since < now() - interval '1 hour'
       and not exists (select from outbox where outbox.instance = outbox_owner.instance)`,
  values: ({ instance }) => [instance],
  decode: noRows,
};
