import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import {
  type Caller,
  Clock,
  networkOf,
  newId,
  pageOf,
  randomText,
  readPage,
  type RequestFacts,
  tokenDigest,
} from '#kernel';
import { AuthFault } from '../auth.faults.ts';
import { personOf } from '../sessions/sessions.ts';
import { AttemptLimits } from '../limits/attempt-limits.ts';
import type { DevicePage } from './device.contract.ts';
import { SignInMail } from '../sign-in-mail.ts';
import { deleteDevices, insertDevice, readDevices, renewDevice } from './device.store.ts';

const KNOWN_SECONDS = 180 * 86_400;
/** A device that never showed its token again has likely lost it. */
const UNPROVEN_SECONDS = 30 * 86_400;
/** A sign-in within this time after the last writes nothing of the device. */
const RENEW_MS = 3_600_000;

/** A device whose token came with a sign-in and is the account's. */
export interface KnownDevice {
  readonly id: string;
  readonly lastSeenAt: Date;
  readonly proven: boolean;
}

/** The device a session is opened from. */
export interface SeenDevice {
  readonly id: string;
  /** For the device to keep; only where it was not known. */
  readonly token?: string;
}

/** Who signs in, and where. */
export interface Arrival {
  readonly person: { readonly id: string; readonly email: string };
  readonly org: { readonly name: string };
  readonly facts: RequestFacts;
}

/**
 * Devices that people have signed in from. A device is known by a token of its own, which proves nothing of the
 * person: it only takes the device out of reach of the limits that strangers' guesses use up.
 */
@Injectable()
export class Devices {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly limits: AttemptLimits,
    private readonly mail: SignInMail,
    private readonly clock: Clock,
  ) {}

  /**
   * In the transaction that opens a session, which is recorded with the device. Where nothing like the device was
   * seen before, the person is told by mail.
   */
  async seen(tx: SystemTx, known: KnownDevice | undefined, arrival: Arrival): Promise<SeenDevice> {
    const now = this.clock.now();
    if (known) {
      const age = now.getTime() - known.lastSeenAt.getTime();
      if (!known.proven || age > RENEW_MS) await renewDevice(tx, known.id, KNOWN_SECONDS);
      return { id: known.id };
    }
    const { person, org, facts } = arrival;
    const token = `pcd_${randomText(32)}`;
    const { id, unlike } = await insertDevice(tx, {
      id: newId(),
      userId: person.id,
      digest: tokenDigest(token),
      userAgent: facts.userAgent,
      likeness: this.limits.digest('likeness', `${networkOf(facts.ip)}\0${facts.userAgent ?? ''}`),
      seconds: UNPROVEN_SECONDS,
    });
    if (unlike) await this.mail.sendNewDevice(tx, person.email, org.name, facts);
    return { id, token };
  }

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<DevicePage> {
    const { limit, before } = readPage(query);
    const rows = await this.database.acrossOrgsFor('own_devices', caller, (tx) =>
      readDevices(tx, personOf(caller), caller.sessionId, limit + 1, before),
    );
    return pageOf(rows, limit, (row) => ({
      id: row.id,
      ...(row.user_agent !== null && { userAgent: row.user_agent }),
      firstSeenAt: row.first_seen_at.toISOString(),
      lastSeenAt: row.last_seen_at.toISOString(),
      expiresAt: row.expires_at.toISOString(),
      current: row.current,
    }));
  }

  async forget(caller: Caller, id: string): Promise<void> {
    await this.database.acrossOrgsFor('own_devices', caller, async (tx) => {
      if ((await deleteDevices(tx, personOf(caller), id)) === 0) throw AuthFault.device_not_found();
      await this.audit.append(tx, caller, {
        action: 'auth.device_forgotten',
        target: { type: 'device', id },
      });
    });
  }

  /**
   * Forgets every device of a person, in the transaction of another use case that records it (a password that was
   * changed or reset). Answers how many.
   */
  forgetAll(tx: OrgTx | SystemTx, userId: string): Promise<number> {
    return deleteDevices(tx, userId);
  }
}
