import type { Guest } from './guest.js';

/**
 * The guest as something that is only copied: whatever becomes of a migration of it, it goes on here, at COMMIT at the latest, and the destination has it as it was at its pause. For
 * a destination that stores it, or a copy that is to run too.
 */
export function copyOf(guest: Guest): Guest {
  return new Proxy(guest, {
    get(target, key) {
      if (key === 'handsOver') return false;
      if (key === 'handedOver') return undefined;
      // Of the guest itself: what it keeps private is not the proxy's.
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
