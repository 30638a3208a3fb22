import { type Command, Option } from 'commander';
import { checkConverter, type ImageFormat } from '../bundle/image-format.js';
import { type ListenEvent, type Listener, listen } from '../migration/listen.js';
import type { DestinationRecording } from '../migration/recording-writer.js';
import type { TrustOptions } from '../migration/trust.js';
import { openBase } from './base.js';
import { conduct, type Stage } from './conduct.js';
import { ControlSocket } from './control-socket.js';
import { openDoubt } from './doubt.js';
import { checkingUsage, Failure, UsageError } from './failure.js';
import { type InboxOptions, openInbox } from './inbox.js';
import { Landing } from './landing.js';
import { announceToken, makeToken, removeToken } from './made-token.js';
import { type Address, parseAddresses, parseCheckTime, parseCount, parseSize } from './parse.js';
import { ReceiveView } from './receive-view.js';
import { openRecording } from './record-option.js';
import { withKeyOptions, withMakingOptions } from './store-options.js';
import { addTrust, leavesHere, readTrust, type TrustArguments } from './trust-options.js';

interface ReceiveOptions extends TrustArguments, InboxOptions {
  readonly tokenUses: number;
  readonly tokenTtl: number;
  readonly maxOutage?: number;
  readonly listen: readonly [Address, ...Address[]];
  readonly out?: string;
  readonly outDir?: string;
  readonly once?: true;
  readonly maxImage: number;
  readonly maxSession?: number;
  /** Minutes. */
  readonly keepPartial?: number | true;
  readonly base?: string;
  readonly sparse?: true;
  readonly replace?: true;
  readonly convert?: ImageFormat;
  readonly register?: string;
  readonly check?: string;
  /** Seconds. */
  readonly checkTimeout: number;
  readonly journal?: string;
  readonly record?: string;
}

/** Costs 2 MiB of memory for each GiB of an image. */
const defaultMaxImage = 64 * 2 ** 30;
const minuteMs = 60_000;
/** A source in doubt asks for 5 seconds: so long a receiver that is done stays where the source has not hung up, or was cut off. */
const lingerMs = 6000;

export function addReceive(program: Command): void {
  const command = program
    .command('receive')
    .description(
      'Wait for files and bundles that `pageferry send` brings here, and guests to be stored.',
    )
    .requiredOption(
      '--listen <HOST:PORT>',
      'where to listen, several with commas; port 0: any free one',
      parseAddresses,
    )
    .addOption(new Option('--out <FILE>', 'where the image goes').conflicts('outDir'))
    .option('--out-dir <DIR>', 'a folder for images and bundles under their own names')
    .addOption(
      new Option('--store <STORE>', 'everything becomes a snapshot there, guests too').conflicts([
        ...['out', 'outDir', 'base', 'replace', 'convert', 'register', 'check'],
      ]),
    )
    .option('--name <NAME>', "of the snapshots (default: the image's or bundle's, a guest's kind)")
    .option('--stage <DIR>', 'where what arrives is until it is stored (default: in the store)')
    .option('--once', 'end after one completed image')
    .option('--max-image <SIZE>', 'largest image to take (default: 64GiB)', parseSize)
    .option(
      '--max-session <SIZE>',
      'most bytes one source may make this side write (default: 64 times the image and 1TiB)',
      parseSize,
    )
    .option('--sparse', 'take images longer than the disk has room for: mostly holes')
    .option(
      '--keep-partial [MINUTES]',
      'keep what arrived of an image that did not complete, for a source that begins anew (default: until then)',
      parseCount,
    )
    .option(
      '--base <PATH>',
      'an older image, a folder of them, or a snapshot, STORE/NAME: what of it is the same is not sent',
    )
    .option('--replace', 'a bundle takes the place of another of its name')
    .addOption(
      new Option('--convert <FORMAT>', 'what disk images in bundles become, by qemu-img').choices([
        'raw',
        'qcow2',
      ]),
    )
    .option(
      '--register <COMMAND>',
      'a command that registers a bundle, told of it as JSON on stdin',
    )
    .option('--check <COMMAND>', 'a command that says by its exit code whether a bundle is well')
    .option('--check-timeout <SECONDS>', 'how long that may take', parseCheckTime, 60)
    .option('--journal <FILE>', 'remember what completed, for sources that ask after a restart')
    .option(
      '--max-outage <SECONDS>',
      'how long to keep what arrived for a source that was cut off (default: 60)',
      parseCount,
    )
    .option('--token-uses <N>', 'images a token is good for; 0: any number', parseCount, 1)
    .option('--token-ttl <MINUTES>', 'how long it lets them begin; 0: always', parseCount, 15)
    .option('--record <FILE>', 'record every frame and step, for inspect and replay')
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry receive --listen 127.0.0.1:4711 --out copy.img --once',
    );
  withMakingOptions(
    withKeyOptions(
      addTrust(command, 'listen beyond this machine, unencrypted and unauthenticated'),
    ),
  ).action((options: Omit<ReceiveOptions, 'maxImage'> & { readonly maxImage?: number }) =>
    conduct(options.json === true, 'destination', (stage) =>
      receive({ ...options, maxImage: options.maxImage ?? defaultMaxImage }, stage),
    ),
  );
}

