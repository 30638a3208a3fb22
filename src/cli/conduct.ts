import { asFailure, errorLine, exitCode, exitCodeOf, type Side, UsageError } from './failure.js';
import { Interruption } from './interruption.js';
import { Output } from './output.js';

/** What a command works with. */
export interface Stage {
  readonly output: Output;
  readonly interruption: Interruption;
}

/** How long open handles may keep a finished command from ending. */
const lingerMs = 1200;

/**
 * Runs a command: the one place where failures become the last event, the error line and the exit code. `side` is whose failure it is
 * where the failure itself does not say.
 */
export async function conduct(
  json: boolean,
  side: Side,
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  const output = new Output(json);
  const interruption = new Interruption();
  try {
    await work({ output, interruption });
    process.exitCode = exitCode.done;
  } catch (error) {
    if (error instanceof UsageError) {
      output.error(`pageferry: ${error.message}`);
      process.exitCode = exitCode.usage;
    } else {
      const failure = asFailure(error, side);
      output.event(failure.event);
      output.error(errorLine(failure.event.code, failure.event.message));
      process.exitCode = interruption.exitCode ?? exitCodeOf(failure);
    }
  }
  output.close();
  // Unreferenced: it only fires where something forgotten would keep us here.
  setTimeout(() => process.exit(), lingerMs).unref();
}
