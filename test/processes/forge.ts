import { checksum, low32 } from '../../src/core/checksum.js';
import {
  type FrameOrder,
  headerBytes,
  type MessageName,
  messageType,
} from '../../src/protocol/index.js';

/** Fields of a header that say something else than the truth. */
export interface Lies {
  readonly version?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly tableBytes?: number;
  readonly bodyBytes?: number;
  readonly rawBytes?: number;
}

/** A frame that is sealed as it should be, header check and checksum included, whatever its header and body say. */
export function forge(
  name: MessageName,
  body: Uint8Array,
  { seq, round, attempt }: FrameOrder,
  lies: Lies = {},
): Uint8Array {
  const frame = new Uint8Array(headerBytes + body.length);
  frame.set(body, headerBytes);
  const view = new DataView(frame.buffer);
  view.setUint16(0, 0x4650, true);
  view.setUint8(2, lies.version ?? 1);
  view.setUint8(3, lies.type ?? messageType[name]);
  view.setUint16(4, lies.flags ?? 0, true);
  view.setUint16(6, lies.tableBytes ?? 0, true);
  view.setUint32(8, lies.bodyBytes ?? body.length, true);
  view.setUint32(12, lies.rawBytes ?? lies.bodyBytes ?? body.length, true);
  view.setUint32(16, seq, true);
  view.setUint32(20, round, true);
  view.setUint32(24, attempt, true);
  view.setUint32(28, low32(frame.subarray(0, 28)), true);
  view.setBigUint64(32, checksum(body), true);
  return frame;
}
