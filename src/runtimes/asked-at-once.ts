/**
 * How many programs are asked at once what they are: enough that one that hangs holds up no other, and two
 * slow ones no third; few enough for an agent that may open 28 files.
 */
export const askedAtOnceMax = 3;
