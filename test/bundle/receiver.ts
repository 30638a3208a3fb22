import { bundleDestination } from '../../src/bundle/bundle-destination.js';
import { type Listener, listen } from '../../src/migration/listen.js';

/** Takes every bundle that is offered into the folder that `inbox` is by then, in place of an older one. */
export async function receiveBundles(inbox: () => string, maxOutageMs?: number): Promise<Listener> {
  const listener = await listen({
    ...(maxOutageMs === undefined ? {} : { maxOutageMs }),
    accept: (offer) =>
      bundleDestination(offer, { outDir: inbox(), maxImage: 2 ** 30, replace: true }),
  });
  void (async () => {
    for await (const _ of listener);
  })();
  return listener;
}
