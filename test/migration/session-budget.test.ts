import { describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { systemClock } from '../../src/migration/clock.js';
import { listen } from '../../src/migration/listen.js';
import { Receiver } from '../../src/migration/receiver.js';
import { defaultSessionBytes } from '../../src/migration/session-budget.js';
import type { Offer } from '../../src/protocol/messages.js';
import { naiveBody } from '../reference/run-table.js';

const pages = 512;
const byteLength = pages * 4096;
const guest: Guest = { ...bufferGuest(new Uint8Array(byteLength)), reshape: async () => {} };
const offer: Offer = {
  type: 'OFFER',
  pageSize: 4096,
  secret: new Uint8Array(192),
  identity: guest.describe(),
  handsOver: true,
  maxStateBytes: 4096,
  maxDowntimeMs: 50,
  regions: guest.regions.map(({ id, name }) => ({
    id,
    name,
    byteLength,
    maxByteLength: byteLength,
  })),
};

function receiverOf(maxSessionBytes: number | undefined): Receiver {
  return new Receiver({
    guest,
    offer,
    session: new Uint8Array(16),
    clock: systemClock,
    limits: { maxImageBytes: 2 ** 30, maxStateBytes: 4096, maxSessionBytes },
    patches: false,
    lz4: false,
    held: false,
    channels: 1,
    rehearsals: true,
  });
}

/** A frame that fills every page: 14 bytes that write 2 MiB. */
function applyFrame(receiver: Receiver, seq: number): Promise<void> {
  const payload = new Uint8Array(8).fill(7);
  const { body, tableBytes } = naiveBody(
    Array.from({ length: pages }, (_, page) => ({ region: 0, page, kind: 'fill', payload })),
  );
  return receiver.applyPages(
    { type: 'PAGES', body, tableBytes, rawBytes: body.byteLength },
    seq,
    0,
  );
}

describe('the bytes of a session', () => {
  it('are what frames become, not what they are on the wire', async () => {
    const receiver = receiverOf(3 * byteLength);
    for (const seq of [1, 2, 3]) await applyFrame(receiver, seq);
    await expect(applyFrame(receiver, 4)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(applyFrame(receiver, 5)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  });

  it('are those of states that begin, however little of them comes', () => {
    const receiver = receiverOf(10 * 4096);
    const begin = (seq: number): void =>
      receiver.takeState(
        { type: 'STATE', totalBytes: 4096, offset: 0, bytes: new Uint8Array(1) },
        seq,
      );
    for (let seq = 1; seq <= 10; seq++) begin(seq);
    expect(() => begin(11)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('are those of regions that appear or grow, again and again', async () => {
    const receiver = receiverOf(byteLength);
    const appear = (seq: number): Promise<void> =>
      receiver.changeRegion({ type: 'REGION', id: 5, name: 'b', byteLength: byteLength / 2 }, seq);
    await appear(1);
    await appear(2);
    await expect(appear(3)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  });

  it('are 64 passes over what may come, within what is taken, and 1 TiB, unless told otherwise', () => {
    const regions = [{ id: 0, name: 'a', byteLength: 1, maxByteLength: 2 ** 36 }];
    expect(defaultSessionBytes({ regions }, 2 ** 40)).toBe(2 ** 42 + 2 ** 40);
    expect(defaultSessionBytes({ regions }, 2 ** 30)).toBe(2 ** 36 + 2 ** 40);
  });

  it('must be some', async () => {
    const accept = () => guest;
    for (const maxSessionBytes of [0, -1, Number.NaN]) {
      await expect(listen({ accept, maxSessionBytes })).rejects.toThrow(/maxSessionBytes/);
    }
  });
});
