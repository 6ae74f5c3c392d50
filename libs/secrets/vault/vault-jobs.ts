import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Audit, bySystem } from '#audit';
import { Database } from '#database';
import { HandlesJob, type JobFacts } from '#jobs';
import { findPlatformId } from '../platform.store.ts';
import { erasureQueue, settlingQueue } from './erasure.ts';
import { VaultKv } from './kv.ts';
import { VaultChanges } from './vault-changes.ts';

/** What is done in Vault or OpenBao with nobody waiting. */
@Injectable()
export class VaultJobs {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly kv: VaultKv,
    private readonly changes: VaultChanges,
  ) {}

  @HandlesJob(settlingQueue)
  @Unattended('it records how changes ended that somebody with the permission began')
  async settle(_data: undefined, _job: JobFacts): Promise<void> {
    await this.changes.settle();
  }

  @HandlesJob(erasureQueue)
  @Unattended('the organization was deleted by somebody who may')
  async erase({ orgId }: { orgId: string }, _job: JobFacts): Promise<void> {
    let secrets = 0;
    for await (const path of this.kv.paths(orgId)) {
      await this.kv.erase(orgId, path);
      secrets += 1;
    }
    await this.database.acrossOrgs('secret_store', async (tx) => {
      await this.audit.record(tx, {
        ...bySystem('secrets', erasureQueue.name),
        orgId: (await findPlatformId(tx)) ?? orgId,
        action: 'secret_store.organization_erased',
        target: { type: 'organization', id: orgId },
        outcome: 'success',
        changes: { secrets },
      });
    });
  }
}
