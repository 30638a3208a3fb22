import { actOf, beginClaim, stepClaim } from '../../src/lease/claim.js';
import { admission } from '../../src/lease/fence.js';
import { mayAct, renewed } from '../../src/lease/holding.js';
import { claimed, handedOver } from '../../src/lease/owner-record.js';
import * as primary from '../../src/replication/primary.js';
import * as standby from '../../src/replication/standby.js';

/** The product's machines and decisions, as the explorer drives them. A mutation has one of them decide otherwise. */
export const machines: typeof primary &
  typeof standby & {
    readonly actOf: typeof actOf;
    readonly admission: typeof admission;
    readonly beginClaim: typeof beginClaim;
    readonly claimed: typeof claimed;
    readonly handedOver: typeof handedOver;
    readonly mayAct: typeof mayAct;
    readonly renewed: typeof renewed;
    readonly stepClaim: typeof stepClaim;
    readonly compares: boolean;
    readonly persists: boolean;
  } = {
  ...primary,
  ...standby,
  actOf,
  admission,
  beginClaim,
  claimed,
  handedOver,
  mayAct,
  renewed,
  stepClaim,
  /** The engine changes a record only if its revision is the expected one. */
  compares: true,
  /** A receiver has the highest token where it outlives the process, before it accepts anything. */
  persists: true,
};

export type Machines = typeof machines;
