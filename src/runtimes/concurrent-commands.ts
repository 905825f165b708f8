/**
 * How many version commands run at once: enough that two slow ones do not delay a third, and few enough for an
 * agent limited to 28 open files.
 */
export const concurrentCommandsMax = 3;
