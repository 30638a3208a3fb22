#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { addBundles } from './bundles.js';
import { addDemo } from './demo.js';
import { addDiff } from './diff.js';
import { addDrill } from './drill.js';
import { exitCode } from './failure.js';
import { addInspect } from './inspect.js';
import { addInstrument } from './instrument.js';
import { addKeys } from './keys.js';
import { addLs } from './ls.js';
import { addPredict } from './predict.js';
import { addProtect } from './protect.js';
import { addPrune } from './prune.js';
import { addReceive } from './receive.js';
import { addReplay } from './replay.js';
import { addResolve } from './resolve.js';
import { addRestore } from './restore.js';
import { addSend } from './send.js';
import { addSnapshot } from './snapshot.js';
import { addStandby } from './standby.js';
import { addVerify } from './verify.js';

const manifest: unknown = createRequire(import.meta.url)('../../package.json');

/** Wrong usage is one line and exit 2, whatever was wrong. */
function main(): Promise<void> {
  const program = new Command('pageferry')
    .description("Live migration of a running program's memory between processes.")
    .version(versionOf(manifest))
    .exitOverride()
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .showSuggestionAfterError(false);
  addDemo(program);
  addDrill(program);
  addProtect(program);
  addStandby(program);
  addReceive(program);
  addSend(program);
  addBundles(program);
  addSnapshot(program);
  addRestore(program);
  addVerify(program);
  addLs(program);
  addPrune(program);
  addDiff(program);
  addPredict(program);
  addKeys(program);
  addInstrument(program);
  addInspect(program);
  addReplay(program);
  addResolve(program);
  return program.parseAsync().then(
    () => {},
    (error: unknown) => {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return;
      process.exitCode = exitCode.usage;
      const asked = error.code === 'commander.help';
      const message = asked
        ? 'name a command'
        : error.message.replace(/^error: /, '').split('\n')[0];
      process.stderr.write(`pageferry: ${message}. See pageferry --help.\n`);
    },
  );
}

function versionOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'version' in value
    ? String(value.version)
    : '';
}

await main();
