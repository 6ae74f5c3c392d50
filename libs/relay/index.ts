export { LaneRelay, type LaneSource } from './lane-relay.ts';
export { type ClaimLimits, type Hold, LeaseTable } from './lease.store.ts';
export { type Claim, type LaneParts, LeasedLane } from './leased-lane.ts';
export { type RelayTiming, relayTiming } from './relay-timing.ts';
export { Turns } from './turns.ts';
