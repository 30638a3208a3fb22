import { randomFillSync } from 'node:crypto';
import { bufferGuest } from '../guests/buffer.js';
import { listen } from './listen.js';
import { migrate } from './migrate.js';
import type { AssumedLink } from './prospect.js';
import { Samples } from './samples.js';

const probeBytes: number = 16 * 1024 * 1024;
/** The first one meets code that was never run, and memory that was never touched: its rate does not count. */
const probes = 4;

/**
 * What this machine's loopback carries now between two pageferries, both in this process: the least that two processes reach, which need
 * not share one thread. Takes some 0.1 s.
 */
export async function measureLoopback(): Promise<AssumedLink> {
  const probe = randomFillSync(new Uint8Array(probeBytes));
  const place = new Uint8Array(probeBytes);
  const listener = await listen({ accept: () => bufferGuest(place, { handsOver: false }) });
  try {
    const { host, port } = listener;
    const guest = bufferGuest(probe, { tracker: 'marks', handsOver: false });
    const options = {
      shadowBytes: 0,
      baseCacheBytes: 0,
      settle: 'first',
      patches: 'never',
      compression: 'never',
    } as const;
    const rates = new Samples(probes - 1);
    const rtts = new Samples(probes);
    for (let time = 0; time < probes; time++) {
      const report = await migrate(guest, { host, port, ...options }).done;
      const overall = (report.bytesSent / report.totalMs) * 1000;
      rates.add(report.bytesPerSecond ?? overall);
      rtts.add(report.rttMs);
    }
    return {
      bytesPerSecond: rates.quantile(0.5) ?? Number.POSITIVE_INFINITY,
      rttMs: rtts.quantile(0) ?? 0,
    };
  } finally {
    await listener.close();
  }
}
