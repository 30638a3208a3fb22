import type { Command } from 'commander';
import { FerryError } from '../errors.js';
import { RecordingReader } from '../migration/recording-reader.js';
import { summarize } from '../migration/recording-summary.js';
import { conduct, type Stage } from './conduct.js';
import { describeRecording } from './inspect-report.js';
import { inspectStore } from './inspect-store.js';
import { isStore } from './store-options.js';

interface InspectOptions {
  readonly json?: true;
  readonly keyFile?: string;
}

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description(
      'Say what is in a recording (messages, pages, rounds, phases, downtime) or in a store of snapshots.',
    )
    .argument('<FILE>', 'what --record wrote, or the folder of a store')
    .option('--key-file <FILE>', "an encrypted store's key")
    .option('--json', 'as one JSON object on stdout')
    .addHelpText('after', '\nExample:\n  $ pageferry inspect flight.rec')
    .action((file: string, options: InspectOptions) =>
      conduct(options.json === true, 'source', async (stage) =>
        (await isStore(file)) ? inspectStore(file, options, stage) : inspect(file, stage),
      ),
    );
}

/** What can be read of a damaged recording is told before the damage is. */
async function inspect(file: string, { output }: Stage): Promise<void> {
  const reader = new RecordingReader(file);
  try {
    const { side, byteLength } = reader;
    const summary = summarize(reader.items());
    const { damage } = reader;
    output.event({ type: 'recording', side, byteLength, ...summary, damage: damage ?? null });
    if (!output.json) {
      for (const line of describeRecording(side, byteLength, summary)) output.line(line);
    }
    if (damage !== undefined)
      throw new FerryError('ERR_STORE_CORRUPT', `${file} is damaged ${damage}`);
  } finally {
    reader.close();
  }
}
