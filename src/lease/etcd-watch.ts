import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdGateway } from './etcd-gateway.js';
import type { EtcdKeys } from './etcd-keys.js';

const firstPauseMs = 50;

/**
 * Calls `onChange` after each change of a guest's keys, the end of a lease among them, and each time it begins to watch, or cannot: what came before that it has not seen. A watch that says
 * nothing for `idleMs` is begun anew, as nobody can tell it from one that was cut. Resolves once `signal` is aborted.
 */
export async function watchEtcd(
  gateway: EtcdGateway,
  { owner, alive }: EtcdKeys,
  idleMs: number,
  signal: AbortSignal,
  onChange: () => void,
): Promise<void> {
  // "alive" comes before "owner": from the one to just behind the other is all that a guest has.
  const behind = Buffer.concat([Buffer.from(owner, 'base64'), Buffer.of(0)]).toString('base64');
  const body = { create_request: { key: alive, range_end: behind } };
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    const isBegun = await gateway.follow('watch', body, idleMs, signal, (result) => {
      const { created, events, canceled } = result;
      if (signal.aborted) return;
      if (created === true || events !== undefined) onChange();
      if (canceled === true) throw new Error('a watch that was cancelled');
    });
    if (signal.aborted) return;
    pauseMs = isBegun ? firstPauseMs : Math.min(2 * pauseMs, idleMs);
    if (!isBegun) onChange();
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}
