/** Thrown by work that has taken as long as it may on this thread: it has to be done anew where nobody waits for the thread. */
export class TooLong extends Error {}
