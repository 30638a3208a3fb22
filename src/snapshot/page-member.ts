import { asFerryError } from '../errors.js';
import { PageIds } from './page-id.js';
import type { PageAnswer, PageOrder, PageThreadSetup } from './page-orders.js';
import { PageRebuild } from './page-rebuild.js';
import { PageWork } from './page-work.js';

type Say = (answer: PageAnswer) => void;

/** What a page thread does: says where its areas are, then carries out one order after the other. */
export function runPageThread({ areas }: PageThreadSetup, say: Say): (order: PageOrder) => void {
  const work = new PageWork(areas);
  let rebuild: PageRebuild | undefined;
  say({ memory: work.memory, addresses: work.areas.map(({ address }) => address) });
  const carryOut = (order: PageOrder): void => {
    switch (order.do) {
      case 'begin': {
        const ids = new PageIds(order.marks.idPrefix);
        work.begin(ids, order.marks.printSecret);
        rebuild = new PageRebuild(work.codec, ids);
        return;
      }
      case 'look': {
        const area = work.areas[order.area];
        if (area === undefined) throw new RangeError(`area ${order.area}`);
        say({ id: order.id, look: work.look(area, order.look) });
        return;
      }
      case 'rebuild':
        if (rebuild === undefined) throw new RangeError('ids are not known yet');
        rebuild.rebuild(order.rebuild);
        say({ id: order.id, rebuilt: true });
        return;
      default:
        order satisfies never;
    }
  };
  return (order) => {
    try {
      carryOut(order);
    } catch (error) {
      if (order.do === 'begin') throw error;
      const { code, message } = asFerryError(error, 'ERR_IO');
      say({ id: order.id, code, message });
    }
  };
}
