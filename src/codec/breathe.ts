/** Asked between the steps of long work, so that others on this thread have a turn. Undefined: go on; else wait. */
export type Breathe = () => Promise<void> | undefined;
