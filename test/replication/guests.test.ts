import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { QuickJSContext } from 'quickjs-emscripten-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fileGuest } from '../../src/guests/file.js';
import { fileDestination } from '../../src/guests/file-destination.js';
import type { Guest } from '../../src/guests/guest.js';
import { type GlueState, wasmGuest } from '../../src/guests/wasm/index.js';
import type { Primary } from '../../src/replication/primary-driver.js';
import { newMember, protect } from '../../src/replication/protect.js';
import { type Standby, standby } from '../../src/replication/standby-driver.js';
import type { StandbyOptions } from '../../src/replication/standby-options.js';
import { openStore } from '../guests/wasi/store.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';

/** A guest that runs here, with a standby that is in sync. */
async function follow(
  guest: Guest,
  accept: StandbyOptions['accept'],
): Promise<{ readonly primary: Primary; readonly standby: Standby }> {
  const engine = new SimulatedEngine();
  const made = await standby({
    ...{ name: 'g', member: newMember('b'), lease: engine.provider(), accept },
  });
  onTestFinished(() => made.close());
  const primary = await protect(guest, {
    ...{ name: 'g', member: newMember('a'), lease: engine.provider(), intervalMs: 5 },
    peers: [{ host: made.host, port: made.port }],
  });
  onTestFinished(() => primary.close());
  while (primary.inSync.length === 1) await sleep(1);
  return { primary, standby: made };
}

/** Where it runs after its first owner let go of it. */
async function handOver({ primary, standby }: Awaited<ReturnType<typeof follow>>): Promise<void> {
  await primary.close();
  const next = await standby.promoted;
  onTestFinished(() => next.close());
}

describe('replicated, and gone on with at its standby', () => {
  it('a script inside QuickJS has its closures, generators and promises', async () => {
    const [here, there] = [await openScript(), await openScript()];
    here.run(`(() => {
      let count = 40;
      globalThis.next = () => ++count;
      globalThis.lines = (function* () { for (let n = 1; ; n++) yield 'line ' + n; })();
      globalThis.kept = [];
    })()`);
    const pair = await follow(here.guest, () => there.guest);
    for (let step = 0; step < 50; step += 1) {
      const { epoch } = pair.primary;
      here.run(`kept.push(next() + lines.next().value + 'x'.repeat(${step * 500}))`);
      await pair.primary.commit();
      expect(pair.primary.epoch).toBeGreaterThan(epoch);
    }
    const before = here.run('kept.join()');
    await handOver(pair);
    expect(there.run('kept.join()')).toBe(before);
    expect(there.run('next() + lines.next().value')).toBe('91line 51');
  });

  it('a WASI program has its files, which come, grow and go while it is followed', async () => {
    const [here, there] = [await openStore(), await openStore()];
    const seen = new Set(here.guest.regions);
    const first = seen.size;
    const pair = await follow(here.guest, () => there.guest);
    const until = here.store.getSteps() + 3000;
    while (here.store.getSteps() < until) {
      await pair.primary.commit();
      for (const region of here.guest.regions) seen.add(region);
      await sleep(1);
    }
    await pair.primary.close();
    const [steps, digest] = [here.store.getSteps(), here.store.getDigest()];
    const next = await pair.standby.promoted;
    onTestFinished(() => next.close());
    await there.guest.run(() => {
      expect(there.store.getSteps()).toBeGreaterThanOrEqual(steps);
      if (there.store.getSteps() === steps) expect(there.store.getDigest()).toBe(digest);
      expect(there.store.damaged()).toBe(0);
    });
    expect(seen.size).toBeGreaterThan(first);
    expect(here.guest.regions.length).toBeLessThan(seen.size);
  });

  it('a file that a process writes is where that can go on with it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pageferry-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    writeFileSync(from, '');
    // It ends with this process, however that does.
    const program = `const { appendFileSync } = require('node:fs');
      let line = 0;
      setInterval(() => appendFileSync(process.argv[1], '\\n'.repeat(1 + line++ * 7)), 1);
      process.stdin.on('end', () => process.exit()).resume();`;
    const writer = spawn(process.execPath, ['-e', program, from]);
    onTestFinished(() => void writer.kill('SIGKILL'));
    await once(writer, 'spawn');
    const guest = await fileGuest(from, { live: true, pausePid: writer.pid ?? 0 });
    onTestFinished(() => guest.close());
    const pair = await follow(guest, ({ regions: [offered] }) =>
      fileDestination(to, { ...offered, byteLength: Number(offered?.byteLength) }),
    );
    for (let times = 0; times < 10; times += 1) {
      await pair.primary.commit();
      await sleep(5);
    }
    await handOver(pair);
    while (!existsSync(to)) await sleep(1);
    expect(Buffer.compare(readFileSync(to), readFileSync(from))).toBe(0);
    expect(readFileSync(to).length).toBeGreaterThan(10_000);
  });
});

interface Script {
  readonly guest: Guest;
  /** What a piece of script gives, as text. */
  run(script: string): string;
}

async function openScript(): Promise<Script> {
  const load = (name: string) => import(pathToFileURL(`examples/quickjs/${name}.mjs`).href);
  const { openSandbox } = await load('sandbox');
  const { quickjsGlue } = await load('glue');
  const sandbox = await openSandbox();
  const vm: QuickJSContext = sandbox.vm;
  const glue: GlueState = quickjsGlue(sandbox, new Map());
  const { module, instance, imports } = sandbox;
  const guest = await wasmGuest({ module, instance, imports, glue, onGeneration: () => {} });
  const run = (script: string): string =>
    vm.unwrapResult(vm.evalCode(`String(${script})`)).consume((text) => vm.getString(text));
  return { guest, run };
}
