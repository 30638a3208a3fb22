import { describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import { systemClock } from '../../src/migration/clock.js';
import type { DestinationEvent } from '../../src/migration/destination-states.js';
import { GuestHost } from '../../src/migration/guest-host.js';
import { HostEffects } from '../../src/migration/host-effects.js';
import type { Message, Offer } from '../../src/protocol/messages.js';

const offer: Offer = {
  type: 'OFFER',
  pageSize: 4096,
  secret: new Uint8Array(192),
  identity: bufferGuest(new Uint8Array(4096)).describe(),
  handsOver: true,
  maxStateBytes: 8,
  maxDowntimeMs: 50,
  regions: bufferGuest(new Uint8Array(4096)).regions.map((region) => ({
    id: region.id,
    name: region.name,
    byteLength: 4096,
    maxByteLength: 4096,
  })),
};

async function effectsHere() {
  const sent: Message[] = [];
  const fed: DestinationEvent[] = [];
  const deps = {
    session: new Uint8Array(16),
    limits: { maxImageBytes: 4096, maxStateBytes: 8 },
    clock: systemClock,
    patches: false,
    lz4: false,
    held: false,
    channels: 1,
    rehearsals: true,
  };
  const host = await GuestHost.admit(deps, offer, () => bufferGuest(new Uint8Array(4096)));
  const effects = new HostEffects(host, {
    send: (message) => sent.push(message),
    feed: (event) => fed.push(event),
  });
  return { effects, sent, fed };
}

describe('a piece of the last state', () => {
  const bytes = Uint8Array.of(1, 2);

  it('is taken in and acknowledged at once: PREPARE, which came with it, is not held back', async () => {
    const { effects, sent, fed } = await effectsHere();
    const message = { type: 'STATE', totalBytes: 2, offset: 0, bytes } as const;
    expect(effects.carryOut({ do: 'apply', message }, 7, 0)).toBeUndefined();
    expect(sent).toMatchObject([{ type: 'ACK', seq: 7 }]);
    expect(effects.host.receiver.state.bytes).toEqual(bytes);
    expect(fed).toEqual([]);
  });

  it('breaks the session, unacknowledged, where it is more than was agreed', async () => {
    const { effects, sent, fed } = await effectsHere();
    const message = { type: 'STATE', totalBytes: 9, offset: 0, bytes } as const;
    expect(effects.carryOut({ do: 'apply', message }, 7, 0)).toBeUndefined();
    expect(sent).toEqual([]);
    expect(fed).toMatchObject([{ type: 'broken', error: { code: 'ERR_STATE_TOO_LARGE' } }]);
  });
});
