import { isId } from './ids.ts';

/** One page of a list. `next` is the cursor of the following page; absent on the last one. */
export interface Page<T> {
  items: T[];
  next?: string;
}

/** Cuts a page out of `limit + 1` rows that are ordered by descending id: the extra row only tells of more. */
export function pageOf<Row extends { id: string }, T>(
  rows: Row[],
  limit: number,
  view: (row: Row) => T,
): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const page: Page<T> = { items: items.map(view) };
  if (rows.length > limit && last) page.next = cursorAfter(last.id);
  return page;
}

/** The opaque cursor that continues after the row with this id. */
export function cursorAfter(id: string): string {
  return Buffer.from(`1:${id}`).toString('base64url');
}

/** The id a cursor stands for, or undefined where it is not one of ours. */
export function readCursor(cursor: string): string | undefined {
  const [version, id] = Buffer.from(cursor, 'base64url').toString().split(':');
  return version === '1' && isId(id) ? id : undefined;
}

/** What a list's query asks for: how many rows a page has (50 where unsaid), and the id it goes on before. */
export function readPage(query: { limit?: number; cursor?: string }): {
  limit: number;
  before: string | undefined;
} {
  return { limit: query.limit ?? 50, before: query.cursor && readCursor(query.cursor) };
}
