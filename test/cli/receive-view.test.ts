import { afterEach, describe, expect, it, vi } from 'vitest';
import { Landing } from '../../src/cli/landing.js';
import { Output } from '../../src/cli/output.js';
import { ReceiveView } from '../../src/cli/receive-view.js';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { ListenEvent } from '../../src/migration/listen.js';

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

  it.each([
    [
      { code: 'ERR_CONNECTION_LOST', message: 'cut\u001b' },
      'interrupted',
      /^interrupted: cut.{0,8}; what arrived is kept/,
    ],
    [{ outageMs: 1500 }, 'resumed', /^the source is back after 1\.5 s/],
  ] as const)('says when its source is gone, and when it is back: %o', (more, type, text) => {
    for (const json of [false, true]) {
      const lines: string[] = [];
      const take = (line: unknown): boolean => lines.push(String(line)) > 0;
      vi.spyOn(process.stdout, 'write').mockImplementation(take);
      vi.spyOn(process.stderr, 'write').mockImplementation(take);
      const view = new ReceiveView(new Output(json), new Landing({ maxImage: 1 }), true);
      const event = { type, session: '00', ...more } as ListenEvent;
      view.show(event);
      expect(lines.at(-1)).toMatch(text);
      if (json) expect(JSON.parse(lines[0] ?? '')).toEqual(event);
    }
  });
});
