import { FerryError } from '../errors.js';

/** Bytes that are not as they were sealed: something on the way changed them. Its code is ERR_FRAME_CORRUPT. */
export class FrameDamage extends FerryError {
  constructor(what: string) {
    super('ERR_FRAME_CORRUPT', what);
  }
}