async function receive(options: ReceiveOptions, stage: Stage): Promise<void> {
  if ((options.out ?? options.outDir ?? options.store) === undefined) {
    throw new UsageError('say where images go: --out FILE, --out-dir DIR or --store STORE');
  }
  const { output } = stage;
  const given = await readTrust(options, options.listen, output);
  const needsToken = Object.keys(given).length === 0 && (await leavesHere(options.listen));
  const made = needsToken ? await makeToken() : undefined;
  try {
    await receiveTrusted(options, made ?? given, stage, (listener) => {
      if (made !== undefined) announceToken(made, listener, output);
    });
  } finally {
    if (made !== undefined) await removeToken(made);
  }
}

async function receiveTrusted(
  options: ReceiveOptions,
  trust: TrustOptions,
  { output, interruption }: Stage,
  onListening: (listener: Listener) => void,
): Promise<void> {
  const { base: _, keepPartial, ...others } = options;
  if (options.convert !== undefined) await checkConverter();
  const base = await openBase(options, output);
  const inbox = await openInbox(options, output);
  const landing = new Landing({
    ...others,
    ...(inbox === undefined ? {} : { inbox }),
    ...(base === undefined ? {} : { base }),
    checkTimeoutMs: options.checkTimeout * 1000,
    ...(keepPartial === undefined ? {} : { keepMs: keptMs(keepPartial) }),
  });
  const recording = openRecording(options.record, output, { side: 'destination' });
  const view = new ReceiveView(output, landing, options.once === true);
  const listener = await startListening(options, trust, landing, view, recording);
  const stop = (): void => void listener.close();
  interruption.signal.addEventListener('abort', stop);
  view.listening(listener.addresses);
  onListening(listener);
  const control = new ControlSocket('destination');
  const doubt = (session: string): void =>
    void openDoubt(control, listener, session, (text) => output.line(text));
  let completed = false;
  try {
    completed = await serve(listener, view, doubt, options.once === true);
  } finally {
    interruption.signal.removeEventListener('abort', stop);
    await listener.close();
    await landing.clear();
    await base?.close();
    await inbox?.close();
    await control.close();
    recording?.close();
  }
  if (!completed) {
    throw new Failure({
      type: 'failed',
      code: 'ERR_ABORTED',
      message: 'stopped before an image completed',
      phase: 'listening',
      side: 'destination',
      retryable: false,
    });
  }
}

function keptMs(minutes: number | true): number {
  return minutes === true ? Number.POSITIVE_INFINITY : minutes * minuteMs;
}

function startListening(
  options: ReceiveOptions,
  trust: TrustOptions,
  landing: Landing,
  view: ReceiveView,
  recording: DestinationRecording | undefined,
): Promise<Listener> {
  const [first, ...addresses] = options.listen;
  return checkingUsage(() =>
    listen({
      ...first,
      addresses,
      accept: (offer) => landing.make(offer),
      maxImageBytes: options.maxImage,
      ...(options.maxSession === undefined ? {} : { maxSessionBytes: options.maxSession }),
      ...trust,
      ...(options.maxOutage === undefined ? {} : { maxOutageMs: options.maxOutage * 1000 || 1 }),
      tokenUses: options.tokenUses || Number.POSITIVE_INFINITY,
      tokenTtlMs: options.tokenTtl * minuteMs || Number.POSITIVE_INFINITY,
      ...(options.journal === undefined ? {} : { journal: options.journal }),
      watch: {
        ...(recording === undefined ? {} : { tap: recording.tap }),
        onStep: (session, event, state) => {
          landing.saw(session, state.phase);
          const message = 'message' in event ? event.message : undefined;
          if (message?.type === 'PAGES') view.pages(session, message.body.byteLength);
          recording?.step(session, event, state);
        },
      },
    }),
  );
}

/** Follows what happens until one image completed and its source hung up (`once`), or the listener closes. */
async function serve(
  listener: Listener,
  view: ReceiveView,
  doubt: (session: string) => void,
  once: boolean,
): Promise<boolean> {
  let completed: string | undefined;
  for await (const event of listener) {
    // The image's own fate is told; what else goes on here is not any more.
    if (completed === undefined) view.show(event);
    if (event.type === 'in-doubt') doubt(event.session);
    if (!once) continue;
    if (event.type === 'arrived' && completed === undefined) {
      completed = event.arrival.session;
      setTimeout(() => void listener.close(), lingerMs).unref();
    }
    if (hungUp(event, completed)) break;
  }
  return completed !== undefined;
}

function hungUp(event: ListenEvent, session: string | undefined): boolean {
  return event.type === 'ended' && event.session === session && event.orderly;
}
