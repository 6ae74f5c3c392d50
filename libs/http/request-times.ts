import { Injectable } from '@nestjs/common';
import type { RequestFacts } from '#kernel';

/** What was answered on one route with one class of status, since the process began. */
export interface AnsweredRoute {
  readonly method: string;
  /** The pattern, never a path; `-` where no route matched. */
  readonly route: string;
  /** `2xx` and the like. */
  readonly status: string;
  readonly count: number;
  /** All of them together. */
  readonly seconds: number;
  /** How many took at most so many seconds, by `bounds`. */
  readonly within: readonly number[];
}

/** Seconds. */
const BOUNDS = [0.002, 0.01, 0.05, 0.1, 0.5, 1, 5] as const;

interface Tally {
  count: number;
  ms: number;
  /** By bucket, not yet added up; the last is what took longer than all bounds. */
  readonly buckets: number[];
}

/**
 * How many requests were answered and how long that took, by route and class of status. Patterns and the methods that
 * the server knows are the only keys, so there are only so many, whatever clients ask for.
 */
@Injectable()
export class RequestTimes {
  readonly bounds: readonly number[] = BOUNDS;
  /** By pattern, then method, then hundreds of the status: on the path of every request nothing is put together. */
  readonly #routes = new Map<string, Map<string, (Tally | undefined)[]>>();

  answered({ method, route }: Pick<RequestFacts, 'method' | 'route'>, status: number, ms: number): void {
    let methods = this.#routes.get(route);
    if (methods === undefined) this.#routes.set(route, (methods = new Map()));
    let classes = methods.get(method);
    if (classes === undefined) methods.set(method, (classes = []));
    const tally = (classes[Math.floor(status / 100)] ??= emptyTally());
    let bucket = 0;
    while (bucket < BOUNDS.length && ms > BOUNDS[bucket]! * 1_000) bucket += 1;
    tally.buckets[bucket]! += 1;
    tally.count += 1;
    tally.ms += ms;
  }

  read(): AnsweredRoute[] {
    const found: AnsweredRoute[] = [];
    for (const [route, methods] of this.#routes) {
      for (const [method, classes] of methods) {
        for (const [hundreds, tally] of classes.entries()) {
          if (tally) found.push({ method, route, status: `${hundreds}xx`, ...shown(tally) });
        }
      }
    }
    return found;
  }
}

function emptyTally(): Tally {
  return { count: 0, ms: 0, buckets: Array.from({ length: BOUNDS.length + 1 }, () => 0) };
}

function shown({ count, ms, buckets }: Tally): Pick<AnsweredRoute, 'count' | 'seconds' | 'within'> {
  let sum = 0;
  return { count, seconds: ms / 1_000, within: BOUNDS.map((_, at) => (sum += buckets[at] ?? 0)) };
}
