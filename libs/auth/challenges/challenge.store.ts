import type { SystemTx } from '#database';
import { newId, randomText, tokenDigest } from '#kernel';
import type { Proof } from '../assurance.ts';

/** What a challenge waits for. */
export type ChallengeKind = 'password_change' | 'mfa' | 'enroll' | 'passkey' | 'step_up' | 'add_factor';

/** How long a challenge waits for its answer, in seconds. */
export const CHALLENGE_SECONDS = 600;
/** Answers one challenge takes, right or wrong. */
export const CHALLENGE_ATTEMPTS = 5;

/** What the answer is checked against. */
export interface ChallengeData {
  /** The WebAuthn challenge: 256 random bits, base64url. */
  readonly webauthn?: string;
  /** The TOTP device that is being enrolled: its id to be, and its secret, wrapped for that id. */
  readonly totp?: { readonly factorId: string; readonly wrappedSecret: string };
}

export interface Challenge {
  readonly id: string;
  readonly kind: ChallengeKind;
  readonly userId: string | undefined;
  readonly orgId: string | undefined;
  readonly sessionId: string | undefined;
  /** What was proven on the way here. */
  readonly proof: Proof;
  readonly data: ChallengeData;
}

export interface NewChallenge {
  readonly kind: ChallengeKind;
  readonly userId?: string;
  readonly orgId?: string;
  readonly sessionId?: string;
  readonly proof?: Proof;
  readonly data?: ChallengeData;
}

interface ChallengeRow {
  id: string;
  kind: ChallengeKind;
  user_id: string | null;
  org_id: string | null;
  session_id: string | null;
  auth_methods: string[];
  password_at: Date | null;
  factor_at: Date | null;
  factor_id: string | null;
  data: ChallengeData;
}

const COLUMNS = `id, kind, user_id, org_id, session_id, auth_methods, password_at, factor_at, factor_id, data`;
const OPEN = `digest = $1 AND kind = ANY($2) AND used_at IS NULL AND expires_at > now()
  AND attempts < ${CHALLENGE_ATTEMPTS}`;

/** Opens a challenge. Answers the token that stands for it: 256 random bits, of which only the digest is kept. */
export async function openChallenge(tx: SystemTx, challenge: NewChallenge): Promise<string> {
  const { kind, userId, orgId, sessionId, proof, data = {} } = challenge;
  const token = `pcc_${randomText(32)}`;
  await tx.query(
    `INSERT INTO challenges (id, digest, kind, user_id, org_id, session_id, auth_methods, password_at, factor_at,
                             factor_id, data, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + make_interval(secs => ${CHALLENGE_SECONDS}))`,
    [
      newId(),
      tokenDigest(token),
      kind,
      userId,
      orgId,
      sessionId,
      proof?.authMethods ?? [],
      proof?.passwordAt,
      proof?.factorAt,
      proof?.factorId,
      JSON.stringify(data),
    ],
  );
  return token;
}

/** An open challenge of one of these kinds, without counting; undefined where there is none. */
export async function findChallenge(
  tx: SystemTx,
  token: string,
  kinds: readonly ChallengeKind[],
): Promise<Challenge | undefined> {
  const row = await tx.one<ChallengeRow>(`SELECT ${COLUMNS} FROM challenges WHERE ${OPEN}`, [
    tokenDigest(token),
    kinds,
  ]);
  return row && challengeOf(row);
}

/**
 * Counts an answer to a challenge. The transaction has to commit before the answer is looked at: then any number of
 * parallel answers are looked at CHALLENGE_ATTEMPTS times. Undefined where the challenge is unknown or has ended.
 */
export async function attemptChallenge(
  tx: SystemTx,
  token: string,
  kinds: readonly ChallengeKind[],
): Promise<Challenge | undefined> {
  const row = await tx.one<ChallengeRow>(
    `UPDATE challenges SET attempts = attempts + 1 WHERE ${OPEN} RETURNING ${COLUMNS}`,
    [tokenDigest(token), kinds],
  );
  return row && challengeOf(row);
}

/** Spends a challenge on its right answer: true once. */
export async function spendChallenge(tx: SystemTx, id: string): Promise<boolean> {
  const spent = await tx.change('UPDATE challenges SET used_at = now() WHERE id = $1 AND used_at IS NULL', [
    id,
  ]);
  return spent > 0;
}

export async function storeChallengeData(tx: SystemTx, id: string, data: ChallengeData): Promise<void> {
  await tx.query('UPDATE challenges SET data = $2 WHERE id = $1', [id, JSON.stringify(data)]);
}

function challengeOf(row: ChallengeRow): Challenge {
  return {
    id: row.id,
    kind: row.kind,
    userId: row.user_id ?? undefined,
    orgId: row.org_id ?? undefined,
    sessionId: row.session_id ?? undefined,
    proof: {
      authMethods: row.auth_methods,
      passwordAt: row.password_at?.toISOString(),
      factorAt: row.factor_at?.toISOString(),
      factorId: row.factor_id ?? undefined,
    },
    data: row.data,
  };
}
