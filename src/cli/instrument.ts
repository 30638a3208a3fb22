import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { FerryError } from '../errors.js';
import { fileError, writeAt } from '../guests/file-io.js';
import { createPartial, letGo, placePartial, removePartial } from '../guests/partial-file.js';
import { type Instrumented, instrument } from '../instrument/instrument.js';
import type { MapPlace } from '../instrument/place.js';
import { conduct, type Stage } from './conduct.js';
import { checkingUsage, UsageError } from './failure.js';
import { describeInstrumented } from './instrument-report.js';

interface InstrumentCommandOptions {
  readonly out: string;
  readonly place?: MapPlace;
  readonly prefix?: string;
  readonly stripStart?: true;
  readonly json?: true;
}

/** V8's limit for one module. */
const mostBytes = 2 ** 30;
const places: readonly MapPlace[] = ['second-memory', 'behind-maximum', 'none'];

export function addInstrument(program: Command): void {
  program
    .command('instrument')
    .description(
      'Put a write log into a WebAssembly module, and names to all its state, so that it can be migrated.',
    )
    .argument('<IN>', 'the module')
    .requiredOption('-o, --out <OUT>', 'where the instrumented module goes')
    .addOption(
      new Option(
        '--place <PLACE>',
        'where the map of written pages is (default: second-memory where this Node.js has it, else behind-maximum); none: writes are found by scanning',
      ).choices(places),
    )
    .option('--prefix <PREFIX>', 'what the names of added exports begin with')
    .option('--strip-start', 'leave out the start function: for instances that go on with a state')
    .option('--json', 'as one JSON object on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry instrument program.wasm -o program.logged.wasm',
    )
    .action((file: string, options: InstrumentCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => instrumentFile(file, options, stage)),
    );
}

async function instrumentFile(
  file: string,
  options: InstrumentCommandOptions,
  { output, interruption }: Stage,
): Promise<void> {
  const { out, place, prefix, stripStart } = options;
  const { bytes, mode } = await readModule(file, out);
  const { wasm, report } = await checkingUsage(() =>
    named(file, () =>
      instrument(bytes, {
        ...(place !== undefined && { place }),
        ...(prefix !== undefined && { prefix }),
        start: stripStart === true ? 'strip' : 'keep',
      }),
    ),
  );
  await writeModule(out, wasm, mode, interruption.signal);
  output.event({ type: 'instrumented', file, out, ...report });
  if (!output.json) for (const line of describeInstrumented(file, out, report)) output.line(line);
}

/** What is wrong with a module is said with its name. */
function named(file: string, work: () => Instrumented): Instrumented {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    throw new FerryError(error.code, `${file}: ${error.message}`, { cause: error });
  }
}

/** A module's bytes and its permissions. A UsageError where `out` would take its place. */
async function readModule(
  file: string,
  out: string,
): Promise<{ readonly bytes: Uint8Array; readonly mode: number }> {
  try {
    // Not to wait for whoever writes a pipe.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw new FerryError('ERR_IO', `cannot read ${file}: it is no file`);
      if (stats.size > mostBytes) {
        throw new FerryError('ERR_UNSUPPORTED', `${file}: no engine takes a module of 1 GiB`);
      }
      const { mode, dev, ino } = stats;
      const there = await stat(out).catch(() => undefined);
      if (there?.dev === dev && there.ino === ino) {
        throw new UsageError(`${out} is the module itself: give --out another name`);
      }
      return { bytes: await handle.readFile(), mode: mode & 0o777 };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw fileError(error, `cannot read ${file}`);
  }
}

/** Whatever was at `path` is replaced at once, by a whole module with the permissions of the one it was made of. */
async function writeModule(
  path: string,
  wasm: Uint8Array,
  mode: number,
  signal: AbortSignal,
): Promise<void> {
  const partial = await createPartial(path);
  try {
    await writeAt(partial.handle, 0, wasm);
    await partial.handle.chmod(mode);
    if (signal.aborted) throw new FerryError('ERR_ABORTED', 'interrupted: nothing was written');
    const unsynced = await placePartial(partial);
    if (unsynced !== undefined) throw unsynced;
  } catch (error) {
    await removePartial(partial).catch(() => {});
    throw fileError(error, `cannot write ${path}`);
  } finally {
    await letGo(partial);
  }
}
