import { asFerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { MigrationEvent, MigrationReport } from '../migration/events.js';
import { type MigrateTarget, migrate } from '../migration/migrate.js';
import type { MigrateOptions } from '../migration/options.js';
import type { SourceRecording } from '../migration/recording-writer.js';
import type { ControlSocket } from './control-socket.js';
import { checkingUsage, Failure } from './failure.js';

export interface MigrationRun {
  readonly guest: Guest;
  readonly options: MigrateOptions & MigrateTarget;
  readonly recording: SourceRecording | undefined;
  /** Opened while the switchover is in doubt. */
  readonly control: ControlSocket;
  readonly onEvent: (event: MigrationEvent) => void;
  /** Something to tell people that is no event. */
  readonly onNotice: (text: string) => void;
}

/** Runs one migration to its end. Rejects with a Failure. */
export async function runMigration(run: MigrationRun): Promise<MigrationReport> {
  const { guest, options, recording, control } = run;
  let refused = false;
  const migration = await checkingUsage(() =>
    migrate(guest, {
      ...options,
      watch: {
        ...(recording === undefined ? {} : { tap: recording.tap }),
        onStep: (event, state) => {
          // Before the machine ends it: no other side than the peer's says REJECT.
          if (event.type === 'message' && event.message.type === 'REJECT') refused = true;
          recording?.step(event, state);
        },
      },
    }),
  );
  let failed: Extract<MigrationEvent, { type: 'failed' }> | undefined;
  for await (const event of migration) {
    recording?.event(event);
    run.onEvent(event);
    if (event.type === 'failed') failed = event;
    if (event.type === 'in-doubt') {
      await control
        .open(migration.session, async (verdict) => {
          migration.resolve(verdict);
          const error = await migration.done.then(
            () => undefined,
            (reason: unknown) => reason,
          );
          return error === undefined
            ? 'the destination runs it'
            : asFerryError(error, 'ERR_GUEST').message;
        })
        .then(
          () => run.onNotice(`to decide: pageferry resolve ${migration.session} resume|abandon`),
          (error: unknown) =>
            run.onNotice(
              `resolve will not reach this process: ${asFerryError(error, 'ERR_IO').message}`,
            ),
        );
    }
  }
  recording?.close();
  if (failed !== undefined) throw new Failure(failed, refused);
  return migration.done.catch((error: unknown) => {
    throw asFerryError(error, 'ERR_GUEST');
  });
}
