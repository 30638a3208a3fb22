import type { Command } from 'commander';
import { type PredictOptions, predict } from '../migration/predict.js';
import type { Prospect } from '../migration/prospect.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { checkingUsage } from './failure.js';
import { parsePositive, parseRate } from './parse.js';
import { describeProspect } from './predict-report.js';

interface PredictCommandOptions {
  readonly live?: true;
  readonly seconds?: number;
  readonly bytesPerSecond?: number;
  readonly rtt?: number;
  readonly maxDowntime?: number;
  readonly json?: true;
}

export function addPredict(program: Command): void {
  program
    .command('predict')
    .description(
      'Say what sending a file will be, before anything moves: rounds, bytes, time, pause.',
    )
    .argument('<FILE>', 'the file that is to be sent')
    .option('--live', 'something else keeps writing it: watch how')
    .option('--seconds <S>', 'how long to watch it (default 3)', parsePositive)
    .option(
      '--bytes-per-second <N>',
      'what the link carries, as in 10M (default: as loopback does)',
      parseRate,
    )
    .option('--rtt <MS>', 'round trip of the link (default: as on loopback)', parsePositive)
    .option('--max-downtime <MS>', 'longest acceptable pause of the writer', parsePositive)
    .option('--json', 'as one JSON object on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry predict disk.img --live --bytes-per-second 10M',
    )
    .action((file: string, options: PredictCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => run(file, options, stage)),
    );
}

async function run(
  file: string,
  options: PredictCommandOptions,
  { output, interruption }: Stage,
): Promise<void> {
  const watching = `watching ${escapeControls(file)}`;
  output.status(watching);
  const prospect: Prospect = await checkingUsage(() =>
    predict(file, {
      ...optionsOf(options),
      signal: interruption.signal,
      onProgress: (share) => output.status(`${watching}  ${Math.floor(share * 100)} %`),
    }),
  );
  output.event({ type: 'predicted', ...prospect });
  if (output.json) return;
  for (const line of describeProspect(file, prospect)) output.line(line);
}

function optionsOf(options: PredictCommandOptions): PredictOptions {
  const { live, seconds, bytesPerSecond, rtt, maxDowntime } = options;
  return {
    live: live === true,
    ...(seconds === undefined ? {} : { seconds }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(rtt === undefined ? {} : { rttMs: rtt }),
    ...(maxDowntime === undefined ? {} : { maxDowntimeMs: maxDowntime }),
  };
}
