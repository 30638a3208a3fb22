import { asFerryError } from '../errors.js';
import { PageIds } from './page-id.js';
import type { PageAnswer, PageOrder, PageThreadSetup } from './page-orders.js';
import { PageRebuild } from './page-rebuild.js';
import { PageWork } from './page-work.js';

type Say = (answer: PageAnswer) => void;

/** What a page thread does: says where its areas are, then carries out one order after the other. */
export function runPageThread(
  { areas, idPrefix }: PageThreadSetup,
  say: Say,
): (order: PageOrder) => void {
  const ids = new PageIds(idPrefix);
  const work = new PageWork(areas, ids);
  const rebuild = new PageRebuild(work.codec, ids);
  say({ memory: work.memory, addresses: work.areas.map(({ address }) => address) });
  const carryOut = (order: PageOrder): void => {
    const { id } = order;
    switch (order.do) {
      case 'look': {
        const area = work.areas[order.area];
        if (area === undefined) throw new RangeError(`area ${order.area}`);
        say({ id, look: work.look(area, order.look) });
        return;
      }
      case 'rebuild':
        rebuild.rebuild(order.rebuild);
        say({ id, rebuilt: true });
        return;
      default:
        order satisfies never;
    }
  };
  return (order) => {
    try {
      carryOut(order);
    } catch (error) {
      const { code, message } = asFerryError(error, 'ERR_IO');
      say({ id: order.id, code, message });
    }
  };
}
