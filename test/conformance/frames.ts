import { encodeMessage, headerBytes, sealFrame } from '../../src/protocol/index.js';

const order = { seq: 1, round: 1, attempt: 1 };
export function ping(token: number): Uint8Array {
  return encodeMessage({ type: 'PING', token }, order);
}

export function pages(bodyBytes: number, fill: number): Uint8Array {
  const frame = new Uint8Array(headerBytes + bodyBytes).fill(fill, headerBytes);
  sealFrame(frame, { type: 'PAGES', tableBytes: 3, ...order });
  return frame;
}

/** Which of `frames` are not as they were sent; compared as buffers, since there may be megabytes. */
export function damaged(frames: readonly Uint8Array[], sent: readonly Uint8Array[]): number[] {
  const count = Math.max(frames.length, sent.length);
  return Array.from({ length: count }, (_, index) => index).filter((index) => {
    const [got, want] = [frames[index], sent[index]];
    return got === undefined || want === undefined || Buffer.compare(got, want) !== 0;
  });
}
