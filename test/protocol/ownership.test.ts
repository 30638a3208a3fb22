import { expect, it } from 'vitest';
import { decodeMessage } from '../../src/protocol/decode.js';
import { encodeMessage } from '../../src/protocol/encode.js';

it('owns the bytes of a decoded message, also when the frame was a Buffer', () => {
  const digest = new Uint8Array(32).fill(7);
  const frame = Buffer.from(
    encodeMessage({ type: 'READY', digest }, { seq: 1, round: 0, attempt: 1 }),
  );
  const { message } = decodeMessage(frame);
  frame.fill(0);
  expect(message).toEqual({ type: 'READY', digest });
});
