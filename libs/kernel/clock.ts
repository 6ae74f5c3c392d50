/** Where the product reads the time, so that tests can move it. */
export abstract class Clock {
  /** The wall clock. */
  abstract now(): Date;
  /** Milliseconds of a clock that never goes backwards; only differences mean anything. */
  abstract monotonic(): number;
}

export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }

  monotonic(): number {
    return performance.now();
  }
}
