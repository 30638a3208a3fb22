import { checksum, low32 } from '../../src/core/checksum.js';
import { headerBytes } from '../../src/protocol/index.js';

/** Where the header has them: docs/protocol.md, section 2. */
const at = { bodyBytes: 8, headerCheck: 28, checksum: 32 } as const;

/** What of a frame is made right again, so that what is wrong with it gets past the checks: bits. */
export const reseal = { body: 1, length: 2, header: 4 } as const;

/** Makes right in place what `bits` of `reseal` say. Nothing where there is no whole header. */
export function sealAgain(frame: Uint8Array, bits: number): void {
  if (frame.length < headerBytes) return;
  const view = new DataView(frame.buffer, frame.byteOffset, headerBytes);
  const body = frame.subarray(headerBytes);
  if ((bits & reseal.length) !== 0) view.setUint32(at.bodyBytes, body.length, true);
  if ((bits & reseal.body) !== 0) view.setBigUint64(at.checksum, checksum(body), true);
  if ((bits & reseal.header) !== 0) {
    view.setUint32(at.headerCheck, low32(frame.subarray(0, at.headerCheck)), true);
  }
}
