/**
 * Requests between agents; the migration that creates `worker_request` describes their states.
 *
 * Nothing here waits for a lock that another agent holds: rows that are locked are passed over until the next look.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { noRows, type Statement } from "../statement.ts";

export const workerRequestKinds = ["restart", "logs"] as const;

export type WorkerRequestKind = (typeof workerRequestKinds)[number];

export interface NewWorkerRequest {
  readonly kind: WorkerRequestKind;
  readonly sensorId: Id;
  readonly parameters: JsonObject;
  readonly secondsToLive: number;
  /** Requests of all agents that may be open at a time. */
  readonly openMax: number;
}

/** No row: too many requests are open, or the sensor has been deleted. */
export const askWorker: Statement<NewWorkerRequest, Id> = {
  name: "ask_worker",
  text: `
    insert into worker_request (kind, sensor, parameters, expires_at)
    select $1, sensor.id, $3::jsonb, clock_timestamp() + make_interval(secs => $4)
      from sensor
     where sensor.id = $2
       and (select count(*) from worker_request where expires_at > now()) < $5
    returning id`,
  values: ({ kind, sensorId, parameters, secondsToLive, openMax }) => [
    kind,
    sensorId,
    JSON.stringify(parameters),
    secondsToLive,
    openMax,
  ],
  decode: (row) => row.id("id"),
};

export interface TakenRequest {
  readonly id: Id;
  readonly kind: WorkerRequestKind;
  readonly sensorId: Id;
  readonly sensorRef: string;
  readonly parameters: JsonObject;
}

/**
 * Takes requests for sensors that this instance owns, also those that an earlier owner took and did not answer, and
 * deletes expired ones.
 */
export const takeWorkerRequests: Statement<
  { readonly instance: string; readonly countMax: number },
  TakenRequest
> = {
  name: "take_worker_requests",
  text: `
    with expired as (
      select id
        from worker_request
       where expires_at <= now()
       order by expires_at
       limit 100
         for update skip locked
    ), deleted as (
      delete from worker_request
       using expired
       where worker_request.id = expired.id
    ), free as (
      select request.id, sensor.ref
        from worker_request as request
        join sensor_assignment as held
          on held.sensor = request.sensor
         and held.instance = $1
        join sensor
          on sensor.id = request.sensor
       where request.answer is null
         and request.taken_by is distinct from $1
         and request.expires_at > now()
       order by request.id
       limit $2
         for update of request skip locked
    )
    update worker_request as request
       set taken_by = $1
      from free
     where request.id = free.id
    returning request.id, request.kind, request.sensor, free.ref, request.parameters`,
  values: ({ instance, countMax }) => [instance, countMax],
  decode: (row) => ({
    id: row.id("id"),
    kind: row.word("kind", workerRequestKinds),
    sensorId: row.id("sensor"),
    sensorRef: row.text("ref"),
    parameters: row.jsonObject("parameters"),
  }),
};

/** Has no effect if another owner has taken the request, or nobody waits for the answer any more. */
export const answerWorkerRequest: Statement<
  { readonly id: Id; readonly instance: string; readonly answer: string },
  never
> = {
  name: "answer_worker_request",
  text: `
    update worker_request
       set answer = $3
     where id = $1
       and taken_by = $2
       and answer is null
       and expires_at > now()`,
  values: ({ id, instance, answer }) => [id, instance, answer],
  decode: noRows,
};

export interface WorkerAnswer {
  readonly id: Id;
  readonly answer: string;
}

/** Takes the answers among these requests out of the table. */
export const collectWorkerAnswers: Statement<readonly Id[], WorkerAnswer> = {
  name: "collect_worker_answers",
  text: `
    with answered as (
      select id
        from worker_request
       where id = any ($1::bigint[])
         and answer is not null
         for update skip locked
    )
    delete from worker_request
     using answered
     where worker_request.id = answered.id
    returning worker_request.id, worker_request.answer`,
  values: (ids) => [ids],
  decode: (row) => ({ id: row.id("id"), answer: row.text("answer") }),
};

/** The asker waits no longer. */
export const withdrawWorkerRequest: Statement<Id, never> = {
  name: "withdraw_worker_request",
  text: "delete from worker_request where id = $1",
  values: (id) => [id],
  decode: noRows,
};
