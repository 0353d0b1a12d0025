/** The lists that a watch reads when it opens: the contexts that its reader has, and those that exist. In slices. */

import type { HeadPage } from '../contexts/pagination.js';
import type { ContextService } from '../contexts/service.js';
import type { Position } from '../model/model.js';
import type { Slices } from './slices.js';
import type { Subscription } from './subscription.js';

const LIST_PAGE = 1000;
/** An entry of a list of heads, or of the request, costs this part of a step. */
const STEPS_OF_LOOK_UP = 0.1;

/** Ids that the reader requests or has, each with the reader's position where the reader states one. */
export async function* asked(
  subscriptions: readonly Subscription[],
  slices: Slices,
): AsyncGenerator<readonly [id: string, at: Position | undefined]> {
  for (const { target, known } of subscriptions) {
    for (const id of target.kind === 'id' ? [target.id] : known.keys()) {
      yield [id, known.get(id)];
      if (slices.spend(STEPS_OF_LOOK_UP)) await slices.next();
    }
  }
}

/** All contexts under some prefixes, page by page. */
export async function* present(
  service: ContextService,
  prefixes: readonly string[],
  slices: Slices,
): AsyncGenerator<HeadPage['heads']> {
  for (const prefix of prefixes) {
    let pageToken = '';
    do {
      const page = await service.list(prefix, { pageSize: LIST_PAGE, pageToken });
      yield page.heads;
      pageToken = page.nextPageToken;
      if (slices.spend(page.heads.length * STEPS_OF_LOOK_UP)) await slices.next();
    } while (pageToken !== '');
  }
}
