/**
 * SQL that is true if a sensor serves a trigger: the one in its row, or one that `sensor_trigger` adds.
 *
 * @param sensor the name of the sensor's row in the statement
 * @param trigger the name of the trigger's row
 */
export function servesTrigger(sensor: string, trigger: string): string {
  return `(${trigger}.ref = ${sensor}.trigger_ref
           or exists (select
                        from sensor_trigger
                       where sensor_trigger.sensor = ${sensor}.id
                         and sensor_trigger.trigger = ${trigger}.id))`;
}
