import { bufferGuest } from '../guests/buffer.js';
import { memoryPair } from '../transport/memory-pair.js';
import { type Clock, systemClock } from './clock.js';
import { resolveOptions } from './options.js';
import { Sessions } from './sessions.js';
import { SourceDriver } from './source.js';

const rehearsedPages = 2;
let rehearsed: Promise<void> | undefined;

/**
 * Runs a whole migration of two pages inside this process, once, so that the switchover of a real one meets no code for the first
 * time: compiling it while the guest stands still costs some four milliseconds on each side. Never rejects.
 */
export function rehearse(clock: Clock = systemClock): Promise<void> {
  rehearsed ??= perform(clock).catch(() => {
    // Nothing depends on it; what is wrong will be told by the migration it was for.
  });
  return rehearsed;
}

async function perform(clock: Clock): Promise<void> {
  const bytes = rehearsedPages * 4096;
  const source = new Uint8Array(bytes).fill(1);
  const sessions = new Sessions({
    accept: () => bufferGuest(new Uint8Array(bytes)),
    limits: { maxImageBytes: bytes, maxStateBytes: 0 },
    clock,
    maxSessions: 1,
    emit: () => {},
    onArrival: () => {},
    onFailure: () => {},
  });
  const guest = bufferGuest(source, {
    tracker: 'marks',
    pause: () => {
      source[0] = 2;
      guest.markDirty(0, 1);
    },
  });
  const driver = new SourceDriver({
    guest,
    connect: async () => {
      const pair = memoryPair();
      sessions.greet(pair.b);
      return pair.a;
    },
    clock,
    options: resolveOptions({ shadowBytes: bytes, baseCacheBytes: 0, settle: 'first' }),
    emit: () => {},
  });
  driver.start();
  await driver.done;
}
