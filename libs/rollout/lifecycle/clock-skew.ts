/** A clock may differ by so much. What was observed later than that from now was not observed. */
export const SKEW_MS = 60_000;
