import { beatAt, lifeOf } from './alive-file.js';
import { EtcdLeases } from './etcd.js';
import type { EtcdOptions } from './etcd-options.js';
import { readRecord } from './record-file.js';

/** A lease as another thread of its owner's process can renew it: what it has to know, to be copied there. */
export type Renewal =
  | {
      readonly engine: 'embedded';
      readonly generation: bigint;
      readonly recordPath: string;
      readonly alivePath: string;
      /** Which taking of the lock it is. */
      readonly life: string;
    }
  | {
      readonly engine: 'etcd';
      readonly generation: bigint;
      readonly options: EtcdOptions;
      readonly guest: string;
      /** What the key `alive` has. */
      readonly alive: string;
    };

export interface OpenRenewal {
  /** As `LeaseProvider.renew` does. */
  readonly renew: () => Promise<boolean>;
  readonly close: () => Promise<void>;
}

export function openRenewal(renewal: Renewal): OpenRenewal {
  if (renewal.engine === 'etcd') {
    const leases = new EtcdLeases(renewal.options);
    leases.adopt(renewal.guest, renewal.alive);
    return {
      renew: () => leases.renew(renewal.guest, renewal.generation),
      close: () => leases.close(),
    };
  }
  const { generation, recordPath, alivePath, life } = renewal;
  return {
    renew: async () => {
      const { record } = await readRecord(recordPath);
      if (record?.generation !== generation || (await lifeOf(alivePath)) !== life) return false;
      await beatAt(alivePath);
      return true;
    },
    close: async () => {},
  };
}
