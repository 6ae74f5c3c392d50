import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import type { GiteaFact } from '#intake';
import { canonicalJson, Clock, type Json, sha256 } from '#kernel';
import { signEnvelope } from '../evidence/dsse.ts';
import { EvidenceKeys } from '../evidence/evidence-keys.ts';
import { insertFact, newestFacts } from '../evidence/evidence.store.ts';
import { STATEMENT } from '../evidence/statement.ts';
import { Moves } from '../lifecycle/moves.ts';
import { commitSubject, GITEA, resultOf } from './facts.ts';
import { isWatched, readOfCommit } from './source.store.ts';
import { nameOf } from './source-standing.ts';

const RESULTS = { pass: 'PASSED', fail: 'FAILED', inconclusive: 'INCONCLUSIVE' } as const;

/** Records what Gitea says of commits as evidence. Its producer is Gitea, and it is no sign-off of anybody. */
@Injectable()
export class GiteaEvidence {
  constructor(
    private readonly keys: EvidenceKeys,
    private readonly moves: Moves,
    private readonly clock: Clock,
  ) {}

  /** Once for each thing that is said. Answers the rollouts of the commit. */
  async record(tx: SystemTx, fact: GiteaFact): Promise<string[]> {
    const { orgId, repository, commit, kind } = fact;
    const watched = await isWatched(tx, { ...fact, name: nameOf(repository) });
    if (!watched) return [];
    const [subject, predicateType, result] = [commitSubject(fact), GITEA[kind], resultOf(fact)];
    const known = await newestFacts(tx, orgId, subject, predicateType);
    const before = known.find((one) => one.fact === fact.id);
    const state = `${fact.state}${fact.standing === true ? ' standing' : ''}`;
    if (before?.result === result && before.state === state) return readOfCommit(tx, fact);
    const by = { system: 'rollout', orgId } as const;
    const { row: key, privateKey } = await this.keys.own(tx, orgId, by);
    const observedAt = this.clock.now();
    const statement = {
      _type: STATEMENT,
      subject: [{ name: repository, digest: { sha256: subject, gitCommit: commit } }],
      predicateType,
      predicate: {
        verifier: { id: repository.slice(0, -nameOf(repository).length - 1) },
        timeVerified: observedAt.toISOString(),
        verificationResult: RESULTS[result],
        // Who said so is Gitea's to know: a name of a person stands in no statement that is never changed.
        id: fact.id,
        state,
        ...(fact.url !== undefined && { url: fact.url }),
      },
    };
    const body = Buffer.from(canonicalJson(statement as unknown as Json));
    const envelope = signEnvelope(body, privateKey, key.keyid);
    const digest = sha256(canonicalJson(envelope as unknown as Json)).toString('hex');
    const id = await insertFact(tx, orgId, {
      predicateType,
      subject,
      result,
      keyId: key.id,
      envelope,
      digest,
      observedAt,
      fact: fact.id,
    });
    if (id !== undefined) {
      await this.moves.note(tx, by, {
        action: 'evidence.recorded',
        target: { type: 'evidence', id },
        changes: {
          digest: { to: digest },
          predicateType: { to: predicateType },
          result: { to: result },
          key: { to: key.id },
          observedAt: { to: observedAt.toISOString() },
          producer: { to: 'gitea' },
          commit: { to: commit },
        },
      });
    }
    return readOfCommit(tx, fact);
  }
}
