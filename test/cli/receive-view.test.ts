import { afterEach, describe, expect, it, vi } from 'vitest';
import { Landing } from '../../src/cli/landing.js';
import { Output } from '../../src/cli/output.js';
import { ReceiveView } from '../../src/cli/receive-view.js';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a receiver', () => {
  it('says that what it received may not outlive a crash', () => {
    const lines: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
    vi.spyOn(Landing.prototype, 'unsynced').mockReturnValue(
      new FerryError('ERR_IO', 'a crash may undo that'),
    );
    const view = new ReceiveView(new Output(false), new Landing({ maxImage: 1 }), true);
    view.show({
      type: 'arrived',
      arrival: {
        session: '00',
        guest: bufferGuest(new Uint8Array(1)),
        offer: {
          type: 'OFFER',
          pageSize: 4096,
          secret: new Uint8Array(192),
          identity: { kind: 'file', version: '', features: [] },
          handsOver: false,
          maxStateBytes: 0,
          maxDowntimeMs: 1,
          regions: [],
        },
        digest: '',
        appliedPages: 1,
        receivedBytes: 1,
      },
    });
    expect(lines.at(-1)).toBe('a crash may undo that\n');
  });
});
