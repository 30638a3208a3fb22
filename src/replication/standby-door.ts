import { FerryError } from '../errors.js';
import { doorLimits } from '../migration/door-limits.js';
import { checkPlace, credentialsOf, type TrustOptions } from '../migration/trust.js';
import { helloAreaBytes } from '../protocol/limits.js';
import {
  type Channel,
  Doorkeeper,
  listenTcp,
  listenTls,
  type TcpListener,
} from '../transport/index.js';

const mostConnections = 4;

/** Where a standby is found by its primary. */
export class StandbyDoor {
  readonly #server: TcpListener;
  readonly #door: Doorkeeper;

  private constructor(server: TcpListener, door: Doorkeeper) {
    this.#server = server;
    this.#door = door;
  }

  /** ERR_IO if it cannot listen there; ERR_NOT_LOOPBACK for a place that others reach, without credentials. */
  static async open(
    host: string,
    port: number,
    trust: TrustOptions,
    onChannel: (channel: Channel) => void,
  ): Promise<StandbyDoor> {
    const credentials = credentialsOf(trust);
    await checkPlace(host, credentials, trust.insecure ?? false);
    const door = new Doorkeeper(doorLimits(mostConnections, 1));
    const entrance = {
      ...{ host, port, door, areaBytes: helloAreaBytes, onChannel },
      onRefused: () => {},
    };
    const server = await (credentials === undefined
      ? listenTcp(entrance)
      : listenTls({ ...entrance, credentials }));
    return new StandbyDoor(server, door);
  }

  get host(): string {
    return this.#server.host;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Nobody comes in any more. */
  async close(): Promise<void> {
    await this.#server.close();
    this.#door.close(new FerryError('ERR_ABORTED', 'the standby was closed'));
  }
}
