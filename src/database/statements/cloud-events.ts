/** Which CloudEvents triggers take. */
import type { JsonValue } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";

/** Of enabled triggers. */
export const listCloudEventTriggers: Statement<
  { readonly countMax: number },
  { readonly triggerRef: string; readonly cloudevents: JsonValue }
> = {
  name: "list_cloud_event_triggers",
  text: `
    select ref, cloudevents
      from trigger
     where cloudevents is not null
       and enabled
     order by ref
     limit $1`,
  values: ({ countMax }) => [countMax],
  decode: (row) => ({ triggerRef: row.text("ref"), cloudevents: row.json("cloudevents") }),
};
