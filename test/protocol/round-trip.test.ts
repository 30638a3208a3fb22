import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, type MessageName } from '../../src/protocol/index.js';
import { anyOrder, messages } from '../reference/arbitraries.js';

describe('encode and decode', () => {
  for (const type of Object.keys(messages) as MessageName[]) {
    it(`carry every ${type} there and back`, () => {
      fc.assert(
        fc.property(messages[type], anyOrder, (message, order) => {
          const decoded = decodeMessage(encodeMessage(message, order));
          expect(decoded.message).toEqual(message);
          expect(decoded.header).toMatchObject({ type, ...order });
        }),
      );
    });
  }

  it('write the same bytes for a message that was read', () => {
    fc.assert(
      fc.property(fc.oneof(...Object.values(messages)), anyOrder, (message, order) => {
        const frame = encodeMessage(message, order);
        expect(encodeMessage(decodeMessage(frame).message, order)).toEqual(frame);
      }),
    );
  });

  it('keep no view of the frame but for the body of PAGES', () => {
    fc.assert(
      fc.property(fc.oneof(...Object.values(messages)), anyOrder, (message, order) => {
        const frame = encodeMessage(message, order);
        const decoded = decodeMessage(frame).message;
        frame.fill(0xee);
        if (decoded.type === 'PAGES') expect(decoded.body.buffer).toBe(frame.buffer);
        else expect(decoded).toEqual(message);
      }),
    );
  });
});
