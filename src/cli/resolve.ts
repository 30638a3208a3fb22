import { access } from 'node:fs/promises';
import { connect } from 'node:net';
import { Argument, type Command, Option } from 'commander';
import { FerryError } from '../errors.js';
import { conduct, type Stage } from './conduct.js';
import { controlFolder, controlPath } from './control-folder.js';
import type { Verdict } from './control-socket.js';
import { escapeControls } from './escape.js';
import { type Side, UsageError } from './failure.js';
import { parseSession } from './parse.js';

interface ResolveOptions {
  readonly side?: Side;
}

const sides: readonly Side[] = ['source', 'destination'];
const longestAnswer = 4096;
const patienceMs = 10_000;

export function addResolve(program: Command): void {
  program
    .command('resolve')
    .description(
      'Decide a switchover in doubt, for a process of yours on this machine: the guest runs on here, or never again here.',
    )
    .argument('<SESSION>', 'the session that was reported as in doubt', parseSession)
    .addArgument(new Argument('<VERDICT>', 'what to do here').choices(['resume', 'abandon']))
    .addOption(
      new Option('--side <SIDE>', 'which of them, where both are in doubt here').choices(sides),
    )
    .addHelpText(
      'after',
      `
The two sides are separate decisions: before you say resume at one, make sure that the other does not run.

Example:
  $ pageferry resolve 5f0c3a9d1be24c7f8a6e0d4b92c71e35 resume`,
    )
    .action((session: string, verdict: Verdict, options: ResolveOptions) =>
      conduct(false, options.side ?? 'source', (stage) =>
        resolve(session, verdict, options, stage),
      ),
    );
}

async function resolve(
  session: string,
  verdict: Verdict,
  options: ResolveOptions,
  { output }: Stage,
): Promise<void> {
  const folder = await controlFolder();
  const doubting: { side: Side; path: string }[] = [];
  for (const side of options.side === undefined ? sides : [options.side]) {
    const path = controlPath(folder, session, side);
    if (await exists(path)) doubting.push({ side, path });
  }
  const [first, second] = doubting;
  if (first === undefined) {
    throw new FerryError('ERR_IO', `no process of yours here is in doubt about ${session}`);
  }
  if (second !== undefined) {
    throw new UsageError('both sides are in doubt on this machine: say which with --side');
  }
  output.line(`${first.side}: ${escapeControls(await say(verdict, first.path))}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Says one word to the process behind the socket at `path`; resolves with what it answers. */
function say(verdict: Verdict, path: string): Promise<string> {
  return new Promise((answered, reject) => {
    let answer = '';
    const socket = connect(path, () => socket.write(`${verdict}\n`));
    const fail = (why: string): void => {
      socket.destroy();
      reject(new FerryError('ERR_IO', `the process in doubt cannot be reached: ${why}`));
    };
    socket.setEncoding('utf8');
    socket.setTimeout(patienceMs, () => fail('it does not answer'));
    socket.on('error', (error) => fail(error.message));
    socket.on('data', (chunk: string) => {
      answer = (answer + chunk).slice(0, longestAnswer);
    });
    socket.on('end', () => {
      if (answer === '') fail('it hung up');
      else answered(answer.trimEnd());
    });
  });
}
