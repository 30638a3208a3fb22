import { asFerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { MigrationEvent } from '../migration/events.js';
import { ControlSocket } from './control-socket.js';
import { obeyCoordinator } from './demo-child.js';
import { createGuest } from './demo-guests.js';
import type { FromSource, ToSource } from './demo-messages.js';
import { DemoPost } from './demo-post.js';
import { asFailure } from './failure.js';
import { runMigration } from './migration-run.js';
import { openRecording } from './record-option.js';

/** The process that a demo's guest runs in first. */

const post = new DemoPost<FromSource>();
const control = new ControlSocket('source');
const cancel = new AbortController();
let guest: Guest | undefined;

obeyCoordinator<ToSource>(obey, (error) => {
  const { code, message } = asFerryError(error, 'ERR_GUEST');
  post.post({ type: 'broken', code, message });
});

async function obey(command: ToSource): Promise<void> {
  switch (command.type) {
    case 'run':
      guest = await createGuest(command.plan, post.commit);
      await guest.resume();
      post.post({ type: 'running' });
      return;
    case 'migrate':
      if (guest !== undefined) await migrateAway(guest, command);
      return;
    case 'cancel':
      cancel.abort();
      return;
    case 'end':
      return;
    default:
      command satisfies never;
  }
}

async function migrateAway(
  moved: Guest,
  { host, port, options, record }: Extract<ToSource, { type: 'migrate' }>,
): Promise<void> {
  const recording = openRecording(
    record,
    { error: (text) => post.post({ type: 'notice', text }) },
    { side: 'source', guest: moved, options },
  );
  post.post({ type: 'migrating' });
  const ended = await runMigration({
    guest: moved,
    options: { ...options, host, port, signal: cancel.signal },
    recording,
    control,
    onEvent: pass,
    onNotice: (text) => post.post({ type: 'notice', text }),
  }).then(
    () => ({ failed: undefined, refused: false }),
    (error: unknown) => {
      const { event, refused } = asFailure(error, 'source');
      return { failed: event, refused };
    },
  );
  await control.close();
  post.speak();
  post.post({ type: 'ended', ...ended, lastCommitMs: post.lastCommitMs });
}

/** Between `switchover` and the next event lies the pause: nothing is told while it lasts. */
function pass(event: MigrationEvent): void {
  if (event.type === 'switchover') post.quiet();
  else post.speak();
  post.post({ type: 'event', event });
}
