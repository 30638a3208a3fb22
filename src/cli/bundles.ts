import type { Command } from 'commander';
import {
  type Arrived,
  type Entry,
  listBundles,
  unregisterBundle,
  verifyBundle,
} from '../bundle/registry.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { errorLine, UsageError } from './failure.js';
import { formatSize, plural } from './format.js';
import { parseCheckTime } from './parse.js';

interface BundlesOptions {
  readonly verify?: string;
  readonly unregister?: string;
  readonly register?: string;
  readonly check?: string;
  /** Seconds. */
  readonly checkTimeout: number;
  readonly json?: true;
}

export function addBundles(program: Command): void {
  program
    .command('bundles')
    .description('Say which bundles arrived in a folder, and verify one before it is started.')
    .argument('<DIR>', 'what receive --out-dir was given')
    .option('--verify <NAME>', 'compare its files with its manifest, and register it if it is not')
    .option('--unregister <NAME>', 'undo its registration; its files stay')
    .option('--register <COMMAND>', 'a command that registers and unregisters, as of receive')
    .option('--check <COMMAND>', 'a command that says whether a bundle is well, as of receive')
    .option('--check-timeout <SECONDS>', 'how long that may take', parseCheckTime, 60)
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText('after', '\nExample:\n  $ pageferry bundles inbox --verify machine')
    .action((folder: string, options: BundlesOptions) =>
      conduct(options.json === true, 'destination', (stage) => bundles(folder, options, stage)),
    );
}

async function bundles(folder: string, options: BundlesOptions, stage: Stage): Promise<void> {
  const { verify, unregister, checkTimeout } = options;
  const commands = { ...options, checkTimeoutMs: checkTimeout * 1000 };
  if (verify !== undefined && unregister !== undefined) {
    throw new UsageError('--verify and --unregister are two things');
  }
  if (verify !== undefined) {
    show(verify, await verifyBundle(folder, verify, commands, stage.interruption.signal), stage);
  } else if (unregister !== undefined) {
    show(unregister, await unregisterBundle(folder, unregister, commands), stage);
  } else {
    for (const entry of await listBundles(folder)) list(entry, stage);
  }
}

function list(entry: Entry, stage: Stage): void {
  const { name, state } = entry;
  if ('record' in entry) {
    show(name, entry, stage);
    return;
  }
  const error = 'error' in entry ? entry.error : undefined;
  const { output } = stage;
  output.event({
    ...{ type: 'bundle', name, state },
    ...(error === undefined ? {} : { code: error.code, message: error.message }),
  });
  const why = error === undefined ? 'it did not complete' : errorLine(error.code, error.message);
  output.line(`${escapeControls(name)}  ${state}: ${why}`);
}

function show(name: string, { manifest, record }: Arrived, { output }: Stage): void {
  const { state, why, receivedAt, session } = record;
  output.event({ type: 'bundle', name, state, why, receivedAt, session, manifest });
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const about = `${formatSize(bytes)} in ${plural(manifest.files.length, 'file')}, arrived ${receivedAt}`;
  const hint = state === 'unclean' ? `; before it is started say bundles --verify ${name}` : '';
  output.line(escapeControls(`${name}  ${state}${why === '' ? '' : `: ${why}`}${hint}; ${about}`));
}
