import { asFerryError } from '../errors.js';
import type { Listener } from '../migration/listen.js';
import type { ControlSocket } from './control-socket.js';

/** Makes a destination that gave READY and lost its source reachable for `resolve`; `notice` tells people how. */
export async function openDoubt(
  control: ControlSocket,
  listener: Pick<Listener, 'resolve'>,
  session: string,
  notice: (text: string) => void,
): Promise<void> {
  try {
    await control.open(session, async (verdict) => {
      listener.resolve(session, verdict);
      return verdict === 'resume' ? 'it is started here' : 'it is given up here';
    });
    notice(`to decide: pageferry resolve ${session} resume|abandon`);
  } catch (error) {
    const { message } = asFerryError(error, 'ERR_IO');
    notice(`resolve will not reach this process: ${message}`);
  }
}
