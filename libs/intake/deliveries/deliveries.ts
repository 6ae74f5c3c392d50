import { Injectable } from '@nestjs/common';
import type { AccessRequest } from '#access';
import { Audit } from '#audit';
import { Database, type SystemTx } from '#database';
import { parseStrictJson } from '#http';
import { Jobs } from '#jobs';
import { Fault, type FaultMaker, newId, type RequestFacts, sha256 } from '#kernel';
import { holdHook, type HookRow } from '../hooks/hook.store.ts';
import { IntakeFault } from '../intake.faults.ts';
import { rereadQueue } from '../rereads/queues.ts';
import type { GiteaAcceptedView } from './delivery.contract.ts';
import { countRefusal, findTaken, insertDelivery, type NewDelivery } from './delivery.store.ts';
import { readEvent, type Told } from './gitea-events.ts';
import { refusalOf, SignedDelivery } from './signed-deliveries.ts';

const makers: ReadonlyMap<string, FaultMaker> = new Map(
  Object.values(IntakeFault).map((maker) => [maker.code, maker]),
);

/**
 * Takes signed deliveries in. What is taken is a prompt and no more: one line, one record and one job, in one
 * transaction; the job asks Gitea.
 */
@Injectable()
export class Deliveries {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
  ) {}

  async take({ proof, facts }: AccessRequest): Promise<GiteaAcceptedView> {
    if (!(proof instanceof SignedDelivery)) throw IntakeFault.bad_signature();
    const { hook, headers, body } = proof;
    const known = {
      orgId: hook.org_id,
      hookId: hook.id,
      id: newId(),
      delivery: headers.delivery,
      event: headers.type,
      bodySha256: sha256(body).toString('hex'),
    };
    try {
      const told = this.#told(proof);
      return await this.database.acrossOrgs('gitea_intake', (tx) =>
        this.#accept(tx, hook, facts, {
          ...known,
          repository: told.repository,
          subjects: told.subjects,
          verdict: told.subjects.length > 0 ? 'accepted' : 'ignored',
        }),
      );
    } catch (error) {
      const maker = error instanceof Fault ? makers.get(error.code) : undefined;
      if (!maker || !(error instanceof Fault)) throw error;
      await countRefusal(this.database.alone('gitea_intake'), { ...known, code: maker.code });
      const { data, errors } = error;
      throw maker({ ...(data && { data }), ...(errors && { errors }), audit: refusalOf(hook) });
    }
  }

  #told({ hook, headers, body }: SignedDelivery): Told {
    const told = readEvent(headers.event, headers.type, parse(body));
    if (!hook.repositories.includes(told.repository)) throw IntakeFault.unknown_repository();
    return told;
  }

  async #accept(
    tx: SystemTx,
    hook: HookRow,
    facts: RequestFacts,
    delivery: NewDelivery,
  ): Promise<GiteaAcceptedView> {
    // While this commits nobody disables the hook, or takes the secret away that was right a moment ago.
    const now = await holdHook(tx, hook.org_id, hook.id);
    if (!now?.live || !isSame(now, hook)) throw IntakeFault.hook_disabled();
    if (!(await insertDelivery(tx, delivery))) {
      const taken = await findTaken(tx, delivery);
      throw IntakeFault.replayed({ ...(taken && { data: { delivery: taken.id, same: taken.same } }) });
    }
    if (delivery.verdict === 'accepted') {
      await this.audit.record(tx, {
        orgId: hook.org_id,
        actor: { type: 'system', id: `gitea_hook:${hook.id}` },
        action: 'intake.delivery_accepted',
        target: { type: 'gitea_hook', id: hook.id },
        outcome: 'success',
        request: facts,
        changes: {
          delivery: { to: delivery.id },
          event: { to: delivery.event },
          repository: { to: delivery.repository },
          bodySha256: { to: delivery.bodySha256 },
        },
      });
      await this.jobs.enqueue(tx, rereadQueue, { orgId: hook.org_id, deliveryId: delivery.id });
    }
    return { id: delivery.id, verdict: delivery.verdict };
  }
}

function parse(body: Buffer): unknown {
  try {
    return parseStrictJson(body);
  } catch (error) {
    if (error instanceof Fault && error.errors) throw IntakeFault.malformed({ errors: error.errors });
    throw error;
  }
}

/** What the signature was judged by. */
function isSame(now: HookRow, then: HookRow): boolean {
  return (
    String(now.secret_refs) === String(then.secret_refs) &&
    String(now.repositories) === String(then.repositories)
  );
}
