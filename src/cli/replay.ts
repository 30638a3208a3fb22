import type { Command } from 'commander';
import { FerryError } from '../errors.js';
import { RecordingReader } from '../migration/recording-reader.js';
import { replay } from '../migration/replay.js';
import { conduct, type Stage } from './conduct.js';
import { plural } from './format.js';

interface ReplayOptions {
  readonly json?: true;
}

export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('Run a recording through the machines again: the same must come of it.')
    .argument('<FILE>', 'what --record wrote')
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText('after', '\nExample:\n  $ pageferry replay flight.rec')
    .action((file: string, options: ReplayOptions) =>
      conduct(options.json === true, 'destination', (stage) => replayFile(file, stage)),
    );
}

async function replayFile(file: string, { output }: Stage): Promise<void> {
  const reader = new RecordingReader(file);
  try {
    const { frames, transitions, difference } = await replay(reader);
    if (difference !== undefined) {
      throw new FerryError('ERR_DIGEST', `${file} goes another way this time: ${difference}`);
    }
    if (reader.damage !== undefined) {
      throw new FerryError(
        'ERR_STORE_CORRUPT',
        `${file} is damaged ${reader.damage}; replayed until there: ${plural(frames, 'frame')}, ${plural(transitions, 'transition')}`,
      );
    }
    output.event({ type: 'replayed', frames, transitions });
    output.line(
      `replayed: ${plural(frames, 'frame')}, ${plural(transitions, 'transition')}, same outcome`,
    );
  } finally {
    reader.close();
  }
}
