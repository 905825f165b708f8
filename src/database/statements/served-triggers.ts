/**
 * SQL that is true when a sensor serves a trigger: the one that its row names, or one of those that `sensor_trigger` adds.
 *
 * @param sensor the sensor's row, by its name in the statement
 * @param trigger the trigger's
 */
export function servesTrigger(sensor: string, trigger: string): string {
  return `(${trigger}.ref = ${sensor}.trigger_ref
           or exists (select
                        from sensor_trigger
                       where sensor_trigger.sensor = ${sensor}.id
                         and sensor_trigger.trigger = ${trigger}.id))`;
}
