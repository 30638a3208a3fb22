import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { ferryErrorCodes } from '../../src/errors.js';
import { newToken } from '../../src/index.js';
import type { Launcher } from '../command.js';
import { record } from '../evidence/record.js';
import type { Host, HostEvent } from './host.js';
import { inRoom } from './room.js';
import { Voyage, type VoyageOptions } from './voyage.js';

const seed = 23;
const timeoutMs = 60_000;
const MiB = 2 ** 20;
/** Enough for JavaScript, and for no WebAssembly memory more. */
const slackBytes = 256 * MiB;

type Side = 'source' | 'destination';
const sides: readonly Side[] = ['source', 'destination'];

/** From here on this process gets no more memory but a little. */
function withoutMemory({ pid }: Host): void {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = Number(/VmSize:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  limit(pid, 'as', bytes + slackBytes);
}

/** It has what it has open, and can open nothing more. */
function withoutDescriptors({ pid }: Host): void {
  limit(pid, 'nofile', 3);
}

function withDescriptors({ pid }: Host): void {
  limit(pid, 'nofile', 1000);
}

/** The soft limit only: it can be lifted again. */
function limit(pid: number, what: string, value: number): void {
  execFileSync('prlimit', [`--pid=${pid}`, `--${what}=${value}:`]);
}

async function begin(
  what: string,
  { task, onTestFailed }: TestContext,
  options: Omit<VoyageOptions, 'plan'>,
): Promise<Voyage> {
  record(task, { what: `a process that lacks ${what}`, seeds: [seed], counts: { shortages: 1 } });
  const voyage = await Voyage.begin({
    plan: { seed, sizeBytes: 256 * 4096, bytesPerSecond: 2e6 },
    ...options,
    source: { bytesPerSecond: 2e6, maxDowntimeMs: 10_000, ...options.source },
  });
  onTestFailed(() => console.error(voyage.story()));
  return voyage;
}

function ending(voyage: Voyage): Promise<HostEvent> {
  return voyage.source.event('the end', ({ type }) => type === 'completed' || type === 'failed');
}

/** It failed for a reason that has a code, and the guest runs at the source; or it was enough after all. */
async function expectCodedOrMoved(voyage: Voyage): Promise<void> {
  const { type, code } = await ending(voyage);
  if (type === 'failed') expect(ferryErrorCodes).toContain(code);
  await voyage.expectOneOwner(type === 'failed' ? voyage.source : voyage.destination);
}

describe.runIf(process.platform === 'linux').concurrent('without memory', () => {
  for (const side of sides) {
    it(
      `a ${side} cannot begin, says ERR_NO_CAPACITY, and the guest runs on at the source`,
      async (context) => {
        await using voyage = await begin('memory', context, {
          prepare: async (voyage) => withoutMemory(voyage[side]),
        });
        expect(await ending(voyage)).toMatchObject({ type: 'failed', code: 'ERR_NO_CAPACITY' });
        await voyage.expectOneOwner(voyage.source);
      },
      timeoutMs,
    );

    it(
      `a ${side} that is out of it in the middle goes on with what it has, or fails with a code`,
      async (context) => {
        await using voyage = await begin('memory', context, { sourceGates: ['pause'] });
        await voyage.source.at('pause');
        withoutMemory(voyage[side]);
        await voyage.relay.kill();
        await voyage.startRelay();
        voyage.source.order({ type: 'go' });
        await expectCodedOrMoved(voyage);
      },
      timeoutMs,
    );
  }

  it(
    'a file cannot be sent, which is ERR_NO_CAPACITY, and its receiver takes the next one; or it was enough',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const file = await room.file('image', 'content');
      // Node starts with this. Memory for WebAssembly takes more of addresses, in Node 20; Node 24 can do without.
      const little: Launcher = ['sh', '-c', 'ulimit -v 8000000; exec "$0" "$@"'];
      const { code, last } = await room
        .run(['send', file, `127.0.0.1:${receiver.port}`], little)
        .ended();
      if (code === 0) return room.expectReceived(file);
      expect(last).toMatchObject({ type: 'failed', code: 'ERR_NO_CAPACITY', side: 'source' });
      await room.expectStillReceives(receiver);
    }),
    timeoutMs,
  );
});

describe.runIf(process.platform === 'linux').concurrent('without descriptors', () => {
  for (const side of sides) {
    it(
      `a ${side} cannot begin, and the guest runs on at the source`,
      async (context) => {
        await using voyage = await begin('descriptors', context, {
          prepare: async (voyage) => withoutDescriptors(voyage[side]),
        });
        const { type, code } = await ending(voyage);
        expect(type).toBe('failed');
        expect(ferryErrorCodes).toContain(code);
        await voyage.expectOneOwner(voyage.source);
      },
      timeoutMs,
    );

    it(
      `a ${side} that was cut off goes on once there are some again`,
      async (context) => {
        const outage = { maxOutageMs: timeoutMs };
        await using voyage = await begin('descriptors', context, {
          trust: { token: newToken() },
          source: outage,
          destination: outage,
          sourceGates: ['pause'],
        });
        await voyage.source.at('pause');
        withoutDescriptors(voyage[side]);
        await voyage.relay.kill();
        await voyage.startRelay();
        await voyage.source.event('interrupted', ({ type }) => type === 'interrupted');
        voyage.source.order({ type: 'go' });
        withDescriptors(voyage[side]);
        expect(await ending(voyage)).toMatchObject({ type: 'completed' });
        await voyage.expectOneOwner(voyage.destination);
      },
      timeoutMs,
    );
  }
});

describe('a journal that cannot be written', () => {
  it(
    'keeps a destination from starting the guest, which runs on at the source',
    (context) =>
      inRoom(async (room) => {
        await using voyage = await begin('a journal', context, {
          destination: { journal: join(room.folder, 'nowhere', 'journal') },
        });
        expect(await ending(voyage)).toMatchObject({ type: 'failed', code: 'ERR_START_FAILED' });
        await voyage.expectOneOwner(voyage.source);
      })(),
    timeoutMs,
  );
});
