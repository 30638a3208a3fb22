import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { newToken } from '../../src/index.js';
import { Voyage, type VoyageOptions } from './voyage.js';

const dayMs = 86_400_000;
const timeoutMs = 60_000;

/** Two ends that share a token, and whose calendars jump when they are told to. */
function jumpy(): VoyageOptions {
  return {
    plan: { seed: 22, sizeBytes: 256 * 4096, bytesPerSecond: 2e6 },
    trust: { token: newToken() },
    source: { bytesPerSecond: 2e6, maxDowntimeMs: 10_000 },
    execArgv: ['--import', fileURLToPath(new URL('./clock-jump.mjs', import.meta.url))],
  };
}

/** Both calendars are a day ahead of the true one, or behind it, from here on. */
async function bothJump({ source, destination }: Voyage): Promise<void> {
  for (const now of await Promise.all([source.jump(), destination.jump()])) {
    expect(Math.abs(now - Date.now())).toBeGreaterThan(dayMs / 2);
  }
}

const ended = ({ type }: { readonly type: string }): boolean =>
  ['completed', 'failed'].includes(type);

describe.concurrent('a calendar that jumps by a day or two', () => {
  it(
    'means nothing to a migration: not before, in rounds, while it reconnects, in the pause, nor while the guest is loaded',
    async ({ onTestFailed }) => {
      await using voyage = await Voyage.begin({
        ...jumpy(),
        sourceGates: ['pause'],
        destinationGates: ['acquire'],
        prepare: bothJump,
      });
      onTestFailed(() => console.error(voyage.story()));
      const { source, destination } = voyage;
      await source.event('round 1', ({ round }) => round === 1);
      await bothJump(voyage);
      await voyage.relay.kill();
      await source.event('interrupted', ({ type }) => type === 'interrupted');
      await bothJump(voyage);
      await voyage.startRelay();
      await source.event('resumed', ({ type }) => type === 'resumed');
      await bothJump(voyage);
      await source.at('pause');
      await bothJump(voyage);
      source.order({ type: 'go' });
      await destination.at('acquire');
      await bothJump(voyage);
      destination.order({ type: 'go' });
      expect(await source.event('the end', ended)).toMatchObject({
        type: 'completed',
        interruptions: 1,
      });
      await voyage.expectOneOwner(destination);
    },
    timeoutMs,
  );

  it(
    'of one end only is as good as none',
    async ({ onTestFailed }) => {
      await using voyage = await Voyage.begin({
        ...jumpy(),
        prepare: ({ destination }) => destination.jump(),
      });
      onTestFailed(() => console.error(voyage.story()));
      expect(await voyage.source.event('the end', ended)).toMatchObject({ type: 'completed' });
      await voyage.expectOneOwner(voyage.destination);
    },
    timeoutMs,
  );

  it(
    'gives a token no more time than it had',
    async ({ onTestFailed }) => {
      const tokenTtlMs = 200;
      await using voyage = await Voyage.begin({
        ...jumpy(),
        destination: { tokenTtlMs },
        async prepare({ destination }) {
          // A day ahead, then the day before.
          await destination.jump();
          await destination.jump();
          await sleep(2 * tokenTtlMs);
        },
      });
      onTestFailed(() => console.error(voyage.story()));
      const refused = { type: 'failed', code: 'ERR_AUTH' };
      expect(await voyage.source.event('the end', ended)).toMatchObject(refused);
      await voyage.expectOneOwner(voyage.source);
    },
    timeoutMs,
  );
});
