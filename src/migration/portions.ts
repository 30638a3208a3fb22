/** Pages looked at in one go: small enough that a slice ends in time, large enough that calls do not count. */
export const stepPages = 64;
/** Where most of them did not change, or where no guest shares the thread and files are read a mebibyte at a time. */
export const largeStepPages = 256;
/** Looked at in one go while paused: a deadline that passes meanwhile is noticed within milliseconds. Most scanned pages did not change. */
const lastStepPages = 1024;
const lastScanPages = 4096;
/** Payload of a frame of the last round. */
export const lastFrameBytes: number = 512 * 1024;

/** Pages that one call looks at, in live rounds and in the last one, of a guest whose tracker is `exact` or not, and that is handed over or not. */
export function portionsOf(
  exact: boolean,
  handsOver: boolean,
): { readonly live: number; readonly last: number } {
  return {
    live: exact && handsOver ? stepPages : largeStepPages,
    last: exact ? lastStepPages : lastScanPages,
  };
}
