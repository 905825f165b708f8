/** The states of a sensor's process, as `sensor_process.status`, the metrics and `doctor` name them. */
export const sensorStates = ["starting", "running", "backoff", "failed", "stopped"] as const;

export type SensorState = (typeof sensorStates)[number];
